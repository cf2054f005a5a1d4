package webhook_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/webhook"
	"github.com/ignis-go/ignis/wire"
)

// ask asks about a client and returns the cause of a failure, or "".
func ask(ctx context.Context, c *webhook.Client) string {
	_, err := c.Authenticate(ctx, creds())
	if err == nil {
		return ""
	}
	if cause, ok := err.(interface{ LogCause() string }); ok {
		return strings.TrimPrefix(cause.LogCause(), "webhook: authenticate: ")
	}
	return err.Error()
}

// MaxConcurrent questions of a kind are in flight, MaxWaiting wait for their turn, and others
// fail. A question waits and is in flight for Timeout at most.
func TestConcurrency(t *testing.T) {
	bubble(t, func(t *testing.T) {
		release := make(chan struct{})
		a := newApp(t, func(w http.ResponseWriter, r *http.Request, in received) {
			if in.Type == "authenticate" {
				select {
				case <-release:
				case <-r.Context().Done():
				}
			}
			says(200, `{"user":"ann"}`)(w, r, in)
		})
		c := a.newClient(webhook.Config{MaxConcurrent: 3, MaxWaiting: 2, CircuitFailures: 100})
		results := make(chan string, 10)
		var asked sync.WaitGroup
		for range 7 {
			asked.Go(func() { results <- ask(t.Context(), c) })
		}
		synctest.Wait()
		if s := c.Stats().Authenticate; s.InFlight != 3 || s.Waiting != 2 || s.Failed[webhook.CauseBusy] != 2 || len(a.take()) != 3 {
			t.Errorf("counted %+v", s)
		}
		// Questions of another kind have their own limits.
		if _, err := c.ValidateRooms(t.Context(), ann(), []string{"a"}); err == nil || !strings.Contains(err.Error(), "unknown field") {
			t.Errorf("the other kind: %v", err)
		}
		release <- struct{}{}
		synctest.Wait()
		if s := c.Stats().Authenticate; s.InFlight != 3 || s.Waiting != 1 || s.Accepted != 1 {
			t.Errorf("counted %+v", s)
		}
		asked.Wait() // until Timeout
		close(results)
		got := make(map[string]int)
		for cause := range results {
			got[cause]++
		}
		// One was answered, two were refused, and the others reached Timeout, in flight or waiting.
		if got[""] != 1 || got["too many questions"] < 2 || got["too many questions"]+got["timeout"] != 6 {
			t.Errorf("ended with %v", got)
		}
		if s := c.Stats().Authenticate; s.InFlight != 0 || s.Waiting != 0 {
			t.Errorf("counted %+v", s)
		}
	})
}

// A client that disconnects while its question waits.
func TestCanceledWhileWaiting(t *testing.T) {
	bubble(t, func(t *testing.T) {
		a := newApp(t, hangs)
		c := a.newClient(webhook.Config{MaxConcurrent: 1})
		ctx, cancel := context.WithCancel(t.Context())
		var asked sync.WaitGroup
		for range 2 {
			asked.Go(func() {
				if got := ask(ctx, c); got != context.Canceled.Error() {
					t.Errorf("got %s", got)
				}
			})
		}
		synctest.Wait()
		cancel()
		asked.Wait()
		if s := c.Stats().Authenticate; s.Requests != 1 || s.Failed[webhook.CauseCanceled] != 2 || s.InFlight+s.Waiting != 0 {
			t.Errorf("counted %+v", s)
		}
	})
}

