package ignis_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/wire"
)

// traces is a Tracer that records spans as text. Spans are numbered, and those that begin a
// trace are 1, 2 and so on; the others have the number of their parent, a dot and their own.
type traces struct {
	mu    sync.Mutex
	next  int
	lines []string
	open  int
}

type spanKey struct{}

// current returns the number of the span in ctx, or "" if there is none.
func current(ctx context.Context) string {
	s, _ := ctx.Value(spanKey{}).(string)
	return s
}

func (r *traces) StartSpan(ctx context.Context, s ignis.Span) (context.Context, func(ignis.SpanEnd)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.next++
	r.open++
	id := fmt.Sprint(r.next)
	if parent := current(ctx); parent != "" && s.Kind != ignis.SpanHandle {
		id = parent + "." + id
	}
	return context.WithValue(ctx, spanKey{}, id), func(e ignis.SpanEnd) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.open--
		line := fmt.Sprintf("%s %s", id, s.Kind)
		for _, f := range []struct {
			name  string
			value any
		}{
			{"client", s.ClientID + e.ClientID},
			{"user", max(s.UserID, e.UserID)},
			{"to", strings.TrimSuffix(s.To.String(), ":")},
			{"event", s.Event},
			{"messages", s.Messages},
			{"recipients", e.Recipients},
			{"status", e.Status},
			{"outcome", e.Outcome},
			{"error", e.Err},
		} {
			if v := fmt.Sprint(f.value); v != "" && v != "0" && v != "<nil>" {
				line += " " + f.name + "=" + v
			}
		}
		r.lines = append(r.lines, line)
	}
}

// Inject returns a traceparent whose trace ID is the number of the span.
func (r *traces) Inject(ctx context.Context) string {
	s := current(ctx)
	if s == "" {
		return ""
	}
	return traceparent(s)
}

func traceparent(span string) string {
	return fmt.Sprintf("00-%032s-00f067aa0ba902b7-01", strings.ReplaceAll(span, ".", "a"))
}

func (r *traces) Extract(ctx context.Context, traceparent string) context.Context {
	if traceparent == "" || current(ctx) != "" {
		return ctx
	}
	id := strings.ReplaceAll(strings.TrimLeft(traceparent[3:35], "0"), "a", ".")
	return context.WithValue(ctx, spanKey{}, id)
}

// take returns the spans that have ended since the last take. All spans must have ended.
func (r *traces) take(t *testing.T) []string {
	t.Helper()
	synctest.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.open != 0 {
		t.Errorf("%d spans have not ended", r.open)
	}
	lines := r.lines
	r.lines, r.next = nil, 0
	return lines
}

func (r *traces) expect(t *testing.T, want ...string) {
	t.Helper()
	if got := r.take(t); !slices.Equal(got, want) {
		t.Errorf("spans:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// traced runs a node on a fake bus, and returns what it traces.
func traced(t *testing.T, cfg ignis.Config) (*node, *fakeBus, *traces) {
	t.Helper()
	b, r := newFakeBus(), new(traces)
	cfg.Bus, cfg.Tracer = b, r
	return startMem(t, cfg), b, r
}

func TestTraceOfAConnection(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n, _, r := traced(t, ignis.Config{
			MaxClients: 2,
			Authenticate: func(ctx context.Context, c ignis.Credentials) (ignis.Identity, error) {
				switch c.Token {
				case "down":
					return ignis.Identity{}, &ignis.Error{Code: wire.CodeUnavailable, Message: "no database"}
				case "panic":
					panic("no")
				case "exit":
					runtime.Goexit()
				}
				return anyone(ctx, c)
			},
			Accept: func(r *http.Request) (ignis.Accepted, error) {
				if current(r.Context()) != "1" {
					t.Errorf("Accept is called in the span %q", current(r.Context()))
				}
				return ignis.Accepted{}, nil
			},
		})
		connect := func() *peer {
			q := n.connect()
			synctest.Wait() // the span of the upgrade ends first
			return q
		}
		p := connect()
		p.text(authenticate2)
		p.connected()
		up := "1 upgrade client=" + p.id + " status=101"
		r.expect(t, up, "1.2 authenticate client="+p.id+" user=ann outcome=accepted")
		p.text(`{"event":"refresh","data":{"user":"ann"}}`)
		r.expect(t, "1 authenticate client="+p.id+" user=ann outcome=accepted")
		p.text(`{"event":"refresh","data":{"user":"eve","token":"bad"}}`)
		r.expect(t, "1 authenticate client="+p.id+" user=ann outcome=rejected")

		for token, want := range map[string]string{
			"bad":   "outcome=rejected",
			"down":  "outcome=unavailable error=no database",
			"panic": "outcome=failed error=panic: no",
			"exit":  "error=panicked or called runtime.Goexit",
		} {
			q := connect()
			q.sendCredentials("bob", token)
			lines := r.take(t)
			if len(lines) != 2 || !strings.HasPrefix(lines[1], "1.2 authenticate client=") || !strings.HasSuffix(lines[1], " "+want) {
				t.Errorf("%s: spans %q, want %s", token, lines, want)
			}
			_ = q.conn.Close()
			synctest.Wait()
		}

		n.login("ann")
		r.take(t)
		n.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil))
		r.expect(t, "1 upgrade status=503 outcome=full")
	})
}

