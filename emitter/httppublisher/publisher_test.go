package httppublisher_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/bustest"
	"github.com/ignis-go/ignis/emitter"
	"github.com/ignis-go/ignis/emitter/httppublisher"
	"github.com/ignis-go/ignis/httpapi"
	"github.com/ignis-go/ignis/ignistest"
	"github.com/ignis-go/ignis/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// backend is a server with an API.
type backend struct {
	*ignistest.Server
	url, key string
	http     *http.Client
}

func serve(t *testing.T, bus ignis.Bus, wrap func(http.Handler) http.Handler, scopes ...httpapi.Scope) backend {
	t.Helper()
	quiet := slog.New(slog.DiscardHandler)
	s := ignistest.NewServer(t, ignis.Config{
		Bus: bus, Logger: quiet,
		Authenticate: func(_ context.Context, c ignis.Credentials) (ignis.Identity, error) {
			return ignis.Identity{UserID: c.Token, TokenID: "token of " + c.Token}, nil
		},
	})
	key, hash, err := httpapi.NewKey("worker")
	if err != nil {
		t.Fatal(err)
	}
	if scopes == nil {
		scopes = []httpapi.Scope{httpapi.ScopePublish, httpapi.ScopeManage}
	}
	api, err := httpapi.New(httpapi.Config{
		Server: s.Server, Prefix: "/api", Logger: quiet,
		Keys: []httpapi.Key{{ID: "worker", Hashes: []string{hash}, Scopes: scopes, Rate: -1}},
	})
	if err != nil {
		t.Fatal(err)
	}
	h := http.Handler(api)
	if wrap != nil {
		h = wrap(h)
	}
	web := httptest.NewServer(h)
	t.Cleanup(web.Close)
	return backend{s, web.URL + "/api", key, web.Client()}
}

