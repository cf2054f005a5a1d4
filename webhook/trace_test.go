package webhook_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/webhook"
)

type traceKey struct{}

// traces is a Tracer that records spans as text.
type traces struct {
	mu    sync.Mutex
	lines []string
}

func (r *traces) StartSpan(ctx context.Context, s ignis.Span) (context.Context, func(ignis.SpanEnd)) {
	s.Header.Set("Traceparent", "of "+s.Event)
	parent, _ := ctx.Value(traceKey{}).(string)
	return ctx, func(e ignis.SpanEnd) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.lines = append(r.lines, fmt.Sprintf("%s %s in %q: %d %v", s.Kind, s.Event, parent, e.Status, e.Err))
	}
}

func (r *traces) Inject(context.Context) string { return "" }

func (r *traces) Extract(ctx context.Context, _ string) context.Context { return ctx }

// Each request has a span, which the endpoint can continue.
func TestTracer(t *testing.T) {
	bubble(t, func(t *testing.T) {
		status, header := http.StatusOK, make(chan string, 10)
		a := newApp(t, func(w http.ResponseWriter, r *http.Request, in received) {
			header <- r.Header.Get("Traceparent")
			if in.Type == "message" {
				<-r.Context().Done()
				return
			}
			says(status, `{"user":"ann","tokenId":"`+private+`"}`)(w, r, in)
		})
		r := new(traces)
		c := a.newClient(webhook.Config{Tracer: r})
		ctx := context.WithValue(t.Context(), traceKey{}, "auth")
		if _, err := c.Authenticate(ctx, creds()); err != nil {
			t.Fatal(err)
		}
		status = http.StatusForbidden
		_, _ = c.Authenticate(t.Context(), creds())
		status = http.StatusBadGateway
		_, _ = c.ValidateRooms(t.Context(), ann(), []string{"a"})
		_, _ = c.OnMessage(t.Context(), ann(), message("x", `"`+private+`"`))
		status = http.StatusNoContent
		c.OnConnect(t.Context(), ann())
		time.Sleep(10 * time.Second)
		synctest.Wait()
		want := []string{
			`webhook authenticate in "auth": 200 <nil>`,
			`webhook authenticate in "": 403 <nil>`,
			`webhook join in "": 502 the endpoint answered 502`,
			`webhook message in "": 0 webhook: message: timeout: no answer in time`,
			`webhook events in "": 204 <nil>`,
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		if !slices.Equal(r.lines, want) {
			t.Errorf("spans %q, want %q", r.lines, want)
		}
		for _, want := range []string{"of authenticate", "of authenticate", "of join", "of message", "of events"} {
			if got := <-header; got != want {
				t.Errorf("the endpoint received the header %q, want %q", got, want)
			}
		}
	})
}
