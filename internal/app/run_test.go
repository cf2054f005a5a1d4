package app

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/client"
	"github.com/ignis-go/ignis/internal/logtest"
	"github.com/ignis-go/ignis/internal/redistest"
	"github.com/ignis-go/ignis/redisbus"
	"github.com/ignis-go/ignis/wire"
)

// running is a running App.
type running struct {
	app  *App
	addr string
	stop context.CancelFunc
	*task
}

// run runs an App until the test ends, and waits until it accepts clients.
func run(t *testing.T, c Config) running {
	t.Helper()
	ready := make(chan string, 1)
	c.OnReady = func(urls []string) { ready <- strings.TrimPrefix(urls[0], "http://") }
	a, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	r := running{app: a, stop: cancel, task: start(func() error { return a.Run(ctx) })}
	t.Cleanup(func() {
		cancel()
		<-r.done
	})
	select {
	case r.addr = <-ready:
	case <-r.done:
		t.Fatalf("Run returned %v", r.err)
	}
	return r
}

func get(t *testing.T, url string) (code int, body string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	request.Close = true
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(text)
}

func TestRun(t *testing.T) {
	r := run(t, development())
	for path, want := range map[string]string{
		"/healthz": `{"status":"alive"}`, "/readyz": `{"status":"ready","checks":[{"name":"server","status":"ok"}]}`, "/startupz": `{"status":"started"}`, "/": "<!doctype html>", "/dev/rooms.js": "//", "/ignis.js": "/* @ignis-go/client", "/other": "404",
	} {
		code, body := get(t, "http://"+r.addr+path)
		if found := code == http.StatusOK; found == (path == "/other") || !strings.HasPrefix(body, want) {
			t.Errorf("%s: %d %.100s", path, code, body)
		}
	}
	c, err := client.Dial(t.Context(), "ws://"+r.addr+"/ws", client.Config{Credentials: map[string]string{"userId": "ann"}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if c.UserID() != "ann" {
		t.Errorf("connected as %q", c.UserID())
	}
	say := wire.Message{Event: "say", Data: []byte(`{"room":"` + c.ID() + `"}`)} // the client's own room
	if err := c.SendMessage(t.Context(), say); err != nil {
		t.Fatal(err)
	}
	if m, err := c.Receive(t.Context()); err != nil || m.Event != "say" {
		t.Errorf("received %+v, %v", m, err)
	}

	r.stop()
	_, err = c.Receive(context.Background())
	var closed *client.CloseError
	if !errors.As(err, &closed) || closed.Code != wire.CloseGoingAway {
		t.Errorf("the client got %v", err)
	}
	if <-r.done; r.err != nil {
		t.Errorf("Run returned %v", r.err)
	}
	if conn, err := net.Dial("tcp", r.addr); err == nil {
		_ = conn.Close()
		t.Error("the port is still open")
	}
}

// Before the server has started, the probes say so.
func TestProbesBeforeTheStart(t *testing.T) {
	a, err := New(production())
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]struct {
		code int
		body string
	}{
		"/healthz": {200, `{"status":"alive"}`}, "/readyz": {503, `{"status":"starting","checks":[{"name":"server","status":"starting"`},
		"/startupz": {503, `{"status":"starting","checks":[{"name":"server","status":"starting"`}, "/other": {404, "404"},
	} {
		w := httptest.NewRecorder()
		a.handler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, http.NoBody))
		if w.Code != want.code || !strings.HasPrefix(w.Body.String(), want.body) {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
		if h := w.Header(); path != "/other" && (h.Get("Content-Type") != "application/json" || h.Get("Cache-Control") != "no-store") {
			t.Errorf("%s: %v", path, h)
		}
	}
}

// A client that is disconnected by the shutdown cannot connect again.
func TestNoClientsDuringShutdown(t *testing.T) {
	var addr string
	dialed := make(chan error, 1)
	c := production()
	c.Server.Hooks.Closed = func(ignis.ClosedInfo) {
		nc, err := net.Dial("tcp", addr)
		if err == nil {
			_ = nc.Close()
		}
		dialed <- err
	}
	r := run(t, c)
	addr = r.addr
	r.must(t, ann())
	r.stop()
	if err := <-dialed; err == nil {
		t.Error("the port is still open")
	}
}

