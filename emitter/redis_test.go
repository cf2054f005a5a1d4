package emitter_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ignis-go/ignis/emitter"
	"github.com/ignis-go/ignis/internal/redistest"
	"github.com/ignis-go/ignis/redisbus"
	"github.com/ignis-go/ignis/wire"
)

// The tests in this file send over a real Redis.

const deadline = 2 * time.Minute

// listener runs a bus, in place of a server, and returns the envelopes that it receives.
func listener(t *testing.T, url string) <-chan string {
	t.Helper()
	bus, err := redisbus.New(redisbus.Config{URL: url})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ready, done, got := make(chan struct{}), make(chan error, 1), make(chan string, 10000)
	go func() {
		done <- bus.Run(ctx, func() { close(ready) }, func(envelopes ...[]byte) {
			for _, e := range envelopes {
				got <- string(e)
			}
		})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("bus: %v", err)
		}
	})
	select {
	case <-ready:
	case <-time.After(deadline):
		t.Fatal("the listening bus is not ready")
	}
	return got
}

func next(t *testing.T, got <-chan string) string {
	t.Helper()
	select {
	case text := <-got:
		return text
	case <-time.After(deadline):
		t.Fatal("nothing received")
		return ""
	}
}

// dial returns an Emitter over Redis, and its Publisher.
func dial(t *testing.T, url string) (*emitter.Emitter, *redisbus.Publisher) {
	t.Helper()
	p, err := redisbus.Dial(t.Context(), redisbus.Config{URL: url, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	e, err := emitter.New(p, emitter.Config{})
	if err != nil {
		t.Fatal(err)
	}
	return e, p
}

func TestBatchKeepsOrder(t *testing.T) {
	url := redistest.Start(t).URL()
	got := listener(t, url)
	e, _ := dial(t, url)
	var batch []emitter.Message
	for i := range 3000 { // several round trips
		batch = append(batch, emitter.Message{To: wire.ToRoom("r"), Event: fmt.Sprint("n", i)})
	}
	if err := e.SendAll(t.Context(), batch...); err != nil {
		t.Fatal(err)
	}
	for i := range batch {
		if text := next(t, got); !strings.Contains(text, fmt.Sprintf(`"n%d"`, i)) {
			t.Fatalf("message %d: received %s", i, text)
		}
	}
}

func TestBatchErrorTellsWhich(t *testing.T) {
	r := redistest.Start(t)
	r.Do("acl", "setuser", "worker", "on", ">secret", "+@all", "resetchannels", "&ws:user:*")
	e, _ := dial(t, "redis://worker:secret@"+r.Addr())
	err := e.SendAll(t.Context(),
		emitter.Message{To: wire.ToUser("ann"), Event: "a"},
		emitter.Message{To: wire.ToRoom("lobby"), Event: "b"},
		emitter.Message{To: wire.ToUser("ann"), Event: "c"},
	)
	var b *emitter.BatchError
	if !errors.As(err, &b) || len(b.Errors) != 3 {
		t.Fatalf("SendAll = %v", err)
	}
	if b.Errors[0] != nil || b.Errors[1] == nil || b.Errors[2] != nil {
		t.Errorf("errors = %v, want one for the second message", b.Errors)
	}
	if !strings.Contains(err.Error(), "1 of 3 messages failed, first message 2: emitter: not confirmed") || !strings.Contains(err.Error(), "NOPERM") {
		t.Errorf("error %q does not name the message or the reason", err)
	}
	if err := e.Send(t.Context(), wire.ToUser("ann"), "still works", 1); err != nil {
		t.Errorf("after a refusal: %v", err)
	}
}

func TestComesBackAfterRedis(t *testing.T) {
	r := redistest.Start(t)
	e, p := dial(t, r.URL())
	ctx := t.Context()
	if err := e.Send(ctx, wire.ToEveryone(), "hi", 1); err != nil {
		t.Fatal(err)
	}
	r.Kill()
	if err := e.Send(ctx, wire.ToEveryone(), "hi", 1); !errors.Is(err, redisbus.ErrUnavailable) {
		t.Errorf("while Redis is down: %v, want redisbus.ErrUnavailable", err)
	}
	if err := e.Send(ctx, wire.ToEveryone(), "hi", 1); !errors.Is(err, wire.ErrNotSent) {
		t.Errorf("without a connection: %v, want wire.ErrNotSent", err)
	}
	r.Restart()
	got := listener(t, r.URL())
	if err := e.Send(ctx, wire.ToEveryone(), "back", 1); err != nil {
		t.Fatalf("the first call after Redis has restarted: %v", err)
	}
	if text := next(t, got); !strings.Contains(text, "back") {
		t.Errorf("received %s", text)
	}
	_ = p.Close()
	if err := e.Send(ctx, wire.ToEveryone(), "hi", 1); !errors.Is(err, redisbus.ErrClosed) || !errors.Is(err, wire.ErrNotSent) {
		t.Errorf("after the Publisher is closed: %v", err)
	}
}

func TestContextEndsACall(t *testing.T) {
	r := redistest.Start(t)
	e, p := dial(t, r.URL())
	r.Pause()
	defer r.Resume()
	ctx, cancel := context.WithCancel(t.Context())
	result := make(chan error, 1)
	go func() { result <- e.Send(ctx, wire.ToEveryone(), "hi", 1) }()
	cancel()
	if err := <-result; !errors.Is(err, context.Canceled) {
		t.Errorf("error = %v, want context.Canceled", err)
	}
	// Closing the Publisher interrupts a call.
	go func() { result <- e.Send(t.Context(), wire.ToEveryone(), "hi", 1) }()
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	if err := <-result; !errors.Is(err, redisbus.ErrClosed) {
		t.Errorf("error = %v, want redisbus.ErrClosed", err)
	}
}

func TestConcurrentUse(t *testing.T) {
	url := redistest.Start(t).URL()
	got := listener(t, url)
	e, _ := dial(t, url)
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 200 {
				if err := e.Send(t.Context(), wire.ToRoom("r"), fmt.Sprint(g), i); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	var count [8]int
	for range 8 * 200 {
		var m struct {
			Event string
			Data  int
		}
		if err := json.Unmarshal([]byte(next(t, got)), &m); err != nil {
			t.Fatal(err)
		}
		g := m.Event[0] - '0'
		if m.Data != count[g] {
			t.Fatalf("goroutine %d: received number %d, want %d", g, m.Data, count[g])
		}
		count[g]++
	}
}
