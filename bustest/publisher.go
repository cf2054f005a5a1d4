package bustest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
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

// RunPublisher runs the test suite for publishers as subtests of t.
func RunPublisher(t *testing.T, make NewPublisher) {
	for _, test := range []struct {
		name string
		run  func(*testing.T, emitter.Publisher, *running)
	}{
		{"EnvelopesArriveInOrder", envelopesArriveInOrder},
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

func publishAll(t *testing.T, p emitter.Publisher, envelopes ...wire.Publication) {
	t.Helper()
	if err := errors.Join(p.Publish(t.Context(), envelopes...)...); err != nil {
		t.Errorf("Publish: %v", err)
	}
}

func envelopesArriveInOrder(t *testing.T, p emitter.Publisher, bus *running) {
	publishAll(t, p)
	channels := []string{lobby, wire.ChannelBroadcast, wire.ToUser("ünï").Channel(), wire.ToClient("c1").Channel()}
	texts := []string{"", "\r\n", string(bytes.Repeat([]byte{0, '\r', '\n', 0xff}, 50_000))}
	for i := range 3000 {
		texts = append(texts, fmt.Sprint(i))
	}
	var all []wire.Publication
	for _, text := range texts {
		all = append(all, wire.Publication{Channel: lobby, Envelope: []byte(text)})
	}
	publishAll(t, p, all...)
	for _, text := range texts {
		bus.expect(text)
	}
	for _, channel := range channels {
		publishAll(t, p, wire.Publication{Channel: channel, Envelope: []byte(channel)})
		bus.expect(channel)
	}
}

func concurrentCalls(t *testing.T, p emitter.Publisher, bus *running) {
	const callers, each = 8, 100
	var wg sync.WaitGroup
	for c := range callers {
		wg.Go(func() {
			for i := range each {
				publishAll(t, p,
					wire.Publication{Channel: lobby, Envelope: fmt.Appendf(nil, "%d %d", c, 2*i)},
					wire.Publication{Channel: lobby, Envelope: fmt.Appendf(nil, "%d %d", c, 2*i+1)})
			}
		})
	}
	wg.Wait()
	var next [callers]int
	for range callers * each * 2 {
		var c, i int
		text := bus.next()
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
	const text = "the caller's"
	buffer := []byte(text + "!")
	e := wire.Publication{Channel: lobby, Envelope: buffer[:len(text)]} // with spare capacity
	publishAll(t, p, e)
	if string(buffer) != text+"!" {
		t.Errorf("the envelope is now %q", buffer)
	}
	clear(buffer)
	publishAll(t, p, wire.Publication{Channel: lobby, Envelope: []byte("another")})
	bus.expect(text)
	bus.expect("another")
}

func endedContextSendsNothing(t *testing.T, p emitter.Publisher, bus *running) {
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	e := wire.Publication{Channel: lobby, Envelope: []byte("not sent")}
	errs := p.Publish(ended, e, e)
	if len(errs) != 2 {
		t.Fatalf("Publish with an ended context returned %d errors, want 2: %v", len(errs), errs)
	}
	for i, err := range errs {
		if !errors.Is(err, context.Canceled) || !errors.Is(err, wire.ErrNotSent) {
			t.Errorf("error %d is %v, want one that wraps context.Canceled and wire.ErrNotSent", i, err)
		}
	}
	publishAll(t, p, wire.Publication{Channel: lobby, Envelope: []byte("sent")})
	bus.expect("sent")
}
