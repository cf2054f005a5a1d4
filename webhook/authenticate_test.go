package webhook_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/webhook"
	"github.com/ignis-go/ignis/wire"
)

// creds returns the credentials of a client.
func creds() ignis.Credentials {
	return ignis.Credentials{
		ClientID: "c1", RemoteAddr: "192.0.2.7:5000", Type: "Bearer", Token: private, Software: "shop/1.4",
		Raw: []byte(`{"type":"Bearer","token":"` + private + `","<b>":1}`),
	}
}

// The exact request, with all fields.
func TestAuthenticateRequest(t *testing.T) {
	bubble(t, func(t *testing.T) {
		a := newApp(t, says(200, `{"user":"ann"}`))
		c := a.newClient(webhook.Config{Headers: []string{"cookie", "host", "X-Absent"}})
		r, _ := http.NewRequest("GET", "http://rt.example.com/ws", nil)
		r.Header["Cookie"] = []string{"a=" + private, "b=2"}
		r.Header["X-Other"] = []string{"not listed"}
		if _, err := c.Authenticate(c.WithHeaders(t.Context(), r), creds()); err != nil {
			t.Fatal(err)
		}
		again := creds()
		again.Refreshed, again.Software = ann(), ""
		if _, err := c.Authenticate(t.Context(), again); err != nil {
			t.Fatal(err)
		}
		got := a.take()
		if len(got) != 2 {
			t.Fatalf("%d requests", len(got))
		}
		for i, want := range []string{
			`{"client":{"id":"c1","address":"192.0.2.7:5000"},"software":"shop/1.4","headers":{"cookie":["a=s3cr3t","b=2"],"host":["rt.example.com"]},"credentials":{"type":"Bearer","token":"s3cr3t","<b>":1},"refresh":false}`,
			`{"client":{"id":"c1","user":"ann","address":"192.0.2.7:5000"},"headers":{},"credentials":{"type":"Bearer","token":"s3cr3t","<b>":1},"refresh":true}`,
		} {
			if text := string(got[i].Data); text != want {
				t.Errorf("got  %s\nwant %s", text, want)
			}
			if g := got[i]; g.Type != "authenticate" || g.Source != "here" || g.Timestamp != "2000-01-01T00:00:00.000Z" || !strings.HasPrefix(g.ID, "msg_") {
				t.Errorf("%+v", g)
			}
		}
		if got[0].ID == got[1].ID {
			t.Error("both requests have the same ID")
		}
	})
}

// Answers that accept a client.
func TestAuthenticateAccepts(t *testing.T) {
	day := time.Date(2030, 1, 31, 9, 5, 7, 0, time.UTC)
	for answer, want := range map[string]struct {
		user, token string
		expires     time.Time
		issued      time.Time
		info        string
		grants      string // of teams
	}{
		`{"user":"ann"}`: {user: "ann"},
		` {"user" : "ann" , "anonymous":false, "info":null} `: {user: "ann"},
		`{"user":42}`: {user: "42"},
		`{"user":"` + strings.Repeat("x", 256) + `"}`:                   {user: strings.Repeat("x", 256)},
		`{"user":"\u00e4\ud83d\ude00"}`:                                 {user: "ä😀"},
		`{"anonymous":true}`:                                            {},
		`{"anonymous":true,"user":null,"grants":[],"info":{}}`:          {info: `{}`},
		`{"user":"ann","expires":"2030-01-31T10:05:07+01:00"}`:          {user: "ann", expires: day},
		`{"user":"ann","expires":1896080707}`:                           {user: "ann", expires: day},
		`{"user":"ann","expires":1896080707.5}`:                         {user: "ann", expires: day.Add(time.Second / 2)},
		`{"user":"ann","issuedAt":1896080707,"tokenId":"t1"}`:           {user: "ann", issued: day, token: "t1"},
		`{"user":"ann","tokenId":7}`:                                    {user: "ann", token: "7"},
		`{"user":"ann","info":{"name":"A"},"grants":{"teams":["red"]}}`: {user: "ann", info: `{"name":"A"}`, grants: `["red"]`},
		`{"user":"ann","info":"` + strings.Repeat("x", 16<<10-2) + `"}`: {user: "ann", info: `"` + strings.Repeat("x", 16<<10-2) + `"`},
	} {
		bubble(t, func(t *testing.T) {
			a := newApp(t, says(201, answer))
			c := a.newClient(webhook.Config{})
			id, err := c.Authenticate(t.Context(), creds())
			if err != nil {
				t.Fatalf("%.100s: %v", answer, err)
			}
			m := id.Metadata.(*webhook.Metadata)
			if id.UserID != want.user || !id.Expires.Equal(want.expires) || !id.IssuedAt.Equal(want.issued) || id.TokenID != want.token || string(m.Info) != want.info || string(m.Grant("teams")) != want.grants {
				t.Errorf("%.100s: got %+v, %+v", answer, id, *m)
			}
			if s := c.Stats().Authenticate; s.Requests != 1 || s.Accepted != 1 || s.Refused != 0 || len(s.Failed) != 0 || s.InFlight != 0 {
				t.Errorf("%.100s: counted %+v", answer, s)
			}
		})
	}
}

