package app

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ignis-go/ignis/client"
	"github.com/ignis-go/ignis/redisbus"
	"github.com/ignis-go/ignis/wire"
)

// running is a running App.
type running struct {
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
	r := running{stop: cancel, task: start(func() error { return a.Run(ctx) })}
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
