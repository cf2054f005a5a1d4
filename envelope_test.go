package ignis_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gobwas/ws"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/wire"
)

// heard records the messages that a handler receives.
type heard struct {
	mu    sync.Mutex
	lines []string
}

func (h *heard) add(line string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.lines = append(h.lines, line)
}

// take returns what has been recorded since the last take.
func (h *heard) take() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	lines := h.lines
	h.lines = nil
	return lines
}

func (h *heard) message(_ context.Context, _ *ignis.Client, m wire.Message) (any, error) {
	h.add(fmt.Sprintf("%s|%s|%s", m.Event, m.Data, m.ID))
	return nil, nil
}

func nested(depth int) string { return strings.Repeat("[", depth) + strings.Repeat("]", depth) }

// inputs lists messages from clients, with their answers and what reaches the handler,
// before and after authentication.
var inputs = []struct {
	name    string
	text    string
	before  string // the answer's text; "": none
	after   string
	handler string
}{
	{"not JSON", "hello", wire.ErrorFormat, wire.ErrorFormat, ""},
	{"empty", "", wire.ErrorFormat, wire.ErrorFormat, ""},
	{"cut short", `{"event":"x"`, wire.ErrorFormat, wire.ErrorFormat, ""},
	{"trailing garbage", `{"event":"x"} x`, wire.ErrorFormat, wire.ErrorFormat, ""},
	{"two values", `{"event":"x"}{"event":"y"}`, wire.ErrorFormat, wire.ErrorFormat, ""},
	{"nested at the limit", `{"event":"x","data":` + nested(wire.MaxDepth) + `}`, wire.ErrorUnauthenticated, "", "x|" + nested(wire.MaxDepth) + "|"},
	{"nested beyond the limit", `{"event":"x","data":` + nested(wire.MaxDepth+1) + `}`, wire.ErrorFormat, wire.ErrorFormat, ""},
	{"nested without end", strings.Repeat("[", 8000), wire.ErrorFormat, wire.ErrorFormat, ""},
	{"a number", `5`, "", "", ""},
	{"null", `null`, "", "", ""},
	{"an array", `[{"event":"x"}]`, "", "", ""},
	{"a string", `"event"`, "", "", ""},
	{"no event", `{"data":1}`, "", "", ""},
	{"an empty event", `{"event":"","data":1}`, "", "", ""},
	{"event is a number", `{"event":5,"data":1}`, "", "", ""},
	{"event is null", `{"event":null}`, "", "", ""},
	{"event is an object", `{"event":{"a":1}}`, "", "", ""},
	{"the key in another case", `{"Event":"x"}`, "", "", ""},
	{"heartbeat", `{"event":"heartbeat"}`, "", "", ""},
	{"heartbeat with data", `{"event":"heartbeat","data":{"event":"x"}}`, "", "", ""},
	{"connected from a client", `{"event":"connected","data":{}}`, wire.ErrorUnauthenticated, "", ""},
	{"disconnect from a client", `{"event":"disconnect"}`, wire.ErrorUnauthenticated, "", ""},
	{"error from a client", `{"event":"error","data":{"message":"x"}}`, wire.ErrorUnauthenticated, "", ""},
	{"join before", `{"event":"join","data":{"rooms":["a"]}}`, wire.ErrorUnauthenticated, "", ""},
	{"leave before", `{"event":"leave","data":{"rooms":["a"]}}`, wire.ErrorUnauthenticated, "", ""},
	{"encrypted from a client without keys", `{"event":"encrypted","data":{}}`, wire.ErrorUnauthenticated, wire.ErrorEncryptedMessage, ""},
	{"no data", `{"event":"x"}`, wire.ErrorUnauthenticated, "", "x||"},
	{"null data", `{"event":"x","data":null}`, wire.ErrorUnauthenticated, "", "x|null|"},
	{"an id", `{"id":"7","event":"x","data":1}`, wire.ErrorUnauthenticated, "", "x|1|7"},
	{"an id that is not a string", `{"id":7,"event":"x","data":1}`, wire.ErrorUnauthenticated, "", "x|1|"},
	{"unknown keys", `{"event":"x","to":"all","data":1}`, wire.ErrorUnauthenticated, "", "x|1|"},
	{"the same key twice", `{"event":"y","data":1,"event":"x","data":2}`, wire.ErrorUnauthenticated, "", "x|2|"},
	{"the same key twice, one escaped", `{"event":"y","\u0065vent":"x"}`, wire.ErrorUnauthenticated, "", "x||"},
	{"authenticate, then another event", `{"event":"authenticate","event":"x"}`, wire.ErrorUnauthenticated, "", "x||"},
	{"23 digits", `{"event":"x","data":12345678901234567890123}`, wire.ErrorUnauthenticated, "", "x|12345678901234567890123|"},
	{"data that must stay unchanged", "{\"event\":\"x\",\"data\":{ \"b\" : \"<>&\u2028\\u003c\", \"a\":1.0e2}}", wire.ErrorUnauthenticated, "", "x|{ \"b\" : \"<>&\u2028\\u003c\", \"a\":1.0e2}|"},
	{"names from prototypes", `{"event":"__proto__","data":{"constructor":1}}`, wire.ErrorUnauthenticated, "", `__proto__|{"constructor":1}|`},
}