// An endpoint that hangs: after CircuitFailures timeouts the circuit opens, and questions
// fail without being sent. Then single requests test the endpoint, with growing pauses,
// until it works again.
func TestCircuit(t *testing.T) {
	bubble(t, func(t *testing.T) {
		a := newApp(t, hangs)
		c := a.newClient(webhook.Config{CircuitFailures: 3, CircuitPause: 8 * time.Second, Timeout: time.Second})
		state := func(want webhook.CircuitState, opened uint64) {
			t.Helper()
			if s := c.Stats().Authenticate; s.Circuit != want || s.Opened != opened {
				t.Errorf("the circuit is %v and opened %d times, want %v and %d", s.Circuit, s.Opened, want, opened)
			}
		}
		expect := func(want string) {
			t.Helper()
			if got := ask(t.Context(), c); got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		}
		expect("timeout")
		expect("timeout")
		a.set(says(400, ""))
		expect("unexpected status") // it works, if only to say no
		a.set(hangs)
		expect("timeout")
		expect("timeout")
		state(webhook.CircuitClosed, 0)
		expect("timeout")
		state(webhook.CircuitOpen, 1)
		a.take()
		pause := 8 * time.Second
		for opened := uint64(1); opened < 8; opened++ {
			time.Sleep(pause - pause/4 - time.Nanosecond)
			expect("circuit open")
			time.Sleep(pause / 2)
			var asked sync.WaitGroup
			for range 5 {
				asked.Go(func() { ask(t.Context(), c) })
			}
			synctest.Wait()
			state(webhook.CircuitHalfOpen, opened)
			asked.Wait()
			if n := len(a.take()); n != 1 {
				t.Errorf("%d requests tested the endpoint", n)
			}
			state(webhook.CircuitOpen, opened+1)
			pause = min(2*pause, 12*8*time.Second)
		}
		if s := c.Stats(); s.Rooms.Circuit != webhook.CircuitClosed || s.Events.Circuit != webhook.CircuitClosed {
			t.Error("the circuits of other kinds are open")
		}
		a.set(says(200, `{"user":"ann"}`))
		time.Sleep(2 * pause)
		expect("")
		state(webhook.CircuitClosed, 8)
		a.set(hangs)
		for range 3 {
			expect("timeout")
		}
		state(webhook.CircuitOpen, 9)
		time.Sleep(11 * time.Second) // the first pause again
		a.set(says(401, ""))
		expect("webhook: refused by the endpoint")
		state(webhook.CircuitClosed, 9)
		for text, n := range map[string]int{"webhook: circuit opened": 9, "webhook: circuit closed, the endpoint works again": 2} {
			if got := a.log.Count(text); got != n {
				t.Errorf("%q was logged %d times, want %d: %v", text, got, n, a.log)
			}
		}
	})
}

// A test that is canceled says nothing: the next request tests the endpoint again. A request
// from before the circuit opened does not close it.
func TestCircuitCanceledTest(t *testing.T) {
	bubble(t, func(t *testing.T) {
		release := make(chan struct{})
		a := newApp(t, func(w http.ResponseWriter, r *http.Request, in received) {
			if strings.Contains(string(in.Data), `"refresh":true`) {
				<-release
				says(200, `{"user":"ann"}`)(w, r, in)
				return
			}
			hangs(w, r, in)
		})
		c := a.newClient(webhook.Config{CircuitFailures: 1, CircuitPause: time.Second, Timeout: time.Minute})
		var slow sync.WaitGroup
		slow.Go(func() {
			cred := creds()
			cred.Refreshed = ann()
			if _, err := c.Authenticate(t.Context(), cred); err != nil {
				t.Error(err)
			}
		})
		time.Sleep(30 * time.Second)
		a.set(says(500, ""))
		if got := ask(t.Context(), c); got != "unexpected status" {
			t.Errorf("got %s", got)
		}
		release <- struct{}{}
		slow.Wait()
		if got := c.Stats().Authenticate.Circuit; got != webhook.CircuitOpen {
			t.Errorf("the circuit is %v", got)
		}
		time.Sleep(2 * time.Second)
		a.set(hangs)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if got := ask(ctx, c); got != context.DeadlineExceeded.Error() {
			t.Errorf("got %s", got)
		}
		if got := c.Stats().Authenticate.Circuit; got != webhook.CircuitHalfOpen {
			t.Errorf("the circuit is %v", got)
		}
		a.set(says(200, `{"user":"ann"}`))
		if got := ask(t.Context(), c); got != "" {
			t.Errorf("got %s", got)
		}
	})
}

func TestCircuitState(t *testing.T) {
	if got := fmt.Sprint(webhook.CircuitClosed, webhook.CircuitOpen, webhook.CircuitHalfOpen, webhook.CircuitState(7)); got != "closed open half-open CircuitState(7)" {
		t.Error(got)
	}
}

// An answer that comes in pieces has to be complete within Timeout.
func TestSlowAnswer(t *testing.T) {
	bubble(t, func(t *testing.T) {
		a := newApp(t, func(w http.ResponseWriter, r *http.Request, _ received) {
			rc := http.NewResponseController(w)
			for r.Context().Err() == nil {
				_, _ = w.Write([]byte(" "))
				_ = rc.Flush()
				time.Sleep(100 * time.Millisecond)
			}
		})
		c := a.newClient(webhook.Config{})
		_, err := c.Authenticate(t.Context(), creds())
		unusable(t, err, "webhook: authenticate: timeout", "")
		if e, _ := errors.AsType[*ignis.Error](err); e == nil || e.Code != wire.CodeTimeout {
			t.Errorf("the client is told %+v", e)
		}
		if took := time.Since(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)); took != 5*time.Second {
			t.Errorf("it took %v of fake time", took)
		}
	})
}

