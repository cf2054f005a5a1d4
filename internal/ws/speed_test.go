package ws

import (
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gobwas/ws"

	"github.com/ignis-go/ignis/internal/limit"
)

// racer is a handler that counts.
type racer struct {
	messages, throttled atomic.Int64
	ended               chan End
	finished            chan struct{}
}

func (r *racer) Message([]byte, bool) { r.messages.Add(1) }
func (r *racer) Throttled()           { r.throttled.Add(1) }
func (r *racer) Ended(end End)        { r.ended <- end }
func (r *racer) Finished()            { close(r.finished) }

// race starts a connection over a pipe in a bubble.
func race(t *testing.T, opts Options) (c *Conn, r *racer, peer net.Conn) {
	t.Helper()
	server, peer := net.Pipe()
	e := NewEngine(EngineConfig{Threads: 1, Plain: true})
	opts.Engine, opts.MaxPayload, opts.CloseTimeout = e, 1<<20, time.Second
	c = NewConn(server, 0, &opts)
	r = &racer{ended: make(chan End, 1), finished: make(chan struct{})}
	c.Start(nil, r)
	t.Cleanup(func() {
		c.Abort(CauseAborted)
		_ = peer.Close()
		<-r.finished
		e.Close()
	})
	go func() { // discards close frames and pongs
		b := make([]byte, 1024)
		for {
			if _, err := peer.Read(b); err != nil {
				return
			}
		}
	}()
	return c, r, peer
}

// A peer may send the burst immediately. After that it is read at the rate, whatever kind of
// frames it sends.
func TestSpeed(t *testing.T) {
	for name, tt := range map[string]struct {
		frame []byte
		opts  Options
	}{
		"messages":  {masked(ws.OpText, true, "x"), Options{Frames: limit.Per(10, time.Second, 20)}},
		"pings":     {masked(ws.OpPing, true, "x"), Options{Frames: limit.Per(10, time.Second, 20)}},
		"fragments": {append(masked(ws.OpText, false, "x"), masked(ws.OpContinuation, true, "x")...), Options{Frames: limit.Per(20, time.Second, 40)}},
		"bytes":     {masked(ws.OpText, true, "1234"), Options{Bytes: limit.Per(100, time.Second, 200)}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tt.opts.ThrottleTimeout, tt.opts.BackpressureLimit = time.Hour, 1<<20
				_, r, peer := race(t, tt.opts)
				var sent atomic.Int64
				done := make(chan struct{})
				go func() {
					defer close(done)
					for range 100 {
						if _, err := peer.Write(tt.frame); err != nil {
							return
						}
						sent.Add(1)
					}
				}()
				synctest.Wait()
				if n := sent.Load(); n < 20 || n > 22 { // one more is read, and one waits
					t.Errorf("%d sent immediately, want about 20", n)
				}
				if n := r.throttled.Load(); n != 1 {
					t.Errorf("throttled %d times", n)
				}
				time.Sleep(5 * time.Second)
				synctest.Wait()
				if n := sent.Load(); n < 70 || n > 72 {
					t.Errorf("%d sent after 5 s, want about 70", n)
				}
				<-done
				if r.throttled.Load() != 1 {
					t.Errorf("throttled %d times", r.throttled.Load())
				}
			})
		})
	}
}

// A peer that keeps sending faster than it is read is closed with 4007.
func TestTooFastForTooLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, r, peer := race(t, Options{Frames: limit.Per(100, time.Second, 10), ThrottleTimeout: 10 * time.Second, BackpressureLimit: 1 << 20})
		var flood []byte
		for range 10_000 {
			flood = append(flood, masked(ws.OpText, true, "x")...)
		}
		go func() { _, _ = peer.Write(flood) }()
		time.Sleep(9 * time.Second)
		synctest.Wait()
		select {
		case end := <-r.ended:
			t.Fatalf("closed too early: %+v", end)
		default:
		}
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if end := <-r.ended; end.Cause != CauseRate || end.Code != closeTooMany {
			t.Errorf("ended with %+v", end)
		}
		if n := r.messages.Load(); n > 1500 {
			t.Errorf("%d messages were handled", n)
		}
	})
}

// A peer that sends as fast as it may is not closed, however long it does that.
func TestAsFastAsAllowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, r, peer := race(t, Options{Frames: limit.Per(100, time.Second, 10), ThrottleTimeout: time.Second, BackpressureLimit: 1 << 20})
		frame := masked(ws.OpText, true, "x")
		for range 50 { // more than the burst
			_, _ = peer.Write(frame)
		}
		for range 6000 {
			if _, err := peer.Write(frame); err != nil {
				t.Fatal(err)
			}
			time.Sleep(10 * time.Millisecond)
		}
		if n := r.messages.Load(); n < 6040 {
			t.Errorf("%d messages arrived", n)
		}
	})
}

// Pauses for different reasons are independent.
func TestTwoPauses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, r, peer := race(t, Options{Frames: limit.Per(1, time.Second, 1), ThrottleTimeout: time.Hour, BackpressureLimit: 1 << 20})
		c.Pause()
		go func() {
			for range 6 {
				_, _ = peer.Write(masked(ws.OpText, true, "x"))
			}
		}()
		time.Sleep(time.Minute)
		c.Resume()
		synctest.Wait()
		c.Resume() // has no effect on the pause that the speed causes
		synctest.Wait()
		if n := r.messages.Load(); n > 3 { // one before the pause, and two after it
			t.Errorf("%d messages within no time", n)
		}
		time.Sleep(10 * time.Second)
		if n := r.messages.Load(); n != 6 {
			t.Errorf("%d messages", n)
		}
	})
}

// Over real sockets of all kinds, a flood is read slowly and then closed, and a peer within its
// limits loses nothing.
func TestSpeedOnAllTransports(t *testing.T) {
	onAll(t, func(t *testing.T, tr transport) {
		opts := defaults()
		opts.Frames, opts.ThrottleTimeout = limit.Per(1000, time.Second, 100), 200*time.Millisecond
		p := serve(t, tr, opts)
		go func() {
			for range p.incoming { //nolint:revive // until the test ends
			}
		}()
		t.Cleanup(func() { close(p.incoming) })
		var flood []byte
		for range 1000 {
			flood = append(flood, masked(ws.OpText, true, "x")...)
		}
		go func() {
			for {
				if _, err := p.peer.Write(flood); err != nil {
					return
				}
			}
		}()
		go func() {
			b := make([]byte, 1024)
			for {
				if _, err := p.peer.Read(b); err != nil {
					return
				}
			}
		}()
		if end := wait(t, p.served); end.Cause != CauseRate {
			t.Errorf("a flood ended with %+v", end)
		}
	})
}

// Compressed messages count with their decompressed size.
func TestDecompressedBytesCount(t *testing.T) {
	p := parser{max: 1 << 20, deflate: true}
	text := strings.Repeat("x", 100_000)
	err := p.feed(maskedPacked(ws.OpText, true, squeeze(text)), func(_ ws.OpCode, b []byte) error {
		if string(b) != text {
			t.Errorf("got %d bytes", len(b))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if frames, grown := p.take(); frames != 1 || grown != len(text) {
		t.Errorf("counted %d frames and %d bytes", frames, grown)
	}
	if frames, grown := p.take(); frames != 0 || grown != 0 {
		t.Errorf("counted again: %d and %d", frames, grown)
	}
}
