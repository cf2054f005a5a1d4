package ws

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/gobwas/ws"

	"github.com/ignis-go/ignis/internal/longtest"
)

// series returns n messages of size bytes each, and one joined message.
func series(n, size int) (texts []string, joined *Message) {
	parts := make([]*Message, n)
	for i := range n {
		s := fmt.Sprintf("%d ", i)
		texts = append(texts, s+strings.Repeat("x", size-len(s)))
		parts[i] = text(texts[i])
	}
	return texts, Join(parts...)
}

// The peer cannot tell a joined message from separate ones, whatever precedes and follows
// it, even if the socket accepts it in parts.
func TestJoinedMessages(t *testing.T) {
	longtest.Mark(t)
	onAll(t, func(t *testing.T, tr transport) {
		for _, how := range []string{"unencrypted", "sealed", "sealed slowly"} {
			t.Run(how, func(t *testing.T) {
				p := serve(t, tr, defaults())
				seal := func(s string) string { return s }
				if how != "unencrypted" {
					seal = func(s string) string { return "~" + s }
					p.Seal(tilde, how == "sealed slowly")
				}
				texts, joined := series(300, 20_000) // more than any socket buffer holds
				p.Enqueue(text("before"))
				if v := p.Enqueue(joined); v != (Tally{Queued: 300}) {
					t.Errorf("%+v", v)
				}
				p.Enqueue(text("behind"))
				p.expect(t, ws.OpText, seal("before"))
				for _, s := range texts {
					p.expect(t, ws.OpText, seal(s))
				}
				p.expect(t, ws.OpText, seal("behind"))
			})
		}
	})
}

// Each part is sealed separately, and messages queued before Seal are not sealed.
func TestJoinedMessagesAreSealedSeparately(t *testing.T) {
	onAll(t, func(t *testing.T, tr transport) {
		var failed atomic.Int64
		opts := defaults()
		opts.SealFailed = func(error) { failed.Add(1) }
		p := serve(t, tr, opts)
		texts, joined := series(10, 100)
		p.Hold()
		p.Enqueue(joined)
		p.Seal(sealer(func(s string) (string, error) {
			if s == texts[4] {
				return "in part", errors.New("cannot")
			}
			return "~" + s, nil
		}), false)
		p.Enqueue(joined)
		p.Release()
		for _, s := range texts {
			p.expect(t, ws.OpText, s)
		}
		for i, s := range texts {
			if i != 4 {
				p.expect(t, ws.OpText, "~"+s)
			}
		}
		if failed.Load() != 1 {
			t.Errorf("%d could not be sealed", failed.Load())
		}
	})
}

// At the limit, as many parts are queued as there is room for.
func TestJoinedMessagesAtTheLimit(t *testing.T) {
	for _, drop := range []bool{false, true} {
		onAll(t, func(t *testing.T, tr transport) {
			opts := defaults()
			opts.BackpressureLimit = 1000
			p := serve(t, tr, opts)
			limit := opts.BackpressureLimit
			if p.Polled() {
				limit *= lag
			}
			texts, joined := series(100, 100)
			if drop {
				for _, part := range joined.parts {
					part.Under(DropNewest, "")
				}
			}
			fit := limit / text(texts[0]).cost()
			p.Hold()
			want := Tally{Queued: fit, Closing: int32(100 - fit - 1), Dropped: Dropped{Full: 1}}
			if drop {
				want = Tally{Queued: fit, Dropped: Dropped{Full: int32(100 - fit)}}
			}
			if got := p.Enqueue(joined); got != want {
				t.Errorf("drop %v: %+v, want %+v", drop, got, want)
			}
			if !drop {
				p.expectServed(t, End{Cause: CauseBackpressure, Code: 1006})
				return
			}
			p.Release()
			for _, s := range texts[:fit] {
				p.expect(t, ws.OpText, s)
			}
		})
	}
}

func TestJoinedMessagesCompressed(t *testing.T) {
	texts, joined := series(3, 1000)
	want := 0
	for _, s := range texts {
		want += len(text(s).bytes(maxWindow))
	}
	if got := joined.bytes(maxWindow); len(got) != want || len(got) >= joined.Size() {
		t.Errorf("%d bytes, want %d", len(got), want)
	}
	if one := text("alone"); Join(one) != one {
		t.Error("a single message was copied")
	}
}
