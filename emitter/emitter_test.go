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

	"github.com/alicebob/miniredis/v2"
	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/ignis-go/ignis/emitter"
	"github.com/ignis-go/ignis/internal/redistest"
	"github.com/ignis-go/ignis/redisbus"
	"github.com/ignis-go/ignis/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const deadline = 2 * time.Minute

// listener is a bus that keeps what it hears, in place of a server.
func listener(t *testing.T, url string) <-chan string {
	t.Helper()
	return listen(t, redisbus.Config{URL: url})
}

func listen(t *testing.T, c redisbus.Config) <-chan string {
	t.Helper()
	bus, err := redisbus.New(c)
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
		t.Fatal("nothing heard")
		return ""
	}
}

func dial(t *testing.T, url string) *emitter.Emitter {
	t.Helper()
	e, err := emitter.New(t.Context(), emitter.Config{URL: url, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Errorf("Close = %v", err)
		}
	})
	return e
}

func TestEnvelopes(t *testing.T) {
	url := "redis://" + miniredis.RunT(t).Addr()
	got, e, ctx := listener(t, url), dial(t, url), t.Context()
	for _, test := range []struct {
		name string
		send func() error
		want string
	}{
		{
			"client", func() error { return e.Send(ctx, wire.ToClient("c1"), "hi", "x") },
			`{"serverId":"emitter","type":"client","target":"c1","event":"hi","data":"x"}`,
		},
		{
			"user, no escaping", func() error { return e.Send(ctx, wire.ToUser("ann"), "hi", map[string]string{"a": "<&>\u2028"}) },
			`{"serverId":"emitter","type":"user","target":"ann","event":"hi","data":{"a":"<&>` + "\u2028" + `"}}`,
		},
		{
			"room with exclude", func() error {
				return e.SendAll(ctx, emitter.Message{To: wire.ToRoom("lobby"), Event: "hi", Data: 1, Exclude: []string{"c1", "c2"}})
			},
			`{"serverId":"emitter","type":"room","target":"lobby","event":"hi","data":1,"exclude":["c1","c2"]}`,
		},
		{
			"broadcast, raw data untouched",
			func() error {
				return e.Send(ctx, wire.ToEveryone(), "hi", json.RawMessage(`{"n":12345678901234567890123}`))
			},
			`{"serverId":"emitter","type":"broadcast","event":"hi","data":{"n":12345678901234567890123}}`,
		},
		{
			"absent data", func() error { return e.Send(ctx, wire.ToEveryone(), "hi", nil) },
			`{"serverId":"emitter","type":"broadcast","event":"hi"}`,
		},
		{
			"null data, system name", func() error { return e.Send(ctx, wire.ToEveryone(), "error", json.RawMessage("null")) },
			`{"serverId":"emitter","type":"broadcast","event":"error","data":null}`,
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			if err := test.send(); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, next(t, got)); diff != "" {
				t.Errorf("envelope (-want +got):\n%s", diff)
			}
		})
	}
}