// Malformed answers. Each is counted, the error says what is wrong, and none of them opens the
// circuit.
func TestAuthenticateNonsense(t *testing.T) {
	for answer, want := range map[string]string{
		``:                                  "it is not a JSON object",
		`null`:                              "it is not a JSON object",
		`true`:                              "it is not a JSON object",
		`"ann"`:                             "it is not a JSON object",
		`[{"user":"ann"}]`:                  "it is not a JSON object",
		`<html>welcome</html>`:              "it is not a JSON object",
		`{"user":"ann"`:                     "it is not a JSON object",
		`{"user":"ann"}}`:                   "it is not a JSON object",
		`{"user":"ann"} {"user":"bob"}`:     "it is not a JSON object",
		`{'user':'ann'}`:                    "it is not a JSON object",
		"{\"user\":\"\xff\"}":               "it is not a JSON object",
		"\xef\xbb\xbf{\"user\":\"ann\"}":    "it is not a JSON object",
		`{}`:                                "it contains no user",
		`[]`:                                "it contains no user",
		`{"ok":true}`:                       `it contains the unknown field "ok"`,
		`{"User":"admin"}`:                  `it contains the unknown field "User"`,
		`{"user":"ann","expiers":1}`:        `it contains the unknown field "expiers"`,
		`{"user":"ann","user":"admin"}`:     `it contains "user" twice`,
		`{"user":"ann","\u0075ser":"root"}`: `it contains "user" twice`,
		`{"user":"ann","info":1,"info":2}`:  `it contains "info" twice`,
		`{"user":null}`:                     "it contains no user",
		`{"anonymous":false}`:               "it contains no user",
		`{"anonymous":"true"}`:              "anonymous is neither true nor false",
		`{"anonymous":true,"user":"ann"}`:   "it contains both user and anonymous",
		`{"user":""}`:                       "user is neither a string of 1 to 256 bytes",
		`{"user":true}`:                     "user is neither",
		`{"user":["ann"]}`:                  "user is neither",
		`{"user":{"id":"ann"}}`:             "user is neither",
		`{"user":1.5}`:                      "user is neither",
		`{"user":1e3}`:                      "user is neither",
		`{"user":-0}`:                       "user is neither",
		`{"user":99999999999999999999}`:     "user is neither",
		// The zero time in Go and .NET, which must not mean a session without an end.
		`{"user":"ann","expires":"0001-01-01T00:00:00Z"}`: "expires: it is neither",
		`{"user":"ann","expires":"1969-12-31T23:59:59Z"}`: "expires: it is neither",
		`{"user":"\ud800"}`:  "user is neither",
		`{"user":"a\u0000"}`: "user is neither",
		`{"user":"a\nb"}`:    "user is neither",

		`{"user":"` + strings.Repeat("x", 257) + `"}`:                                  "user is neither",
		`{"user":"ann","tokenId":""}`:                                                  "tokenId is neither",
		`{"user":"ann","tokenId":{}}`:                                                  "tokenId is neither",
		`{"user":"ann","expires":"tomorrow"}`:                                          "expires: it is neither a time",
		`{"user":"ann","expires":"2030-01-31"}`:                                        "expires: it is neither a time",
		`{"user":"ann","expires":"1896080707"}`:                                        "expires: it is neither a time",
		`{"user":"ann","expires":1896080707000}`:                                       "not milliseconds",
		`{"user":"ann","expires":-1}`:                                                  "expires: it is neither a time",
		`{"user":"ann","expires":1e999}`:                                               "expires: it is neither a time",
		`{"user":"ann","expires":true}`:                                                "expires: it is neither a time",
		`{"user":"ann","expires":{}}`:                                                  "expires: it is neither a time",
		`{"user":"ann","issuedAt":"x"}`:                                                "issuedAt: it is neither a time",
		`{"user":"ann","grants":"admin"}`:                                              "grants: it is not a JSON object",
		`{"user":"ann","grants":["admin"]}`:                                            "grants: it is not a JSON object",
		`{"user":"ann","grants":{"a":1,"a":2}}`:                                        `grants: it contains "a" twice`,
		`{"user":"ann","info":"` + strings.Repeat("x", 16<<10-1) + `"}`:                "more than MaxMetadata (16384)",
		`{"user":"ann","info":1,"grants":{"a":"` + strings.Repeat("x", 16<<10) + `"}}`: "more than MaxMetadata (16384)",
		`{"user":"ann","refuse":"no"}`:                                                 "refuse: it is not a JSON object",
		`{"refuse":{"code":"nope"}}`:                                                   "refuse.code must be one of",
		`{"refuse":{"code":7}}`:                                                        "refuse.code must be one of",
		`{"refuse":{"message":7}}`:                                                     "refuse.message is not a string",
		`{"refuse":{"text":"x"}}`:                                                      `refuse: it contains the unknown field "text"`,
		strings.Repeat("[", 100_000):                                                   "it is not a JSON object",

		`{"user":"ann","info":` + strings.Repeat("[", 5000) + strings.Repeat("]", 5000) + `}`: "it is not a JSON object",
	} {
		bubble(t, func(t *testing.T) {
			a := newApp(t, says(200, answer))
			c := a.newClient(webhook.Config{CircuitFailures: 1})
			for range 2 {
				id, err := c.Authenticate(t.Context(), creds())
				unusable(t, err, "webhook: authenticate: malformed answer: ", want)
				if id.UserID != "" || id.Metadata != nil {
					t.Errorf("%.100s: got %+v", answer, id)
				}
			}
			if s := c.Stats().Authenticate; s.Requests != 2 || s.Failed[webhook.CauseMalformed] != 2 || s.Accepted != 0 || s.Circuit != webhook.CircuitClosed {
				t.Errorf("%.100s: counted %+v", answer, s)
			}
		})
	}
}

