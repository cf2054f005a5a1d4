package ws

import (
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"github.com/ignis-go/ignis/internal/longtest"
)

// Input of many small frames is handled in several turns.
func TestTurnsCountWork(t *testing.T) {
	for name, frame := range map[string][]byte{
		"small messages": masked(ws.OpText, true, "x"),
		"pings":          masked(ws.OpPing, true, ""),
		"fragments":      masked(ws.OpContinuation, false, ""),
	} {
		t.Run(name, func(t *testing.T) {
			p := parser{max: 1000, turns: true}
			feed := func(b []byte) error {
				return p.feed(b, func(ws.OpCode, []byte) error { return nil })
			}
			if name == "fragments" {
				if err := feed(masked(ws.OpText, false, "x")); err != nil {
					t.Fatal(err)
				}
			}
			const frames = 1000
			b := slices.Repeat(frame, frames)
			turns := 0
			for err := feed(b); err != nil; err = feed(nil) {
				if err != errTurn {
					t.Fatal(err)
				}
				p.spent = 0
				turns++
			}
			if want := frames * frameWork / turnWork; turns < want || turns > want+2 {
				t.Errorf("%d turns for %d frames, want %d", turns, frames, want)
			}
			if p.pending != nil {
				t.Error("something is left")
			}
		})
	}
}

// Decompressed bytes count as well.
func TestTurnsCountDecompressedBytes(t *testing.T) {
	p := parser{max: 1 << 20, deflate: true, turns: true}
	n := 0
	b := slices.Repeat(maskedPacked(ws.OpText, true, squeeze(strings.Repeat("x", turnWork))), 3)
	err := p.feed(b, func(ws.OpCode, []byte) error { n++; return nil })
	if err != errTurn || n != 1 {
		t.Errorf("%d messages, %v", n, err)
	}
}

// A connection with new data is served between the turns of another one on the same poller
// whose peer has sent thousands of frames.
func TestNewcomersFirst(t *testing.T) {
	opts := defaults()
	opts.Engine = newEngine(t, EngineConfig{})
	flood, quiet := onePair(t), onePair(t)
	var order []string
	var mu sync.Mutex
	done := make(chan struct{})
	note := func(who string) {
		mu.Lock()
		defer mu.Unlock()
		if order = append(order, who); len(order) == 1 {
			// The poller sees this data as new after the current turn.
			if _, err := quiet.peer.Write(masked(ws.OpText, true, "q")); err != nil {
				t.Error(err)
			}
		}
		if len(order) == 2001 {
			close(done)
		}
	}
	begin(quiet.conn(&opts), nil, func([]byte) { note("quiet") })
	begin(flood.conn(&opts), nil, func([]byte) { note("flood") })
	if _, err := flood.peer.Write(slices.Repeat(masked(ws.OpText, true, ""), 2000)); err != nil {
		t.Fatal(err)
	}
	wait(t, done)
	if at := slices.Index(order, "quiet"); at > turnWork/frameWork {
		t.Errorf("served after %d messages of the other", at)
	}
}

// A message that takes long to decompress is handled by another goroutine. Others are served
// in the meantime, and the order on its connection is kept.
func TestLargeInflationLeavesThePoller(t *testing.T) {
	longtest.Mark(t)
	const large = 5 << 20
	bomb := maskedPacked(ws.OpText, true, squeeze(strings.Repeat("x", large)))
	fragments := slices.Concat(
		maskedPacked(ws.OpText, false, squeeze(strings.Repeat("x", large))), masked(ws.OpContinuation, true, ""))
	for name, message := range map[string][]byte{"one frame": bomb, "fragments": fragments} {
		for _, early := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/early=%v", name, early), func(t *testing.T) {
				opts := defaults()
				opts.MaxPayload = 2 * large
				opts.Engine = newEngine(t, EngineConfig{})
				bomber, other := onePair(t), onePair(t)
				got := make(chan string, 10)
				opts.Engine.heavy <- struct{}{} // keeps large messages from being decompressed
				all := slices.Concat(masked(ws.OpText, true, "before"), message, masked(ws.OpText, true, "after"))
				n := 0
				if early {
					n = len(all)
				}
				begin(bomber.conn(&opts), slices.Clone(all[:n]), func(b []byte) { got <- fmt.Sprintf("%d %.6s", len(b), b) })
				begin(other.conn(&opts), nil, func(b []byte) { got <- string(b) })
				if _, err := bomber.peer.Write(all[n:]); err != nil {
					t.Fatal(err)
				}
				if m := wait(t, got); m != "6 before" {
					t.Fatal(m)
				}
				for range 3 {
					if _, err := other.peer.Write(masked(ws.OpText, true, "hello")); err != nil {
						t.Fatal(err)
					}
					if m := wait(t, got); m != "hello" {
						t.Fatal(m)
					}
				}
				<-opts.Engine.heavy
				for _, want := range []string{fmt.Sprintf("%d xxxxxx", large), "5 after"} {
					if m := wait(t, got); m != want {
						t.Fatalf("got %s, want %s", m, want)
					}
				}
			})
		}
	}
}