func TestBadMessagesSendNothing(t *testing.T) {
	url := "redis://" + miniredis.RunT(t).Addr()
	got, e, ctx := listener(t, url), dial(t, url), t.Context()
	good := emitter.Message{To: wire.ToEveryone(), Event: "good"}
	for name, err := range map[string]error{
		"no event":            e.Send(ctx, wire.ToUser("ann"), "", 1),
		"no target":           e.Send(ctx, wire.ToRoom(""), "hi", 1),
		"connected":           e.Send(ctx, wire.ToEveryone(), "connected", 1),
		"encrypted":           e.Send(ctx, wire.ToEveryone(), "encrypted", 1),
		"malformed raw":       e.Send(ctx, wire.ToEveryone(), "hi", json.RawMessage(`{`)),
		"not encodable":       e.Send(ctx, wire.ToEveryone(), "hi", func() {}),
		"event not UTF-8":     e.Send(ctx, wire.ToEveryone(), "h\xffi", 1),
		"target not UTF-8":    e.Send(ctx, wire.ToUser("a\xff"), "hi", 1),
		"exclude not UTF-8":   e.SendAll(ctx, emitter.Message{To: wire.ToEveryone(), Event: "hi", Data: 1, Exclude: []string{"a", "\xff"}}),
		"unknown type":        e.SendAll(ctx, good, emitter.Message{To: wire.Address{Type: "planet", Name: "x"}, Event: "hi"}),
		"target of everyone":  e.SendAll(ctx, good, emitter.Message{To: wire.Address{Type: wire.TypeBroadcast, Name: "x"}, Event: "hi"}),
		"exclude of a client": e.SendAll(ctx, good, emitter.Message{To: wire.ToClient("x"), Event: "hi", Exclude: []string{"y"}}),
	} {
		if !errors.Is(err, emitter.ErrMessage) {
			t.Errorf("%s: error = %v, want one that wraps ErrMessage", name, err)
		}
	}
	if err := good.Check(); err != nil {
		t.Errorf("Check of a good message: %v", err)
	}
	if err := new(emitter.Message).Check(); !errors.Is(err, emitter.ErrMessage) {
		t.Errorf("Check of a bad message: %v", err)
	}
	if err := e.SendAll(ctx, good, emitter.Message{To: wire.ToEveryone()}); err == nil || !strings.Contains(err.Error(), "message 2 of 2: no event") {
		t.Errorf("the second of two: %v", err)
	}
	if err := e.Send(ctx, wire.ToEveryone(), "", nil); err == nil || strings.Contains(err.Error(), "of 1") {
		t.Errorf("a lone message: %v", err)
	}
	if err := e.Send(ctx, wire.ToEveryone(), "the only one", nil); err != nil {
		t.Fatal(err)
	}
	if text := next(t, got); !strings.Contains(text, "the only one") {
		t.Errorf("a bad message, or one of its batch, was sent: %s", text)
	}
}

func TestBatchKeepsOrder(t *testing.T) {
	url := redistest.Start(t).URL()
	got, e := listener(t, url), dial(t, url)
	var batch []emitter.Message
	for i := range 3000 { // several round trips
		batch = append(batch, emitter.Message{To: wire.ToRoom("r"), Event: fmt.Sprint("n", i)})
	}
	if err := e.SendAll(t.Context(), batch...); err != nil {
		t.Fatal(err)
	}
	for i := range batch {
		if text := next(t, got); !strings.Contains(text, fmt.Sprintf(`"n%d"`, i)) {
			t.Fatalf("message %d: heard %s", i, text)
		}
	}
	if err := e.SendAll(t.Context()); err != nil {
		t.Errorf("an empty batch: %v", err)
	}
}