// unusable checks an error for a request without a usable answer: its text, that it does
// not reject the client, and what the client is told.
func unusable(t *testing.T, err error, begins, contains string) {
	t.Helper()
	e, ok := errors.AsType[*ignis.Error](err)
	if !ok || errors.Is(err, ignis.ErrUnauthenticated) {
		t.Errorf("got %v", err)
		return
	}
	if e.Code != wire.CodeUnavailable && e.Code != wire.CodeTimeout || !strings.HasPrefix(e.Message, "The service ") {
		t.Errorf("the client is told %+v", e)
	}
	if text := err.Error(); !strings.HasPrefix(text, begins) || !strings.Contains(text, contains) || strings.Contains(text, private) {
		t.Errorf("the error is %q, want %q and %q", text, begins, contains)
	}
	if cause, ok := err.(interface{ LogCause() string }); !ok || len(cause.LogCause()) > 80 || !strings.HasPrefix(err.Error(), cause.LogCause()) {
		t.Errorf("the error for the log is %#v", err)
	}
}

// Answers that refuse a client: whether the server rejects it, what the client is told, and
// what is logged.
func TestAuthenticateRefuses(t *testing.T) {
	for name, row := range map[string]struct {
		status int
		body   string
		want   *ignis.Error // for the client; nil: the text of the protocol
		later  bool         // it does not reject the client
		log    string
	}{
		"401":                    {401, "", nil, false, "webhook: refused by the endpoint: 401"},
		"403 with text":          {403, "unknown token", nil, false, "webhook: refused by the endpoint: 403: unknown token"},
		"403 with another JSON":  {403, `{"refuse":{},"x":1}`, nil, false, `webhook: refused by the endpoint: 403: {"refuse":{},"x":1}`},
		"403 that accepts":       {403, `{"user":"ann"}`, nil, false, `webhook: refused by the endpoint: 403: {"user":"ann"}`},
		"401 with refuse":        {401, `{"refuse":{"message":"Closed."}}`, &ignis.Error{Code: wire.CodeForbidden, Message: "Closed."}, false, "webhook: refused by the endpoint: Closed."},
		"400 with refuse":        {400, `{"refuse":{"code":"invalid","message":"No token."}}`, &ignis.Error{Code: wire.CodeInvalid, Message: "No token."}, false, "webhook: refused by the endpoint: No token."},
		"200 with refuse":        {200, `{"refuse":{}}`, &ignis.Error{Code: wire.CodeForbidden}, false, "webhook: refused by the endpoint: forbidden"},
		"200 with user, refuse":  {200, `{"user":"ann","refuse":{"message":"Closed."}}`, &ignis.Error{Code: wire.CodeForbidden, Message: "Closed."}, false, "webhook: refused by the endpoint: Closed."},
		"200, unavailable":       {200, `{"refuse":{"code":"unavailable","message":"Later."}}`, &ignis.Error{Code: wire.CodeUnavailable, Message: "Later."}, true, "webhook: refused by the endpoint: Later."},
		"429, rate limited":      {429, `{"refuse":{"code":"rate_limited"}}`, &ignis.Error{Code: wire.CodeRateLimited}, true, "webhook: refused by the endpoint: rate_limited"},
		"a long message":         {200, `{"refuse":{"message":"` + strings.Repeat("ä", 600) + `"}}`, &ignis.Error{Code: wire.CodeForbidden, Message: strings.Repeat("ä", 512)}, false, "webhook: refused by the endpoint: ää"},
		"401 with control codes": {401, "a\x1b[31mb", nil, false, `webhook: refused by the endpoint: 401: a\u001b[31mb`},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				a := newApp(t, says(row.status, row.body))
				c := a.newClient(webhook.Config{CircuitFailures: 1})
				_, err := c.Authenticate(t.Context(), creds())
				if err == nil || errors.Is(err, ignis.ErrUnauthenticated) == row.later || !strings.HasPrefix(err.Error(), row.log) {
					t.Errorf("got %v, want %s", err, row.log)
				}
				if e, _ := errors.AsType[*ignis.Error](err); (e == nil) != (row.want == nil) || e != nil && *e != *row.want {
					t.Errorf("the client is told %+v, want %+v", e, row.want)
				}
				if s := c.Stats().Authenticate; s.Requests != 1 || s.Refused != 1 || len(s.Failed) != 0 || s.Circuit != webhook.CircuitClosed {
					t.Errorf("counted %+v", s)
				}
			})
		})
	}
}