func TestInput(t *testing.T) {
	for _, binary := range []bool{false, true} {
		op := ws.OpText
		if binary {
			op = ws.OpBinary
		}
		for _, row := range inputs {
			t.Run(fmt.Sprintf("%s/binary=%v", row.name, binary), func(t *testing.T) {
				bubble(t, func(t *testing.T) { testInput(t, op, row.text, row.before, row.after, row.handler) })
			})
		}
	}
}

func testInput(t *testing.T, op ws.OpCode, text, before, after, handler string) {
	h := &heard{}
	n := startMem(t, ignis.Config{OnMessage: h.message})
	p := n.connect()
	answers := func(answer string) []string {
		if answer == "" {
			return nil
		}
		return []string{failure(answer)}
	}
	p.send(op, []byte(text))
	p.only(answers(before)...)
	p.authenticate("ann")
	p.send(op, []byte(text))
	p.only(answers(after)...)
	var want []string
	if handler != "" {
		want = []string{handler}
	}
	if got := h.take(); !slices.Equal(got, want) {
		t.Errorf("handler got %q, want %q", got, want)
	}
	p.text(`{"event":"still here"}`) // the connection stays open in any case
	if p.only(); !slices.Equal(h.take(), []string{"still here||"}) {
		t.Error("the connection has ended")
	}
}

func TestHeartbeatIsActivityInAnyState(t *testing.T) {
	bubble(t, func(t *testing.T) {
		hold := make(chan struct{})
		n := startMem(t, ignis.Config{
			Authenticate: func(context.Context, ignis.Credentials) (ignis.Identity, error) {
				<-hold
				return ignis.Identity{}, nil
			},
			OnMessage: func(context.Context, *ignis.Client, wire.Message) (any, error) {
				t.Error("a heartbeat reached the handler")
				return nil, nil
			},
		})
		p := n.connect()
		beat := func(state ignis.State) {
			t.Helper()
			time.Sleep(time.Second)
			p.text(`{"event":"heartbeat"}`)
			synctest.Wait()
			c := n.Clients()[0]
			if c.State != state || !c.LastActivity.Equal(time.Now()) {
				t.Errorf("%v, last activity %v ago; want %v, now", c.State, time.Since(c.LastActivity), state)
			}
		}
		beat(ignis.StateUnauthorized)
		p.text(`{"event":"authenticate"}`)
		beat(ignis.StateAuthenticating)
		close(hold)
		synctest.Wait()
		beat(ignis.StateAuthenticated)
		if lines := p.got(); len(lines) != 1 {
			t.Errorf("received %q, want the connected event alone", lines)
		}
	})
}

