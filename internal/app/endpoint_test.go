package app

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/ignis-go/ignis/access"
	"github.com/ignis-go/ignis/client"
	"github.com/ignis-go/ignis/internal/logtest"
	"github.com/ignis-go/ignis/webhook"
	"github.com/ignis-go/ignis/wire"
)

// token returns credentials with a token that is signed with the secret of production.
func token(claims string) map[string]string {
	return map[string]string{"token": sign(production().JWTSecret, claims)}
}

// sign returns a token with the claims.
func sign(secret []byte, claims string) string {
	encode := base64.RawURLEncoding.EncodeToString
	text := encode([]byte(`{"alg":"HS256","typ":"JWT"}`)) + "." + encode([]byte(claims))
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(text))
	return text + "." + encode(mac.Sum(nil))
}

// ann is a token of the user ann, who may join the room "a".
func ann() map[string]string {
	return token(`{"sub":"ann","exp":9999999999,"rooms":["a"],"info":{"n":7}}`)
}

// connect returns a client that is closed when the test ends.
func (r running) connect(t *testing.T, credentials any, header ...string) (*client.Conn, error) {
	t.Helper()
	c := client.Config{Credentials: credentials, HTTPHeader: http.Header{}}
	for i := 0; i < len(header); i += 2 {
		c.HTTPHeader.Set(header[i], header[i+1])
	}
	conn, err := client.Dial(t.Context(), "ws://"+r.addr+"/ws", c)
	if err == nil {
		t.Cleanup(func() { _ = conn.Close() })
	}
	return conn, err
}

