package bustest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/emitter"
	"github.com/ignis-go/ignis/wire"
)

// Publisher is an [emitter.Publisher] over a running bus, such as that of a server in the
// same test. Messages that an emitter sends through it reach the clients of all servers on
// the bus.
type Publisher struct{ Bus ignis.Bus }

// Publish publishes the envelopes in order. The error for an envelope that the bus rejects
// wraps [wire.ErrNotSent].
func (p Publisher) Publish(ctx context.Context, envelopes ...wire.Publication) []error {
	var failed bool
	errs := make([]error, len(envelopes))
	for i, e := range envelopes {
		err := ctx.Err()
		if err == nil {
			err = p.Bus.Publish(e.Channel, bytes.Clone(e.Envelope)) // the bus may keep it
		}
		if err != nil {
			errs[i], failed = fmt.Errorf("%w: %w", wire.ErrNotSent, err), true
		}
	}
	if !failed {
		return nil
	}
	return errs
}

// SendCommands sends commands through the bus, which must be an [ignis.CommandBus].
func (p Publisher) SendCommands(ctx context.Context, commands ...wire.EncodedCommand) error {
	b, ok := p.Bus.(ignis.CommandBus)
	if !ok {
		return ignis.ErrNoCommands
	}
	return b.SendCommands(ctx, commands...)
}

var (
	_ emitter.Publisher        = Publisher{}
	_ emitter.CommandPublisher = Publisher{}
)

// NewPublisher returns a publisher and a bus that receives what it publishes and nothing
// else. The bus must not be running yet. The publisher is used only while it is running.
type NewPublisher func(t *testing.T) (emitter.Publisher, ignis.Bus)

// RunPublisher runs the test suite for publishers as subtests of t. A publisher may refuse
// texts that are not envelopes, with errors that wrap [wire.ErrNotSent].
func RunPublisher(t *testing.T, make NewPublisher) {
	for _, test := range []struct {
		name string
		run  func(*testing.T, emitter.Publisher, *running)
	}{
		{"EnvelopesArriveInOrder", envelopesArriveInOrder},
		{"BytesAreKept", bytesAreKept},
		{"ConcurrentCalls", concurrentCalls},
		{"CallerKeepsItsEnvelopes", callerKeepsItsEnvelopes},
		{"EndedContextSendsNothing", endedContextSendsNothing},
	} {
		t.Run(test.name, func(t *testing.T) {
			p, bus := make(t)
			test.run(t, p, start(t, bus, nil))
		})
	}
}

// publication returns an envelope whose event is text.
func publication(to wire.Address, text string) wire.Publication {
	e := wire.Envelope{ServerID: wire.EmitterID, To: to, Event: text, Data: []byte("1")}
	return wire.Publication{Channel: to.Channel(), Envelope: wire.AppendEnvelope(nil, &e)}
}

// nextEvent returns the event of the next envelope, which must be for to.
func (r *running) nextEvent(to wire.Address) string {
	r.t.Helper()
	text := r.next()
	e, err := wire.DecodeEnvelope([]byte(text))
	if err != nil || e.To != to {
		r.t.Fatalf("received %.80q, want an envelope for %s: %v", text, to, err)
	}
	return e.Event
}

func (r *running) expectEvent(to wire.Address, want string) {
	r.t.Helper()
	if got := r.nextEvent(to); got != want {
		r.t.Fatalf("received %.80q, want %.80q", got, want)
	}
}

func publishAll(t *testing.T, p emitter.Publisher, envelopes ...wire.Publication) {
	t.Helper()
	if err := errors.Join(p.Publish(t.Context(), envelopes...)...); err != nil {
		t.Errorf("Publish: %v", err)
	}
}

func envelopesArriveInOrder(t *testing.T, p emitter.Publisher, bus *running) {
	publishAll(t, p)
	room := wire.ToRoom("lobby")
	texts := []string{"x", "\r\n \"\\\x00é\u2028", strings.Repeat("large ", 50_000)}
	for i := range 3000 {
		texts = append(texts, fmt.Sprint(i))
	}
	var all []wire.Publication
	for _, text := range texts {
		all = append(all, publication(room, text))
	}
	publishAll(t, p, all...)
	for _, text := range texts {
		bus.expectEvent(room, text)
	}
	for _, to := range []wire.Address{room, wire.ToEveryone(), wire.ToUser("ünï"), wire.ToClient("c1")} {
		publishAll(t, p, publication(to, to.String()))
		bus.expectEvent(to, to.String())
	}
}

func bytesAreKept(t *testing.T, p emitter.Publisher, bus *running) {
	if errs := p.Publish(t.Context(), wire.Publication{Channel: lobby, Envelope: []byte("x")}); len(errs) == 1 && errors.Is(errs[0], wire.ErrNotSent) {
		t.Skip("the publisher accepts only envelopes")
	}
	bus.expect("x")
	for _, text := range []string{"", "\r\n", string(bytes.Repeat([]byte{0, '\r', '\n', 0xff}, 50_000))} {
		publishAll(t, p, wire.Publication{Channel: lobby, Envelope: []byte(text)})
		bus.expect(text)
	}
}

func concurrentCalls(t *testing.T, p emitter.Publisher, bus *running) {
	const callers, each = 8, 100
	room := wire.ToRoom("lobby")
	var wg sync.WaitGroup
	for c := range callers {
		wg.Go(func() {
			for i := range each {
				publishAll(t, p, publication(room, fmt.Sprint(c, 2*i)), publication(room, fmt.Sprint(c, 2*i+1)))
			}
		})
	}
	wg.Wait()
	var next [callers]int
	for range callers * each * 2 {
		var c, i int
		text := bus.nextEvent(room)
		if _, err := fmt.Sscan(text, &c, &i); err != nil || c < 0 || c >= callers {
			t.Fatalf("received %.80q", text)
		}
		if i != next[c] {
			t.Fatalf("caller %d: received number %d, want %d", c, i, next[c])
		}
		next[c]++
	}
}

func callerKeepsItsEnvelopes(t *testing.T, p emitter.Publisher, bus *running) {
	room := wire.ToRoom("lobby")
	e := publication(room, "the caller's")
	text := string(e.Envelope)
	buffer := append(e.Envelope, '!')
	e.Envelope = buffer[:len(text)] // with spare capacity
	publishAll(t, p, e)
	if string(buffer) != text+"!" {
		t.Errorf("the envelope is now %q", buffer)
	}
	clear(buffer)
	publishAll(t, p, publication(room, "another"))
	bus.expectEvent(room, "the caller's")
	bus.expectEvent(room, "another")
}

func endedContextSendsNothing(t *testing.T, p emitter.Publisher, bus *running) {
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	room := wire.ToRoom("lobby")
	e := publication(room, "not sent")
	errs := p.Publish(ended, e, e)
	if len(errs) != 2 {
		t.Fatalf("Publish with an ended context returned %d errors, want 2: %v", len(errs), errs)
	}
	for i, err := range errs {
		if !errors.Is(err, context.Canceled) || !errors.Is(err, wire.ErrNotSent) {
			t.Errorf("error %d is %v, want one that wraps context.Canceled and wire.ErrNotSent", i, err)
		}
	}
	publishAll(t, p, publication(room, "sent"))
	bus.expectEvent(room, "sent")
}