func TestTraceOfARefusedUpgrade(t *testing.T) {
	bubble(t, func(t *testing.T) {
		failure := errors.New("no database")
		var err error
		n, _, r := traced(t, ignis.Config{Accept: func(*http.Request) (ignis.Accepted, error) {
			if err == nil {
				panic("no")
			}
			return ignis.Accepted{}, err
		}})
		request := func() {
			defer func() { _ = recover() }()
			r := httptest.NewRequest(http.MethodGet, "/ws", nil)
			for key, value := range map[string]string{
				"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
			} {
				r.Header.Set(key, value)
			}
			n.ServeHTTP(httptest.NewRecorder(), r)
		}
		n.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil))
		r.expect(t, "1 upgrade status=426 outcome=the Upgrade header does not contain websocket")
		err = &ignis.Error{Code: wire.CodeForbidden}
		request()
		r.expect(t, "1 upgrade status=403 outcome=not accepted")
		err = failure
		request()
		if got := r.take(t); len(got) != 1 || !strings.HasPrefix(got[0], "1 upgrade status=500 outcome=not accepted error=") {
			t.Errorf("spans %q", got)
		}
		err = nil
		request()
		r.expect(t, "1 upgrade error=panicked or called runtime.Goexit")
	})
}

func TestTraceOfAHandler(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var n *node
		n, b, r := traced(t, ignis.Config{OnMessage: func(ctx context.Context, _ *ignis.Client, m wire.Message) (any, error) {
			switch m.Event {
			case "refuse":
				return nil, &ignis.Error{Code: wire.CodeForbidden, Message: "no"}
			case "unavailable":
				return nil, &ignis.Error{Code: wire.CodeUnavailable, Message: "not now"}
			case "fail":
				return nil, errors.New("no luck")
			case "panic":
				panic("oh")
			case "exit":
				runtime.Goexit()
			}
			return "ok", n.Send(ctx, ignis.ToRoom("lobby"), "said", m.Data)
		}})
		p := n.login("ann")
		r.take(t)
		who := " client=" + p.id + " user=ann event="
		for event, want := range map[string]string{
			"refuse":      " outcome=forbidden",
			"unavailable": " outcome=unavailable error=not now",
			"fail":        " error=no luck",
			"panic":       " error=panic: oh",
			"exit":        " error=panicked or called runtime.Goexit",
		} {
			p.text(`{"event":"` + event + `"}`)
			r.expect(t, "1 handle"+who+event+want)
		}
		p.text(`{"event":"say","data":1}`)
		r.expect(t, "1.2 publish to=room:lobby event=said messages=1", "1 handle"+who+"say")
		want := `ws:room:lobby {"serverId":"` + n.ID() + `","type":"room","target":"lobby","event":"said","data":1,"traceparent":"` + traceparent("1.2") + `"}`
		if got := b.take(); !slices.Equal(got, []string{want}) {
			t.Errorf("published %q, want %q", got, want)
		}
		b.fail(errors.New("not today"))
		_ = n.Send(t.Context(), ignis.ToUser("ann"), "x", nil)
		r.expect(t, "1 publish to=user:ann event=x messages=1 recipients=1 error=ignis: not sent to other instances: not today")
		b.fail(nil)

		posts := []ignis.Post{
			{To: ignis.ToUser("ann"), Event: "a"},
			{To: ignis.ToUser("ann"), Event: "a"},
			{To: ignis.ToUser("bob"), Event: "b"},
		}
		for i, want := range []string{
			"1 publish to=user:ann event=a messages=1 recipients=1",
			"1 publish to=user:ann event=a messages=2 recipients=2",
			"1 publish messages=3 recipients=2",
		} {
			_, _ = n.SendAll(t.Context(), posts[:i+1]...)
			r.expect(t, want)
			for _, envelope := range b.take() {
				if !strings.HasSuffix(envelope, `,"traceparent":"`+traceparent("1")+`"}`) {
					t.Errorf("published %s", envelope)
				}
			}
		}
		_, _ = n.SendAll(t.Context())
		_ = n.SendLocal(ignis.ToUser("ann"), "x", nil)
		_ = n.Send(t.Context(), ignis.ToUser(""), "invalid", nil)
		r.expect(t)
	})
}

