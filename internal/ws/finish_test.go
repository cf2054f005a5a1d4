package ws

import (
	"crypto/tls"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gobwas/ws"
)

// The close frame that finish waits for may have arrived already, behind the message
// during which Close was called.
func TestCloseFrameAlreadyRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		opts := defaults()
		opts.Engine = NewEngine(EngineConfig{Threads: 1})
		server, client := net.Pipe()
		go func() {
			_, _ = client.Write(append(append(masked(ws.OpText, true, "quit"), masked(ws.OpText, true, "ignored")...),
				masked(ws.OpClose, true, closeBody(1000, ""))...))
			_, _ = io.Copy(io.Discard, client)
		}()
		c := NewConn(server, 0, &opts)
		start := time.Now()
		<-begin(c, nil, func([]byte) { c.Close(4000, "as you wish") }).finished
		if time.Since(start) > 0 {
			t.Error("waited for a close frame that had already arrived")
		}
		opts.Engine.Close()
		_ = client.Close()
	})
}

// Closing takes at most CloseTimeout, whatever the peer does.
func TestFinishIsBounded(t *testing.T) {
	tests := map[string]func(peer net.Conn){
		"does nothing": func(net.Conn) {},
		"only reads":   func(peer net.Conn) { _, _ = io.Copy(io.Discard, peer) },
		"only sends": func(peer net.Conn) {
			for {
				time.Sleep(time.Millisecond) // fake time advances only while all goroutines are blocked
				if _, err := peer.Write(masked(ws.OpText, true, "x")); err != nil {
					return
				}
			}
		},
		"sends a violation": func(peer net.Conn) {
			for {
				time.Sleep(time.Millisecond)
				if _, err := peer.Write([]byte("\x00")); err != nil {
					return
				}
			}
		},
	}
	for name, behave := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				opts := defaults()
				opts.Engine = NewEngine(EngineConfig{Threads: 1})
				server, client := net.Pipe()
				c := NewConn(server, 0, &opts)
				gone := make(chan struct{})
				go func() { defer close(gone); behave(client) }()
				c.Enqueue(text("hello"))
				start := time.Now()
				c.Close(4000, "bye")
				<-begin(c, nil, ignore).finished
				if d := time.Since(start); d > opts.CloseTimeout {
					t.Errorf("took %v of %v", d, opts.CloseTimeout)
				}
				opts.Engine.Close()
				_ = client.Close()
				<-gone
			})
		})
	}
}

// A sealer that hangs does not keep the connection from closing.
func TestFinishWithHangingSeal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		opts := defaults()
		opts.Engine = NewEngine(EngineConfig{Threads: 1})
		server, client := net.Pipe()
		c := NewConn(server, 0, &opts)
		hang := make(chan struct{})
		c.Seal(sealer(func(s string) (string, error) { <-hang; return s, nil }), true)
		c.Enqueue(text("hello"))
		c.Close(1000, "")
		start := time.Now()
		<-begin(c, nil, ignore).finished
		if d := time.Since(start); d > opts.CloseTimeout {
			t.Errorf("took %v of %v", d, opts.CloseTimeout)
		}
		close(hang)
		opts.Engine.Close()
		_ = client.Close()
	})
}

// A full TLS connection is closed after at most CloseTimeout.
func TestFinishFullTLS(t *testing.T) {
	opts := defaults()
	opts.CloseTimeout = 10 * time.Millisecond
	closed := &closeRecorder{}
	p := serve(t, transport{name: "tls", pair: func(t testing.TB) (server, client net.Conn) {
		closed.Conn, client = tlsPair(t)
		closed.inner = closed.Conn.(*tls.Conn).NetConn()
		return closed, client
	}}, opts)
	for range 20 {
		p.Enqueue(text(strings.Repeat("x", 1<<20)))
	}
	p.Close(1001, "")
	wait(t, p.finished)
	if !closed.innerFirst {
		t.Error("closing waited for room for the TLS close alert")
	}
}

// closeRecorder is a TLS connection that records whether the connection below it was
// closed first.
type closeRecorder struct {
	net.Conn
	inner      net.Conn
	innerFirst bool
}

func (c *closeRecorder) NetConn() net.Conn { return c.inner }

func (c *closeRecorder) Close() error {
	c.innerFirst = c.inner.SetDeadline(time.Time{}) != nil // an error means that it is closed
	return c.Conn.Close()
}