func (b backend) publisher(t *testing.T, c httppublisher.Config) *httppublisher.Publisher {
	t.Helper()
	c.URL, c.Key, c.Client = b.url, b.key, b.http
	if c.Pause == 0 {
		c.Pause = time.Millisecond
	}
	p, err := httppublisher.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func (b backend) emitter(t *testing.T, c httppublisher.Config) *emitter.Emitter {
	t.Helper()
	e, err := emitter.New(b.publisher(t, c), emitter.Config{})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// dial connects a client of a user.
func (b backend) dial(t *testing.T, user string) *ignistest.Client {
	t.Helper()
	return b.Dial(t, map[string]string{"token": user})
}

// It passes the suite for publishers. What it publishes reaches the other servers on the bus.
func TestConformance(t *testing.T) {
	bustest.RunPublisher(t, func(t *testing.T) (emitter.Publisher, ignis.Bus) {
		buses := bustest.NewCluster(2)
		return serve(t, buses[0], nil).publisher(t, httppublisher.Config{}), buses[1]
	})
}

// A message arrives as if it had been published through Redis.
func TestMessages(t *testing.T) {
	b := serve(t, nil, nil)
	ann, bob := b.dial(t, "ann"), b.dial(t, "bob")
	e := b.emitter(t, httppublisher.Config{MaxBatch: 3})
	data := json.RawMessage(`{ "x": 1.50, "y": "<é\u2028" }`)
	options := []wire.SendOption{wire.Except(bob.ID()), wire.Key("k"), wire.From(wire.Sender{ID: "c", UserID: "u"})}
	if err := e.Send(t.Context(), wire.ToEveryone(), "one", data, options...); err != nil {
		t.Fatal(err)
	}
	if m := ann.Expect("one", nil); string(m.Data) != `{"x":1.50,"y":"<é\u2028","from":{"id":"c","userId":"u"}}` || m.From.ID != "c" {
		t.Errorf("received %s from %+v", m.Data, m.From)
	}
	var batch []emitter.Message
	for i := range 10 {
		batch = append(batch, emitter.Message{To: wire.ToUser("bob"), Event: fmt.Sprint("n", i), Data: json.RawMessage(` {"a" :[ ]} `)})
	}
	batch = append(batch, emitter.Message{To: wire.ToClient(ann.ID()), Event: "last", Key: strings.Repeat("x", 300)}, emitter.Message{To: wire.ToRoom("ws-default"), Event: "room"})
	if err := e.SendAll(t.Context(), batch...); err != nil {
		t.Fatal(err)
	}
	for i := range 10 {
		if m := bob.Expect(fmt.Sprint("n", i), nil); string(m.Data) != `{"a" :[ ]}` {
			t.Errorf("data %s", m.Data)
		}
	}
	if m := ann.Expect("last", nil); m.Data != nil {
		t.Errorf("data %s", m.Data)
	}
	ann.Expect("room", nil)
}

// Commands are executed.
func TestCommands(t *testing.T) {
	b := serve(t, nil, nil)
	ann, bob := b.dial(t, "ann"), b.dial(t, "bob")
	e := b.emitter(t, httppublisher.Config{})
	ctx := t.Context()
	if err := e.JoinAll(ctx, wire.ToUser("ann"), "a", "b"); err != nil {
		t.Fatal(err)
	}
	if err := e.LeaveAll(ctx, wire.ToClient(ann.ID()), "a"); err != nil {
		t.Fatal(err)
	}
	if b.InRoom(ann.ID(), "a") || !b.InRoom(ann.ID(), "b") {
		t.Error("the rooms are wrong")
	}
	if err := e.DisconnectAll(ctx, wire.ToRoom("b"), 4100, "bye"); err != nil {
		t.Fatal(err)
	}
	ann.ExpectClose(4100)
	until := time.Now().Add(time.Hour)
	if err := e.Revoke(ctx, wire.Revocation{UserID: "bob", IssuedBefore: time.Now().Add(time.Minute), Until: until}); err != nil {
		t.Fatal(err)
	}
	bob.ExpectClose(4006)
	for _, r := range []wire.Revocation{{TokenID: "t", Until: until}, {ClientID: "c", Until: until}, {Everyone: true, IssuedBefore: time.Now(), Until: until}} {
		if err := e.Revoke(ctx, r); err != nil {
			t.Errorf("%+v: %v", r, err)
		}
	}
	if s := b.Stats(); s.Revoked != 4 {
		t.Errorf("stats %+v", s)
	}
	p := b.publisher(t, httppublisher.Config{})
	for _, text := range []string{"x", `{"version":1,"command":"drain","id":"1"}`, `{"version":1,"command":"join","id":"1"}`, `{"version":2,"command":"join"}`} {
		if err := p.SendCommands(ctx, wire.EncodedCommand{Text: []byte(text)}); !errors.Is(err, wire.ErrNotSent) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// What the API refuses was not sent, and the error says why.
func TestRefusals(t *testing.T) {
	b := serve(t, nil, nil, httpapi.ScopePublish)
	e := b.emitter(t, httppublisher.Config{})
	var refused *httppublisher.Error
	err := e.DisconnectAll(t.Context(), wire.ToUser("ann"), 4006, "")
	if !errors.As(err, &refused) || !errors.Is(err, wire.ErrNotSent) || refused.Status != 403 || refused.Type != "urn:ignis:problem:forbidden" || refused.RequestID == "" {
		t.Errorf("DisconnectAll = %v", err)
	}
	b.key = "worker.wrong"
	err = b.emitter(t, httppublisher.Config{}).Send(t.Context(), wire.ToUser("ann"), "x", 1)
	if !errors.Is(err, wire.ErrNotSent) || !strings.Contains(err.Error(), "401 unauthorized") || strings.Contains(err.Error(), b.key) {
		t.Errorf("Send with a wrong key = %v", err)
	}
	p := b.publisher(t, httppublisher.Config{})
	room := wire.ToRoom("r")
	valid := wire.Publication{Channel: room.Channel(), Envelope: []byte(`{"serverId":"emitter","type":"room","target":"r","event":"x"}`)}
	errs := p.Publish(t.Context(), wire.Publication{}, valid,
		wire.Publication{Envelope: []byte(`{"serverId":"emitter","type":"room","target":"r","event":"connected"}`)},
		wire.Publication{Envelope: []byte(`{"serverId":"emitter","type":"planet","target":"r","event":"x"}`)},
		wire.Publication{Envelope: []byte(`{"serverId":"emitter","type":"user","target":"r","event":"x","exclude":["a"]}`)},
		wire.Publication{Envelope: []byte(`{"serverId":"emitter","type":"room","target":"r","event":"x","exclude":[` + strings.Repeat(`"a",`, 1000) + `"a"]}`)})
	for i, err := range errs {
		if !errors.Is(err, wire.ErrNotSent) {
			t.Errorf("message %d: %v", i, err)
		}
	}
	gone := httptest.NewServer(nil)
	gone.Close()
	b.url = gone.URL
	if err := b.emitter(t, httppublisher.Config{}).Send(t.Context(), room, "x", 1); !errors.Is(err, wire.ErrNotSent) {
		t.Errorf("without a server: %v", err)
	}
}

// faulty lets the first requests fail.
type faulty struct {
	next http.Handler
	mu   sync.Mutex
	plan []func(w http.ResponseWriter, r *http.Request, next http.Handler)
	seen int
}

func (f *faulty) requests() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.seen
}

func (f *faulty) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	f.seen++
	var do func(http.ResponseWriter, *http.Request, http.Handler)
	if len(f.plan) > 0 {
		do, f.plan = f.plan[0], f.plan[1:]
	}
	f.mu.Unlock()
	if do == nil {
		f.next.ServeHTTP(w, r)
		return
	}
	do(w, r, f.next)
}

// The ways in which a request can fail.
func lostAnswer(_ http.ResponseWriter, r *http.Request, next http.Handler) {
	next.ServeHTTP(httptest.NewRecorder(), r) // it is executed
	panic(http.ErrAbortHandler)
}

func lostRequest(http.ResponseWriter, *http.Request, http.Handler) { panic(http.ErrAbortHandler) }

func status(code int, problem string) func(http.ResponseWriter, *http.Request, http.Handler) {
	return func(w http.ResponseWriter, r *http.Request, _ http.Handler) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.WriteHeader(code)
		_, _ = io.WriteString(w, problem)
	}
}

func kind(name string) string { return `{"type":"urn:ignis:problem:` + name + `","detail":"why"}` }

// transport answers requests without a network.
type transport func(*http.Request) (*http.Response, error)

func (f transport) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// A server, or a proxy during maintenance, can ask for a pause, but not make the caller wait for
// hours.
func TestRetryAfter(t *testing.T) {
	for seconds, want := range map[string]time.Duration{"": 400 * time.Millisecond, "2": 4 * time.Second, "30": time.Minute, "31": 0, "3600": 0} {
		synctest.Test(t, func(t *testing.T) {
			answer := transport(func(r *http.Request) (*http.Response, error) {
				return &http.Response{StatusCode: 503, Header: http.Header{"Retry-After": {seconds}}, Body: http.NoBody, Request: r}, nil
			})
			p, err := httppublisher.New(httppublisher.Config{URL: "http://x/api", Key: "k", Client: &http.Client{Transport: answer}})
			if err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			err = p.SendCommands(t.Context(), wire.Revocation{UserID: "ann", Until: began.Add(time.Hour)}.Encode())
			if waited := time.Since(began); err == nil || waited != want {
				t.Errorf("Retry-After %q: %v after %v, want %v", seconds, err, waited, want)
			}
		})
	}
}

// What a server answers cannot control a terminal that shows the error.
func TestHostileAnswer(t *testing.T) {
	const hostile = "a\\u001b[31mb\\u009b31mc\\u202ed"
	answer := transport(func(r *http.Request) (*http.Response, error) {
		body := io.NopCloser(strings.NewReader(`{"type":"urn:ignis:problem:` + hostile + `","detail":"` + hostile + `"}`))
		return &http.Response{StatusCode: 422, Header: http.Header{"X-Request-Id": {"a\u009bb"}}, Body: body, Request: r}, nil
	})
	p, err := httppublisher.New(httppublisher.Config{URL: "http://x/api", Key: "k", Client: &http.Client{Transport: answer}})
	if err != nil {
		t.Fatal(err)
	}
	err = p.SendCommands(t.Context(), wire.Revocation{UserID: "ann", Until: time.Now().Add(time.Hour)}.Encode())
	if err == nil || strings.ContainsAny(err.Error(), "\u001b\u009b\u202e") || !strings.Contains(err.Error(), "a [31mb 31mc d") {
		t.Errorf("error %q", err)
	}
}

// A request that fails for now is repeated, and executed once.
func TestAttempts(t *testing.T) {
	for name, row := range map[string]struct {
		plan     []func(http.ResponseWriter, *http.Request, http.Handler)
		attempts int
		requests int
		sent     bool   // whether the client receives the message
		err      string // empty: none
		notSent  bool   // whether the error says so
	}{
		"lost answer":               {[]func(http.ResponseWriter, *http.Request, http.Handler){lostAnswer}, 0, 2, true, "", false},
		"lost answer, then refused": {[]func(http.ResponseWriter, *http.Request, http.Handler){lostAnswer, status(401, kind("unauthorized"))}, 0, 2, true, "401", false},
		"lost requests":             {[]func(http.ResponseWriter, *http.Request, http.Handler){lostRequest, lostRequest}, 0, 3, true, "", false},
		"too many lost requests":    {[]func(http.ResponseWriter, *http.Request, http.Handler){lostRequest, lostRequest, lostRequest}, 0, 3, false, "EOF", false},
		"a lost answer, no repeat":  {[]func(http.ResponseWriter, *http.Request, http.Handler){lostAnswer}, 1, 1, true, "EOF", false},
		"overloaded":                {[]func(http.ResponseWriter, *http.Request, http.Handler){status(503, kind("overloaded"))}, 0, 2, true, "", false},
		"overloaded, no repeat":     {[]func(http.ResponseWriter, *http.Request, http.Handler){status(503, kind("overloaded"))}, 1, 1, false, "503 overloaded: why", true},
		"bus, nothing done":         {[]func(http.ResponseWriter, *http.Request, http.Handler){status(503, kind("bus-unavailable"))}, 2, 2, true, "", false},
		"a proxy":                   {[]func(http.ResponseWriter, *http.Request, http.Handler){status(502, "<html>")}, 0, 2, true, "", false},
		"a proxy, no repeat":        {[]func(http.ResponseWriter, *http.Request, http.Handler){status(502, "<html>")}, 1, 1, false, "the server answers 502", false},
		"internal":                  {[]func(http.ResponseWriter, *http.Request, http.Handler){status(500, kind("internal"))}, 0, 1, false, "500 internal", false},
		"unknown outcome":           {[]func(http.ResponseWriter, *http.Request, http.Handler){status(409, kind("idempotency-unknown"))}, 0, 1, false, "409", false},
		"not found":                 {[]func(http.ResponseWriter, *http.Request, http.Handler){status(404, kind("not-found"))}, 0, 1, false, "404 not-found", true},
		"a redirect":                {[]func(http.ResponseWriter, *http.Request, http.Handler){status(302, "")}, 0, 1, false, "302", false},
	} {
		t.Run(name, func(t *testing.T) {
			f := &faulty{plan: row.plan}
			b := serve(t, nil, func(h http.Handler) http.Handler { f.next = h; return f })
			ann := b.dial(t, "ann")
			// A connection that is not used again does not hide repeated requests.
			b.http = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
			err := b.emitter(t, httppublisher.Config{Attempts: row.attempts}).Send(t.Context(), wire.ToUser("ann"), "x", 1)
			switch {
			case row.err == "" && err != nil, row.err != "" && (err == nil || !strings.Contains(err.Error(), row.err)), errors.Is(err, wire.ErrNotSent) != row.notSent:
				t.Errorf("Send = %v, want %q", err, row.err)
			}
			if n := f.requests(); n != row.requests {
				t.Errorf("%d requests, want %d", n, row.requests)
			}
			if err := b.Send(t.Context(), ignis.ToUser("ann"), "last", 1); err != nil {
				t.Fatal(err)
			}
			if row.sent {
				ann.Expect("x", nil)
			}
			ann.Expect("last", nil)
		})
	}
}

// refusing is a bus that refuses envelopes that contain a text.
type refusing struct {
	ignis.Bus
	text string
}

func (b refusing) Publish(channel string, envelope []byte) error {
	if strings.Contains(string(envelope), b.text) {
		return errors.New("no luck")
	}
	return b.Bus.Publish(channel, envelope)
}

// If the bus fails for some messages of a batch, each has its own result.
func TestPartialBatch(t *testing.T) {
	b := serve(t, refusing{bustest.NewCluster(1)[0], `"bad"`}, nil)
	ann := b.dial(t, "ann")
	var failed *emitter.BatchError
	err := b.emitter(t, httppublisher.Config{MaxBatch: 3}).SendAll(t.Context(),
		emitter.Message{To: wire.ToUser("ann"), Event: "good"}, emitter.Message{To: wire.ToUser("ann"), Event: "bad"},
		emitter.Message{To: wire.ToUser("nobody"), Event: "bad"}, emitter.Message{To: wire.ToUser("ann"), Event: "late"})
	if !errors.As(err, &failed) {
		t.Fatalf("SendAll = %v", err)
	}
	errs := failed.Errors
	if errs[0] != nil || errs[1] == nil || errors.Is(errs[1], wire.ErrNotSent) || !errors.Is(errs[2], wire.ErrNotSent) || !errors.Is(errs[3], wire.ErrNotSent) {
		t.Errorf("errors %v", errs)
	}
	ann.Expect("good", nil)
	ann.Expect("bad", nil)
	if err := b.SendLocal(ignis.ToUser("ann"), "last", 1); err != nil {
		t.Fatal(err)
	}
	ann.Expect("last", nil)
}

// The context ends a call, also between two attempts.
func TestContext(t *testing.T) {
	b := serve(t, nil, func(http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { status(503, kind("overloaded"))(w, r, nil) })
	})
	e := b.emitter(t, httppublisher.Config{Attempts: 1000, Pause: time.Hour})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := e.Send(ctx, wire.ToUser("ann"), "x", 1); !errors.Is(err, wire.ErrNotSent) || !strings.Contains(err.Error(), "overloaded") {
		t.Errorf("the pause is longer than the context: %v", err)
	}
	ctx, cancel = context.WithCancel(t.Context())
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	b.url = "http://" + l.Addr().String()
	result := make(chan error)
	go func() { result <- b.emitter(t, httppublisher.Config{}).Send(ctx, wire.ToUser("ann"), "x", 1) }()
	conn, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	cancel()
	if err := <-result; !errors.Is(err, context.Canceled) || errors.Is(err, wire.ErrNotSent) {
		t.Errorf("Send = %v", err)
	}
}

func TestConfigErrors(t *testing.T) {
	for _, c := range []httppublisher.Config{
		{},
		{URL: "http://x"},
		{Key: "k"},
		{URL: "x", Key: "k"},
		{URL: "ftp://x", Key: "k"},
		{URL: "http://", Key: "k"},
		{URL: "http://u:p@x", Key: "k"},
		{URL: "http://x?a=b", Key: "k"},
		{URL: "http://x#a", Key: "k"},
		{URL: "http://x", Key: "k\n"},
		{URL: "http://x", Key: "k", Attempts: -1},
		{URL: "http://x", Key: "k", MaxBatch: -1},
	} {
		if _, err := httppublisher.New(c); err == nil {
			t.Errorf("%+v is accepted", c)
		}
	}
	if _, err := httppublisher.New(httppublisher.Config{URL: "https://x/api/", Key: "k"}); err != nil {
		t.Error(err)
	}
}