// Large compressed messages arrive in order on every kind of connection.
func TestLargeInflationOnAll(t *testing.T) {
	longtest.Mark(t)
	onAll(t, func(t *testing.T, tr transport) {
		opts := defaults()
		opts.Engine = newEngine(t, EngineConfig{Plain: tr.plain})
		server, client := tr.pair(t)
		got := make(chan int, 10)
		c := NewConn(server, 15, &opts)
		l := begin(c, nil, func(b []byte) { got <- len(b) })
		go func() {
			for i := range 5 {
				_, _ = client.Write(maskedPacked(ws.OpText, true, squeeze(strings.Repeat("x", i*200_000))))
			}
		}()
		for i := range 5 {
			if n := wait(t, got); n != i*200_000 {
				t.Fatalf("%d bytes, want %d", n, i*200_000)
			}
		}
		_ = client.Close()
		wait(t, l.finished)
	})
}

// A message of thousands of empty streams is rejected: each stream costs far more
// than its two bytes.
func TestManyEmptyStreams(t *testing.T) {
	empty := "\x03\x00" // an empty final block
	for n, fails := range map[int]bool{1: false, maxStreams: false, 5000: true} {
		_, err := parseDeflate(1000, maskedPacked(ws.OpText, true, strings.Repeat(empty, n)))
		if (err != nil) != fails {
			t.Errorf("%d streams: %v", n, err)
		}
	}
}

// A paused connection of any kind notices that its peer has gone.
func TestHangUpWhilePaused(t *testing.T) {
	onAll(t, func(t *testing.T, tr transport) {
		if tr.name == "wrapped socket" {
			t.Skip("a wrapped connection cannot be checked for a hang-up without reading from it")
		}
		p := serve(t, tr, defaults())
		p.Pause()
		p.send(t, masked(ws.OpText, true, "unread"))
		_ = p.peer.Close()
		p.expectServed(t, End{Cause: CauseLost, Code: 1006})
		wait(t, p.finished)
	})
}

// A hang-up before the pause is noticed as well.
func TestHangUpBeforePause(t *testing.T) {
	opts := defaults()
	opts.Engine = newEngine(t, EngineConfig{})
	pair := onePair(t)
	if _, err := pair.peer.Write(slices.Repeat(masked(ws.OpText, true, "x"), 3)); err != nil {
		t.Fatal(err)
	}
	_ = pair.peer.Close()
	c := pair.conn(&opts)
	l := begin(c, nil, func([]byte) { c.Pause() })
	if end := wait(t, l.ended); end.Cause != CauseLost {
		t.Errorf("ended by %+v", end)
	}
	wait(t, l.finished)
}

// While the socket has room, each ping is answered.
func TestEachPingIsAnswered(t *testing.T) {
	onAll(t, func(t *testing.T, tr transport) {
		p := serve(t, tr, defaults())
		var pings []byte
		for i := range 10 {
			pings = append(pings, masked(ws.OpPing, true, fmt.Sprint(i))...)
		}
		p.send(t, pings)
		for i := range 10 {
			p.expect(t, ws.OpPong, fmt.Sprint(i))
		}
	})
}

// The cost of waiting messages includes their overhead.
func TestEmptyMessagesCount(t *testing.T) {
	opts := defaults()
	opts.BackpressureLimit = 100 * overhead
	p := serve(t, transports[2], opts)
	p.Hold()
	n := 0
	for p.Enqueue(text("").Under(DropNewest, "")) == queued {
		n++
	}
	if n < 90 || n > 100 {
		t.Errorf("%d empty messages are waiting", n)
	}
}

// A message to a sealed peer needs a separate copy, so the limit applies even to a single
// one.
func TestLargeMessageToSealedPeer(t *testing.T) {
	onAll(t, func(t *testing.T, tr transport) {
		opts := defaults()
		opts.BackpressureLimit = 10_000
		p := serve(t, tr, opts)
		large := text(strings.Repeat("x", 10_001))
		if got := p.Enqueue(large); got != queued {
			t.Errorf("before it is sealed: %+v", got)
		}
		until(t, "it to be written", func() bool { return p.Queued() == 0 })
		p.Seal(tilde, false)
		if got := p.Enqueue(large); got != (Tally{Large: 1}) {
			t.Errorf("sealed: %+v", got)
		}
		if got := p.Enqueue(text("small")); got != queued {
			t.Errorf("behind it: %+v", got)
		}
	})
}

// pair is both ends of a TCP connection.
type pair struct{ server, peer net.Conn }

func onePair(t *testing.T) pair {
	server, client := tcpPair(t)
	t.Cleanup(func() { _ = client.Close() })
	return pair{server, client}
}

// conn returns the server's end, which accepts compressed messages.
func (p pair) conn(opts *Options) *Conn {
	_ = p.peer.SetWriteDeadline(time.Now().Add(patience))
	return NewConn(p.server, 15, opts)
}

// At most half as many goroutines as threads, but at least one, may decompress large
// messages, and one more may do so for strangers.
func TestDecompressionSlots(t *testing.T) {
	for threads, want := range map[int]int{1: 1, 2: 1, 3: 1, 8: 4} {
		e := newEngine(t, EngineConfig{Threads: threads})
		if cap(e.heavy) != want || cap(e.heavyStrangers) != 1 {
			t.Errorf("%d threads: %d slots, and %d for strangers", threads, cap(e.heavy), cap(e.heavyStrangers))
		}
	}
}