// must is connect for a client that has to be accepted.
func (r running) must(t *testing.T, credentials any, header ...string) *client.Conn {
	t.Helper()
	c, err := r.connect(t, credentials, header...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// endpoint is the endpoint of an application, which records the requests.
type endpoint struct {
	url     string
	answers map[string]string // by the type of the request; empty by default, and 403 for "no"

	mu       sync.Mutex
	requests []question
}

// question is the body of a request.
type question struct {
	Type string
	Data struct {
		Headers map[string][]string
		Client  json.RawMessage
		Rooms   []string
		Events  []json.RawMessage
	}
}

func newEndpoint(t *testing.T, answers map[string]string) *endpoint {
	t.Helper()
	e := &endpoint{answers: answers}
	s := httptest.NewServer(e)
	t.Cleanup(s.Close)
	e.url = s.URL
	return e
}

func (e *endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var q question
	if err := json.NewDecoder(r.Body).Decode(&q); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.requests = append(e.requests, q)
	if answer := e.answers[q.Type]; answer != "no" {
		fmt.Fprint(w, answer)
		return
	}
	w.WriteHeader(http.StatusForbidden)
}

// asked returns the requests of a type.
func (e *endpoint) asked(kind string) (list []question) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, q := range e.requests {
		if q.Type == kind {
			list = append(list, q)
		}
	}
	return list
}

// told returns the types of the events, and their text.
func (e *endpoint) told(t *testing.T) (types []string, text string) {
	t.Helper()
	for _, q := range e.asked("events") {
		for _, raw := range q.Data.Events {
			var event struct{ Type string }
			if err := json.Unmarshal(raw, &event); err != nil {
				t.Fatal(err)
			}
			types, text = append(types, event.Type), text+string(raw)+"\n"
		}
	}
	return types, text
}

// The endpoint is told the events that the configuration lists, and nothing else. When Run
// returns, all of them have been delivered, also those that the shutdown has caused.
func TestWebhookIsTold(t *testing.T) {
	for _, tell := range [][]string{nil, {TellConnected}, {TellJoined}, {TellLeft}, {TellDisconnected}, {TellConnected, TellJoined, TellLeft, TellDisconnected}} {
		e := newEndpoint(t, nil)
		c := production()
		c.Webhook = hook(e.url, false)
		c.Webhook.Tell = tell
		r := run(t, c)
		conn := r.must(t, ann())
		if _, err := conn.Join(t.Context(), "a"); err != nil {
			t.Fatal(err)
		}
		if err := conn.Leave(t.Context(), "a"); err != nil {
			t.Fatal(err)
		}
		r.stop()
		if <-r.done; r.err != nil {
			t.Error(r.err)
		}
		got, text := e.told(t)
		if !slices.Equal(got, tell) || strings.Count(text, `"user":"ann","address":`) != len(tell) || strings.Count(text, `"info":{"n":7}`) != len(tell) {
			t.Errorf("told %q, want %q:\n%s", got, tell, text)
		}
	}
}

// A client without additional data is described without it.
func TestWebhookIsToldNoInfo(t *testing.T) {
	e := newEndpoint(t, nil)
	c := production()
	c.Webhook = hook(e.url, false)
	c.Webhook.Tell = []string{TellConnected}
	r := run(t, c)
	r.must(t, token(`{"sub":"ann","exp":9999999999}`))
	r.stop()
	<-r.done
	if got, text := e.told(t); len(got) != 1 || strings.Contains(text, "info") {
		t.Errorf("told %q:\n%s", got, text)
	}
}

// The endpoint authenticates clients, from the listed headers and the credentials. The requests
// are measured.
func TestWebhookAuthenticates(t *testing.T) {
	e := newEndpoint(t, map[string]string{"authenticate": `{"user":"ann","info":{"n":7}}`})
	c := production()
	c.JWTSecret, c.Metrics.Listen = nil, "127.0.0.1:0"
	c.Webhook = hook(e.url, true)
	c.Webhook.Tell, c.Webhook.Client.Headers = []string{TellDisconnected}, []string{"X-Team"}
	r := run(t, c)
	conn := r.must(t, nil, "X-Team", "blue", "X-Other", "secret")
	if conn.UserID() != "ann" {
		t.Errorf("connected as %q", conn.UserID())
	}
	if list := e.asked("authenticate"); len(list) != 1 || len(list[0].Data.Headers) != 1 || !slices.Equal(list[0].Data.Headers["x-team"], []string{"blue"}) {
		t.Errorf("asked %+v", list)
	}
	var refused *client.JoinError
	if _, err := conn.Join(t.Context(), "a"); !errors.As(err, &refused) {
		t.Errorf("without rules, joining a room: %v", err)
	}
	w := httptest.NewRecorder()
	r.app.metrics().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", http.NoBody))
	for _, line := range []string{`ignis_upgrades_total{outcome="accepted"} 1`, `ignis_webhook_requests_total{type="authenticate"} 1`, `ignis_webhook_request_duration_seconds_count{type="authenticate"`} {
		if !strings.Contains(w.Body.String(), "\n"+line) {
			t.Errorf("the metrics do not contain %s", line)
		}
	}
	e.mu.Lock()
	e.answers["authenticate"] = "no"
	e.mu.Unlock()
	if _, err := r.connect(t, nil); err == nil {
		t.Error("a client that the endpoint refuses was accepted")
	}
	r.stop()
	<-r.done
	if got, text := e.told(t); len(got) != 1 || !strings.Contains(text, `"info":{"n":7}`) {
		t.Errorf("told %q:\n%s", got, text)
	}
}

// The claims of a token say which rooms a client may join.
func TestTokensDecide(t *testing.T) {
	r := run(t, production())
	conn := r.must(t, ann())
	if _, err := conn.Join(t.Context(), "a"); err != nil || conn.UserID() != "ann" {
		t.Errorf("%q joining a room of the token: %v", conn.UserID(), err)
	}
	var refused *client.JoinError
	if _, err := conn.Join(t.Context(), "b"); !errors.As(err, &refused) {
		t.Errorf("joining another room: %v", err)
	}
	if n := r.app.Listening().Waiting; n != 0 {
		t.Errorf("%d clients count as waiting for a request", n)
	}
	bad := ann()
	bad["token"] += "x"
	if _, err := r.connect(t, bad); err == nil {
		t.Error("a token with a wrong signature was accepted")
	}
}

// With rules, the endpoint is asked what they leave to it. Whether it answers messages, or is
// only told about them, is a setting.
func TestWebhookDecidesByRules(t *testing.T) {
	rules, err := access.Compile([]access.Rule{
		{Match: "a", Join: access.JoinRule{Who: access.Webhook}, Send: []access.SendRule{{Events: []string{"say"}, To: access.ToBoth}}},
		{Match: "b", Join: access.JoinRule{Who: access.Webhook}},
		{Match: "c", Join: access.JoinRule{Who: access.Anyone}},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, told := range []bool{false, true} {
		e := newEndpoint(t, map[string]string{"join": `{"rooms":["a"]}`, "message": `{"reply":{"n":1}}`})
		c := production()
		c.Rules, c.Webhook = rules, hook(e.url, false)
		c.Webhook.TellMessages = told
		r := run(t, c)
		conn := r.must(t, ann())
		if err := r.app.Reload(t.Context(), c); err != nil {
			t.Errorf("with the same rules: %v", err)
		}
		joined, err := conn.Join(t.Context(), "a", "b", "c")
		var refused *client.JoinError
		if !errors.As(err, &refused) || len(refused.Refused) != 1 || refused.Refused[0].Room != "b" {
			t.Errorf("joined %+v, %v", joined, err)
		}
		if list := e.asked("join"); len(list) != 1 || !slices.Equal(list[0].Data.Rooms, []string{"a", "b"}) {
			t.Errorf("asked %+v", list)
		}
		reply, err := conn.RequestMessage(t.Context(), wire.Message{Event: "say", Room: "a", Data: []byte(`{}`)})
		if err != nil || strings.Contains(string(reply.Data), `"n":1`) == told {
			t.Errorf("told %v: got %+v, %v", told, reply, err)
		}
		r.stop()
		<-r.done
		events, _ := e.told(t)
		if asked := len(e.asked("message")); (asked == 1) == told || slices.Contains(events, "message") != told {
			t.Errorf("told %v: asked %d times, and told %q", told, asked, events)
		}
	}
}

// A secret that is not valid is reported with the name of its setting. One that has not changed
// is not reported as changed.
func TestReloadOfWebhookSecrets(t *testing.T) {
	const changed = "the secrets of the webhook have changed"
	var log logtest.Log
	c := withWebhook(t, webhook.NewSecret())
	c.Server.Logger = log.Logger()
	a, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Reload(t.Context(), c); err != nil || log.Has(changed) {
		t.Errorf("an unchanged secret has changed, %v", err)
	}
	write(t, c.Webhook.SecretFiles[0], webhook.NewSecret())
	if err := a.Reload(t.Context(), c); err != nil || log.Count(changed) != 1 {
		t.Errorf("a changed secret is not used, %v", err)
	}
	for text, want := range map[string]string{"not a secret": "24 to 64 bytes", strings.Repeat("x", 1<<10+1): "can read"} {
		write(t, c.Webhook.SecretFiles[0], text)
		e, ok := errors.AsType[*Error](a.Reload(t.Context(), c))
		if !ok || !strings.HasPrefix(e.Error(), "--webhook-secret-file: ") || !strings.Contains(e.Hint, want) || log.Count(changed) != 1 {
			t.Errorf("%.20s: %+v", text, e)
		}
		if _, err := New(c); err == nil {
			t.Errorf("%.20s: New accepts it", text)
		}
	}
}