// A connection is used again for a few seconds. If the endpoint has closed it meanwhile, it is
// replaced. When Run returns, all connections are closed.
func TestConnections(t *testing.T) {
	bubble(t, func(t *testing.T) {
		a := newApp(t, says(200, `{"user":"ann"}`))
		c := a.idleClient(webhook.Config{})
		ctx, cancel := context.WithCancel(t.Context())
		ran := make(chan error, 1)
		go func() { ran <- c.Run(ctx) }()
		for _, row := range []struct {
			pause  time.Duration
			hangUp bool
			dials  int
		}{{0, false, 1}, {0, false, 1}, {3900 * time.Millisecond, false, 1}, {4100 * time.Millisecond, false, 2}, {0, true, 3}} {
			time.Sleep(row.pause)
			if row.hangUp {
				a.hangUp()
			}
			synctest.Wait()
			if got := ask(t.Context(), c); got != "" {
				t.Error(got)
			}
			if a.dialed() != row.dials {
				t.Errorf("%d connections after %+v", a.dialed(), row)
			}
		}
		cancel()
		if err := <-ran; err != nil {
			t.Error(err)
		}
		synctest.Wait()
		if n := a.open(); n != 0 {
			t.Errorf("%d connections are open", n)
		}
	})
}

func TestConfig(t *testing.T) {
	good := func() webhook.Config { return webhook.Config{URL: "https://example.com/x", Secrets: []string{secret}} }
	for want, change := range map[string]func(*webhook.Config){
		"Config.URL is required":                                func(c *webhook.Config) { c.URL = "" },
		"Config.URL must begin with https:// or http://":        func(c *webhook.Config) { c.URL = "example.com/" + private },
		"Config.URL has no host":                                func(c *webhook.Config) { c.URL = "https:///" + private },
		"Config.URL is not a valid URL":                         func(c *webhook.Config) { c.URL = "https://example.com/%zz" + private },
		"Config.URL contains a user or a password":              func(c *webhook.Config) { c.URL = "https://u:" + private + "@example.com" },
		"Config.URL has a fragment":                             func(c *webhook.Config) { c.URL = "https://example.com/#" + private },
		"Config.EventsURL must begin with":                      func(c *webhook.Config) { c.EventsURL = "ftp://example.com/" + private },
		"Config.Secrets is empty":                               func(c *webhook.Config) { c.Secrets = nil },
		`Config.Headers[1] is "a b", which is not a valid name`: func(c *webhook.Config) { c.Headers = []string{"a", "a b"} },
		`Config.Headers[0] is "", which is not a valid name`:    func(c *webhook.Config) { c.Headers = []string{""} },
		"Config.MaxConcurrent must not be negative":             func(c *webhook.Config) { c.MaxConcurrent = -1 },
		"Config.MaxWaiting must not be negative":                func(c *webhook.Config) { c.MaxWaiting = -1 },
		"Config.MaxAnswer must not be negative":                 func(c *webhook.Config) { c.MaxAnswer = -1 },
		"Config.MaxMetadata must not be negative":               func(c *webhook.Config) { c.MaxMetadata = -1 },
		"Config.CircuitFailures must not be negative":           func(c *webhook.Config) { c.CircuitFailures = -1 },
		"Config.QueueEvents must not be negative":               func(c *webhook.Config) { c.QueueEvents = -1 },
		"Config.QueueBytes must not be negative":                func(c *webhook.Config) { c.QueueBytes = -1 },
		"Config.BatchEvents must not be negative":               func(c *webhook.Config) { c.BatchEvents = -1 },
		"Config.EventConcurrency must not be negative":          func(c *webhook.Config) { c.EventConcurrency = -1 },
		"Config.Timeout must not be negative":                   func(c *webhook.Config) { c.Timeout = -1 },
		"Config.CircuitPause must not be negative":              func(c *webhook.Config) { c.CircuitPause = -1 },
		"Config.EventTimeout must not be negative":              func(c *webhook.Config) { c.EventTimeout = -1 },
		"Config.EventMaxAge must not be negative":               func(c *webhook.Config) { c.EventMaxAge = -1 },
		"Config.DrainTimeout must not be negative":              func(c *webhook.Config) { c.DrainTimeout = -1 },
	} {
		cfg := good()
		change(&cfg)
		if _, err := webhook.New(cfg); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), private) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	cfg := good()
	cfg.URL = ""
	cfg.AuthenticateURL, cfg.RoomsURL, cfg.MessagesURL, cfg.EventsURL = "http://a.example.com", "http://b.example.com", "http://c.example.com", "http://d.example.com"
	if _, err := webhook.New(cfg); err != nil {
		t.Error(err)
	}
}
