package ws

import (
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// Where nobody can tell what the peer has confirmed, it makes progress with each chunk
// that is written.
func TestStuckInTheMiddleOfAMessage(t *testing.T) {
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
		stuck(0) // nothing waits
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
