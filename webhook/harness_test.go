package webhook_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/internal/logtest"
	"github.com/ignis-go/ignis/internal/memnet"
	"github.com/ignis-go/ignis/webhook"
	"github.com/ignis-go/ignis/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// secret signs requests. private is part of credentials and payloads. Neither may appear
// in a log.
const (
	secret  = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	private = "s3cr3t"
)

// patience is how long a failing test waits.
const patience = 2 * time.Minute

// bubble runs a test in fake time.
func bubble(t *testing.T, f func(t *testing.T)) { t.Helper(); synctest.Test(t, f) }

// app is the application: an endpoint in memory that records the requests.
type app struct {
	t        testing.TB
	log      *logtest.Log
	listener *memnet.Listener

	mu       sync.Mutex
	answer   func(w http.ResponseWriter, r *http.Request, in received)
	requests []received
	dials    int
	conns    map[*conn]bool // open connections, as the client sees them
	handlers sync.WaitGroup
}

// received is a request as the endpoint sees it.
type received struct {
	ID        string `json:"-"` // the header
	At        int64  `json:"-"` // the header
	Type      string
	Timestamp string
	Source    string
	Data      json.RawMessage
}

// newApp starts an endpoint that answers by answer. It refuses requests with a wrong
// signature.
func newApp(t testing.TB, answer func(w http.ResponseWriter, r *http.Request, in received)) *app {
	t.Helper()
	a := &app{t: t, log: &logtest.Log{}, answer: answer, conns: make(map[*conn]bool), listener: memnet.Listen()}
	s := &http.Server{Handler: a, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelWarn)}
	served := make(chan struct{})
	go func() { defer close(served); _ = s.Serve(a.listener) }()
	t.Cleanup(func() {
		_ = s.Close()
		<-served
		a.handlers.Wait()
		for _, text := range []string{private, secret[6:]} {
			if a.log.Has(text) {
				t.Errorf("%s is in the log", text)
			}
		}
	})
	return a
}

func (a *app) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.handlers.Add(1)
	defer a.handlers.Done()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the client has gone
	}
	var in received
	if err := json.Unmarshal(body, &in); err != nil {
		a.t.Errorf("malformed request: %v: %s", err, body)
	}
	v, err := webhook.NewVerifier(webhook.VerifierConfig{Secrets: []string{secret}})
	if err == nil {
		err = v.Verify(r.Header, body)
	}
	if err != nil || r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/json" || r.ProtoMajor != 1 {
		a.t.Errorf("bad request: %v: %s %v", err, r.Method, r.Header)
	}
	in.ID = r.Header.Get("webhook-id")
	at, _ := time.ParseDuration(r.Header.Get("webhook-timestamp") + "s")
	in.At = int64(at.Seconds())
	a.mu.Lock()
	a.requests = append(a.requests, in)
	answer := a.answer
	a.mu.Unlock()
	answer(w, r, in)
}

// set replaces the way the endpoint answers.
func (a *app) set(answer func(w http.ResponseWriter, r *http.Request, in received)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.answer = answer
}

// take returns the requests since the last call.
func (a *app) take() []received {
	a.mu.Lock()
	defer a.mu.Unlock()
	list := a.requests
	a.requests = nil
	return list
}

func (a *app) dialed() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.dials
}

// dial is for Config.NetDial.
func (a *app) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	a.mu.Lock()
	a.dials++
	a.mu.Unlock()
	ours, theirs := net.Pipe()
	if err := a.listener.Add(ctx, theirs); err != nil {
		return nil, err
	}
	c := &conn{ours, theirs, a}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.conns[c] = true
	return c, nil
}

// conn is a connection to the endpoint.
type conn struct {
	net.Conn
	theirs net.Conn
	a      *app
}

func (c *conn) Close() error {
	c.a.mu.Lock()
	delete(c.a.conns, c)
	c.a.mu.Unlock()
	return c.Conn.Close()
}

// open returns the number of open connections.
func (a *app) open() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.conns)
}

// hangUp closes all connections on the side of the endpoint.
func (a *app) hangUp() {
	a.mu.Lock()
	defer a.mu.Unlock()
	for c := range a.conns {
		_ = c.theirs.Close()
	}
}

// newClient returns a client of the endpoint that runs until the test ends.
func (a *app) newClient(cfg webhook.Config) *webhook.Client {
	a.t.Helper()
	c := a.idleClient(cfg)
	a.run(c)
	return c
}

// run runs a client until the test ends.
func (a *app) run(c *webhook.Client) {
	ctx, cancel := context.WithCancel(context.Background())
	ran := make(chan error, 1)
	go func() { ran <- c.Run(ctx) }()
	a.t.Cleanup(func() {
		cancel()
		if err := <-ran; err != nil {
			a.t.Error(err)
		}
	})
}

// idleClient is like newClient for a client that does not run yet.
func (a *app) idleClient(cfg webhook.Config) *webhook.Client {
	a.t.Helper()
	if cfg.URL == "" {
		cfg.URL = "http://app.example.com/ignis?key=" + private
	}
	if cfg.Secrets == nil {
		cfg.Secrets = []string{secret}
	}
	if cfg.NetDial == nil {
		cfg.NetDial = a.dial
	}
	if cfg.Source == "" {
		cfg.Source = "here"
	}
	cfg.Logger = slog.New(slog.NewTextHandler(a.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	c, err := webhook.New(cfg)
	if err != nil {
		a.t.Fatal(err)
	}
	return c
}

// says answers each request with a status and a body.
func says(status int, body string) func(http.ResponseWriter, *http.Request, received) {
	return func(w http.ResponseWriter, _ *http.Request, _ received) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

// hangs answers nothing until the client has gone.
func hangs(_ http.ResponseWriter, r *http.Request, _ received) { <-r.Context().Done() }

// ann is a client of a server.
func ann() *ignis.Client {
	return &ignis.Client{
		ID: "c1", UserID: "ann", RemoteAddr: "192.0.2.7:5000", ConnectedAt: time.Date(2026, 1, 31, 9, 5, 7, 0, time.UTC), TokenID: "t1",
		Metadata: &webhook.Metadata{
			Grants: map[string]json.RawMessage{"teams": json.RawMessage(`["red"]`)},
			Info:   json.RawMessage(`{"name":"Ann"}`),
		},
	}
}

// compact returns JSON without white space.
func compact(t testing.TB, text []byte) string {
	t.Helper()
	var b bytes.Buffer
	if err := json.Compact(&b, text); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return b.String()
}

// nothing is a logger that drops everything.
var nothing = slog.New(slog.DiscardHandler)

// message returns a message from a client.
func message(event, data string) wire.Message {
	return wire.Message{Event: event, Room: "quiz-1", ID: "7", Data: json.RawMessage(data)}
}

// newRequest returns the HTTP request of a client with a cookie.
func newRequest(cookie string) (*http.Request, error) {
	r, err := http.NewRequest(http.MethodGet, "http://rt.example.com/ws", http.NoBody)
	if err == nil {
		r.Header.Set("Cookie", cookie)
	}
	return r, err
}