// Other statuses are failures. Those of 500 and more open the circuit.
func TestAuthenticateStatuses(t *testing.T) {
	for status, opens := range map[int]bool{301: false, 307: false, 400: false, 404: false, 410: false, 429: false, 500: true, 502: true, 503: true, 599: true} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				a := newApp(t, func(w http.ResponseWriter, _ *http.Request, _ received) {
					w.Header().Set("Location", "http://other.example.com/")
					w.WriteHeader(status)
				})
				c := a.newClient(webhook.Config{CircuitFailures: 1})
				_, err := c.Authenticate(t.Context(), creds())
				want := fmt.Sprint(status)
				if status < 400 {
					want += " (redirects are not followed: configure the final URL)"
				}
				unusable(t, err, "webhook: authenticate: unexpected status: ", want)
				s := c.Stats().Authenticate
				if s.Requests != 1 || s.Failed[webhook.CauseStatus] != 1 || (s.Circuit == webhook.CircuitOpen) != opens {
					t.Errorf("counted %+v", s)
				}
				if n := len(a.take()); n != 1 {
					t.Errorf("%d requests arrived", n)
				}
			})
		})
	}
}

// The text of an answer is in the error, unless it could contain the credentials.
func TestTextOfAnswer(t *testing.T) {
	for name, row := range map[string]struct{ kind, body, want string }{
		"plain":      {"text/plain; charset=utf-8", "webhook: the signature of the request is wrong\n", "400: webhook: the signature of the request is wrong"},
		"json":       {"application/json", `{"error":"bad"}`, `400: {"error":"bad"}`},
		"html":       {"text/html", "<h1>bad</h1>", "400"},
		"no type":    {"", "bad", "400"},
		"long":       {"text/plain", strings.Repeat("ab", 300), "400: " + strings.Repeat("ab", 100)},
		"echo":       {"text/plain", `bad: {"type":"Bearer","token":"s3cr3t"}`, "400"},
		"echo later": {"text/plain", strings.Repeat("?", 150) + `"Bearer","token":"s3cr3t"`, "400"},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				a := newApp(t, func(w http.ResponseWriter, _ *http.Request, _ received) {
					w.Header().Set("Content-Type", row.kind)
					says(400, row.body)(w, nil, received{})
				})
				c := a.newClient(webhook.Config{})
				_, err := c.Authenticate(t.Context(), creds())
				if want := "webhook: authenticate: unexpected status: " + row.want; err == nil || err.Error() != want {
					t.Errorf("got %v, want %s", err, want)
				}
			})
		})
	}
}