func TestAlreadyAuthenticated(t *testing.T) {
	bubble(t, func(t *testing.T) {
		calls := 0
		hold := make(chan struct{})
		n := startMem(t, ignis.Config{Authenticate: func(context.Context, ignis.Credentials) (ignis.Identity, error) {
			calls++
			<-hold
			return ignis.Identity{}, nil
		}})
		p := n.connect()
		p.text(`{"event":"authenticate"}`)
		p.only()
		p.text(`{"event":"authenticate"}`)
		p.only(failure("Already authenticated"))
		close(hold)
		if p.got(); calls != 1 {
			t.Errorf("Authenticate was called %d times", calls)
		}
		p.text(`{"event":"authenticate"}`)
		p.only(failure("Already authenticated"))
	})
}

func TestBinaryThatIsNotUTF8(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := &heard{}
		n := startMem(t, ignis.Config{OnMessage: h.message})
		p := n.login("ann")
		p.send(ws.OpBinary, []byte("{\"event\":\"x\",\"data\":\"\xff\"}"))
		p.only()
		if got := h.take(); !slices.Equal(got, []string{"x|\"\ufffd\"|"}) {
			t.Errorf("handler got %q", got)
		}
		p.send(ws.OpBinary, []byte{0xff, 0xfe})
		p.only(failure(wire.ErrorFormat))
	})
}

// Messages reach the handler in order, with their sender.
func TestHandlerGetsWhoAndOrder(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := &heard{}
		n := startMem(t, ignis.Config{OnMessage: func(_ context.Context, c *ignis.Client, m wire.Message) (any, error) {
			h.add(c.ID + c.UserID + string(m.Data) + m.ID)
			return nil, nil
		}})
		p := n.login("ann")
		var all []byte
		var want []string
		for i := range 500 {
			all = append(all, encode(ws.NewTextFrame(fmt.Appendf(nil, `{"event":"n","data":%d,"id":"i"}`, i)))...)
			want = append(want, fmt.Sprintf("%sann%di", p.id, i))
		}
		p.bytes(all)
		p.only()
		if got := h.take(); !slices.Equal(got, want) {
			t.Errorf("handler got %d messages, in order: %v", len(got), slices.IsSorted(got))
		}
	})
}

func TestHandlerThatFailsKeepsTheConnection(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n := startMem(t, ignis.Config{OnMessage: func(_ context.Context, _ *ignis.Client, m wire.Message) (any, error) {
			switch m.Event {
			case "error out":
				return nil, errors.New("no luck")
			case "panic":
				panic("no luck at all")
			case "index":
				return nil, []error{}[len(m.ID)]
			}
			return nil, nil
		}})
		p := n.login("ann")
		for _, event := range []string{"error out", "panic", "index"} {
			p.text(`{"event":"` + event + `","data":"` + secret + `"}`)
		}
		p.only()
		p.text("x")
		p.only(failure(wire.ErrorFormat))
		if s := n.Stats(); s.CallbackErrors != 3 || s.CallbackPanics != 2 || s.Messages != 3 {
			t.Errorf("counted %d errors, %d panics, %d messages", s.CallbackErrors, s.CallbackPanics, s.Messages)
		}
		for _, line := range []string{"no luck", "no luck at all", "OnMessage failed", "OnMessage panicked"} {
			if !n.log.Has(line) {
				t.Errorf("not in the log: %s", line)
			}
		}
	})
}

// Dropped messages are counted, and logged at debug level.
func TestWhatIsDroppedIsCounted(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n := startMem(t, ignis.Config{})
		p := n.connect()
		p.text("x")
		p.text(`{"event":"x"}`)
		p.only(failure(wire.ErrorFormat), failure(wire.ErrorUnauthenticated))
		p.authenticate("ann")
		for _, text := range []string{`5`, `{"event":5}`, `{"event":"connected"}`, `{"event":"x"}`, `{"event":"leave"}`} {
			p.text(text)
		}
		p.only()
		s := n.Stats()
		if s.Received != 8 || s.Malformed != 1 || s.Unauthenticated != 1 || s.Ignored != 5 || s.Messages != 1 {
			t.Errorf("counted %+v", s)
		}
		if got := n.log.Count("message dropped"); got != 4 {
			t.Errorf("%d lines about dropped messages in the log, want 4:\n%s", got, n.log)
		}
	})
}
