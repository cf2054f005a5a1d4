package ws

import (
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// Where the peer's confirmations are unknown, each written chunk counts as progress.
func TestStuckWithinMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		opts := defaults()
		opts.Engine = NewEngine(EngineConfig{Threads: 1})
		server, client := net.Pipe()
		c := NewConn(server, 0, &opts)
		l := begin(c, nil, ignore)
		stuck := func(want time.Duration) {
			t.Helper()
			synctest.Wait()
			if d := c.Stuck(); d != want {
				t.Errorf("stuck for %v, want %v", d, want)
			}
		}
		stuck(0)
		time.Sleep(time.Minute)
		stuck(0) // nothing is waiting
		c.Enqueue(text(strings.Repeat("x", 3*chunk)))
		stuck(0)
		time.Sleep(10 * time.Second)
		stuck(10 * time.Second)
		if _, err := io.CopyN(io.Discard, client, chunk/2); err != nil {
			t.Fatal(err)
		}
		stuck(10 * time.Second)
		if _, err := io.CopyN(io.Discard, client, chunk/2); err != nil {
			t.Fatal(err)
		}
		stuck(0)
		time.Sleep(5 * time.Second)
		stuck(5 * time.Second)
		if _, err := io.CopyN(io.Discard, client, 2*chunk+10); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		stuck(0)
		c.Abort(CauseStuck)
		<-l.finished
		stuck(0)
		opts.Engine.Close()
		_ = client.Close()
	})
}

// Data counts as waiting from the time of the write of which the socket accepts nothing,
// even if the socket accepted a whole chunk before.
func TestStuckAfterWholeChunk(t *testing.T) {
	c := &Conn{opts: &Options{Engine: new(Engine), BackpressureLimit: 1 << 20}, held: true}
	var j joiner
	write := func(n int) {
		t.Helper()
		if !taking(c, &j) {
			t.Fatal("nothing is waiting")
		}
		b := j.bytes(c)
		c.sent(&j, b, min(n, len(b)))
	}
	waits := func(want bool) {
		t.Helper()
		if is := c.progress.Load() != 0; is != want {
			t.Errorf("data is waiting: %v, want %v", is, want)
		}
	}
	for range 3 {
		c.Enqueue(text(strings.Repeat("x", chunk)))
	}
	write(0)
	waits(true)
	since := c.progress.Load()
	write(0) // a write event although there is no room
	if c.progress.Load() != since {
		t.Error("a write of 0 bytes counts as progress")
	}
	write(2 * chunk)
	waits(false)
	write(0)
	waits(true)
	write(10)
	waits(true)
	for range 2 {
		write(2 * chunk)
	}
	waits(false)
}