// While the program runs, repeated log lines are counted. The last counts are written when it
// ends.
func TestRepeatedLines(t *testing.T) {
	const line = "request refused: development mode"
	var log logtest.Log
	c := development()
	c.Server.Logger = log.Logger()
	r := run(t, c)
	for range 3 {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+r.addr, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		request.Host, request.Close = "evil.example", true
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
	}
	if log.Count(line) != 1 {
		t.Errorf("logged %s", &log)
	}
	r.stop()
	<-r.done
	if log.Count(line) != 2 || !log.Has("more=2") {
		t.Errorf("logged %s", &log)
	}
}

// After Drain, Run has nothing to report.
func TestDrain(t *testing.T) {
	r := run(t, production())
	conn := r.must(t, ann())
	r.app.Drain(t.Context())
	if <-r.done; r.err != nil {
		t.Error(r.err)
	}
	var closed *client.CloseError
	_, err := conn.Receive(context.Background())
	for err == nil { // the announcement
		_, err = conn.Receive(context.Background())
	}
	if !errors.As(err, &closed) {
		t.Errorf("the client got %v", err)
	}
}

// A connection without a complete request is counted until it is closed.
func TestListeningCountsConnections(t *testing.T) {
	r := run(t, production())
	nc, err := net.Dial("tcp", r.addr)
	if err != nil {
		t.Fatal(err)
	}
	redistest.Wait(t, "the connection to be counted", func() bool { return r.app.Listening().Waiting == 1 })
	if err := nc.Close(); err != nil {
		t.Fatal(err)
	}
	redistest.Wait(t, "the connection to be gone", func() bool { return r.app.Listening().Waiting == 0 })
}

func TestRunPortInUse(t *testing.T) {
	c := development()
	c.Listen = on(run(t, development()).addr)
	a, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	err = a.Run(t.Context())
	var e *Error
	if !errors.As(err, &e) || e.Usage || !strings.HasPrefix(err.Error(), "--listen: ") || !strings.Contains(e.Hint, "another server") {
		t.Errorf("got %#v", err)
	}
}

// If Redis does not answer, the server ends by itself, and the error has a hint.
func TestRunWithoutRedis(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close() // it accepts nothing
	c := production()
	c.Redis = redisbus.Config{URL: "redis://" + ln.Addr().String(), StartTimeout: 50 * time.Millisecond, Logger: c.Server.Logger}
	c.OnReady = func([]string) { t.Error("OnReady was called") }
	a, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	err = a.Run(t.Context())
	var e *Error
	if !errors.As(err, &e) || e.Usage || !strings.Contains(e.Hint, "--redis") {
		t.Errorf("got %#v", err)
	}
}

func TestExplain(t *testing.T) {
	failed := errors.New("it failed")
	for _, url := range []string{"", "redis://localhost"} {
		a := &App{cfg: Config{Redis: redisbus.Config{URL: url}}}
		if err := a.explain(nil); err != nil {
			t.Errorf("no error: %v", err)
		}
		err := a.explain(failed)
		var e *Error
		if errors.As(err, &e) != (url != "") || !errors.Is(err, failed) {
			t.Errorf("URL %q: %#v", url, err)
		}
	}
}

// Run returns an error if HTTP fails.
func TestWaitForHTTP(t *testing.T) {
	a, err := New(development())
	if err != nil {
		t.Fatal(err)
	}
	failed := errors.New("it failed")
	web, server := start(func() error { return failed }), &task{done: make(chan struct{})}
	if err := a.wait(t.Context(), nil, web, server); !errors.Is(err, failed) || !strings.HasPrefix(err.Error(), "serving HTTP: ") {
		t.Errorf("got %v", err)
	}
}

// A slow start is logged once.
func TestStartNotice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log strings.Builder
		c := development()
		c.Server.Logger = textLogger(&log)
		a, err := New(c)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		web, server := &task{done: make(chan struct{})}, &task{done: make(chan struct{})}
		if err := a.wait(ctx, nil, web, server); err != nil {
			t.Error(err)
		}
		if n := strings.Count(log.String(), "still waiting for Redis"); n != 1 {
			t.Errorf("logged %d times:\n%s", n, &log)
		}
	})
}