// If the context of the client ends, the error is that of the context, and the endpoint has not
// failed.
func TestAuthenticateCanceled(t *testing.T) {
	bubble(t, func(t *testing.T) {
		a := newApp(t, hangs)
		c := a.newClient(webhook.Config{CircuitFailures: 1})
		for _, cause := range []error{nil, errors.New("gone")} {
			ctx, cancel := context.WithCancelCause(t.Context())
			time.AfterFunc(time.Second, func() { cancel(cause) })
			if _, err := c.Authenticate(ctx, creds()); !errors.Is(err, context.Canceled) {
				t.Errorf("got %v", err)
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := c.Authenticate(ctx, creds()); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		if s := c.Stats().Authenticate; s.Failed[webhook.CauseCanceled] != 3 || s.Circuit != webhook.CircuitClosed || s.InFlight != 0 {
			t.Errorf("counted %+v", s)
		}
	})
}

func TestMetadata(t *testing.T) {
	var none *webhook.Metadata
	m := ann().Metadata.(*webhook.Metadata)
	if none.Grant("x") != nil || m.Grant("Teams") != nil || string(m.Grant("teams")) != `["red"]` {
		t.Error("Grant")
	}
	if got := fmt.Sprint(none, m); got != "webhook.Metadata(nil) webhook.Metadata(1 grants)" {
		t.Errorf("printed as %s", got)
	}
}