// A message from the bus has a span only if it is part of a trace. Spans do not change how
// messages are grouped.
func TestTraceOfADelivery(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sent := 0
		n, _, r := traced(t, ignis.Config{Hooks: ignis.Hooks{Sent: func(ignis.SentInfo) { sent++ }}})
		p := n.login("ann")
		r.take(t)
		envelope := func(to, event, field string) []byte {
			return []byte(`{"serverId":"s","type":"user","target":"` + to + `","event":"` + event + `"` + field + `}`)
		}
		trace := func(span string) string { return `,"traceparent":"` + traceparent(span) + `"` }
		ignis.Receive(
			n.Server,
			envelope("ann", "a", trace("7")), envelope("ann", "b", ""), envelope("ann", "c", trace("8.9")),
			envelope("ann", "d", `,"traceparent":"00-x"`), envelope("bob", "e", trace("7")), envelope("ann", "f", ""),
		)
		p.expect(`{"event":"a"}`, `{"event":"b"}`, `{"event":"c"}`, `{"event":"d"}`, `{"event":"f"}`)
		r.expect(
			t,
			"8.9.2 deliver to=user:ann event=c messages=1 recipients=1",
			"7.1 deliver to=user:ann event=a messages=1 recipients=1",
			"7.3 deliver to=user:bob event=e messages=1",
		)
		if sent != 3 {
			t.Errorf("the messages were delivered in %d groups, want 3", sent)
		}
		own := strings.Replace(string(envelope("ann", "g", trace("7"))), `"s"`, `"`+n.ID()+`"`, 1)
		ignis.Receive(n.Server, []byte(own))
		r.expect(t)
	})
}

// Without a tracer, the server ignores the field and does not send one.
func TestWithoutATracer(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := newFakeBus()
		n := startMem(t, ignis.Config{Bus: b})
		p := n.login("ann")
		ignis.Receive(n.Server, []byte(`{"serverId":"s","type":"broadcast","event":"x","traceparent":"`+traceparent("7")+`"}`))
		p.expect(`{"event":"x"}`)
		_ = n.Send(context.WithValue(t.Context(), spanKey{}, "7"), ignis.ToUser("ann"), "y", 1)
		want := `ws:user:ann {"serverId":"` + n.ID() + `","type":"user","target":"ann","event":"y","data":1}`
		if got := b.take(); !slices.Equal(got, []string{want}) {
			t.Errorf("published %q, want %q", got, want)
		}
	})
}

// badTracer is a Tracer whose traceparent is malformed.
type badTracer struct{ traces }

func (*badTracer) Inject(context.Context) string { return `00-"}` + strings.Repeat("x", 1<<10) }

// A malformed traceparent of a tracer is not sent.
func TestMalformedTraceparentOfATracer(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b, r := newFakeBus(), new(badTracer)
		n := startMem(t, ignis.Config{Bus: b, Tracer: r})
		n.login("ann")
		r.take(t)
		_ = n.Send(t.Context(), ignis.ToUser("bob"), "x", nil)
		_, _ = n.SendAll(t.Context(), ignis.Post{To: ignis.ToUser("bob"), Event: "x"})
		want := `ws:user:bob {"serverId":"` + n.ID() + `","type":"user","target":"bob","event":"x"}`
		if got := b.take(); !slices.Equal(got, []string{want, want}) {
			t.Errorf("published %q, want %q", got, want)
		}
	})
}