func TestBatchErrorTellsWhich(t *testing.T) {
	r := redistest.Start(t)
	r.Do("acl", "setuser", "worker", "on", ">secret", "+@all", "resetchannels", "&ws:user:*")
	e := dial(t, "redis://worker:secret@"+r.Addr())
	err := e.SendAll(t.Context(),
		emitter.Message{To: wire.ToUser("ann"), Event: "a"},
		emitter.Message{To: wire.ToRoom("lobby"), Event: "b"},
		emitter.Message{To: wire.ToUser("ann"), Event: "c"},
	)
	var b *emitter.BatchError
	if !errors.As(err, &b) || len(b.Errors) != 3 {
		t.Fatalf("Send = %v", err)
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

func TestClose(t *testing.T) {
	e := dial(t, "redis://"+miniredis.RunT(t).Addr())
	for range 2 {
		if err := e.Close(); err != nil {
			t.Fatalf("Close = %v", err)
		}
	}
	if err := e.Send(t.Context(), wire.ToEveryone(), "hi", 1); !errors.Is(err, emitter.ErrClosed) {
		t.Errorf("after Close: %v, want ErrClosed", err)
	}
	m := emitter.Message{To: wire.ToEveryone(), Event: "hi"}
	if err := e.SendAll(t.Context(), m, m); !errors.Is(err, emitter.ErrClosed) || !strings.Contains(err.Error(), "2 of 2 messages failed, first message 1") {
		t.Errorf("two messages after Close: %v, want ErrClosed", err)
	}
}

func TestComesBackAfterRedis(t *testing.T) {
	r := redistest.Start(t)
	e, ctx := dial(t, r.URL()), t.Context()
	if err := e.Send(ctx, wire.ToEveryone(), "hi", 1); err != nil {
		t.Fatal(err)
	}
	r.Kill()
	if err := e.Send(ctx, wire.ToEveryone(), "hi", 1); !errors.Is(err, redisbus.ErrUnavailable) {
		t.Errorf("while Redis is away: %v, want redisbus.ErrUnavailable", err)
	}
	r.Restart()
	got := listener(t, r.URL())
	if err := e.Send(ctx, wire.ToEveryone(), "back", 1); err != nil {
		t.Fatalf("the first call after Redis is back: %v", err)
	}
	if text := next(t, got); !strings.Contains(text, "back") {
		t.Errorf("heard %s", text)
	}
}

func TestContextEndsACall(t *testing.T) {
	r := redistest.Start(t)
	e := dial(t, r.URL())
	r.Pause()
	defer r.Resume()
	ctx, cancel := context.WithCancel(t.Context())
	result := make(chan error, 1)
	go func() { result <- e.Send(ctx, wire.ToEveryone(), "hi", 1) }()
	cancel()
	if err := <-result; !errors.Is(err, context.Canceled) {
		t.Errorf("error = %v, want context.Canceled", err)
	}
	// Close interrupts another one.
	go func() { result <- e.Send(t.Context(), wire.ToEveryone(), "hi", 1) }()
	if err := e.Close(); err != nil {
		t.Error(err)
	}
	if err := <-result; !errors.Is(err, emitter.ErrClosed) {
		t.Errorf("error = %v, want ErrClosed", err)
	}
}

func TestConcurrentUse(t *testing.T) {
	url := redistest.Start(t).URL()
	got, e := listener(t, url), dial(t, url)
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
			t.Fatalf("goroutine %d: heard number %d, want %d", g, m.Data, count[g])
		}
		count[g]++
	}
}

func TestDialErrors(t *testing.T) {
	r := redistest.StartWith(t, redistest.Config{Password: "right-s3cret"})
	for name, test := range map[string]struct{ url, want string }{
		"malformed":      {"http://:s3cret@h", "unknown scheme"},
		"wrong password": {"redis://:wrong-s3cret@" + r.Addr(), "WRONGPASS"},
		"no password":    {"redis://" + r.Addr(), "NOAUTH"},
	} {
		e, err := emitter.Dial(t.Context(), test.url)
		if err == nil {
			e.Close()
			t.Errorf("%s: no error", name)
			continue
		}
		if !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: error %q, want it to say %q and no password", name, err, test.want)
		}
	}
	if _, err := emitter.New(t.Context(), emitter.Config{URL: "redis://h", Redis: &redisbus.Config{URL: "redis://h"}}); err == nil {
		t.Error("URL and Redis together: no error")
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := emitter.Dial(ended, r.URL()); !errors.Is(err, context.Canceled) {
		t.Errorf("with an ended context: %v", err)
	}
}

// A message that Redis would cut off its receivers for is refused before it is sent.
func TestMessageOverTheLimit(t *testing.T) {
	r := redistest.Start(t)
	e, err := emitter.New(context.Background(), emitter.Config{URL: r.URL(), MaxMessage: 100})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = e.Close() }()
	frame := len(`{"event":"x","data":""}`)
	if err := e.Send(context.Background(), wire.ToEveryone(), "x", strings.Repeat("a", 100-frame)); err != nil {
		t.Errorf("100 bytes: %v", err)
	}
	err = e.Send(context.Background(), wire.ToEveryone(), "x", strings.Repeat("a", 101-frame))
	if !errors.Is(err, wire.ErrTooLarge) || !errors.Is(err, emitter.ErrMessage) || !strings.Contains(err.Error(), "101 bytes, but the limit is 100") {
		t.Errorf("101 bytes: %v", err)
	}
	if m := (emitter.Message{To: wire.ToEveryone(), Event: "x", Data: strings.Repeat("a", 1<<20)}); !errors.Is(m.Check(), wire.ErrTooLarge) {
		t.Error("more than 1 MiB is in order")
	}
	if _, err := emitter.New(context.Background(), emitter.Config{URL: r.URL(), MaxMessage: -1}); err == nil {
		t.Error("a negative limit is in order")
	}
}
