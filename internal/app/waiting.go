package app

import (
	"container/list"
	"crypto/tls"
	"log/slog"
	"sync"
	"time"

	"github.com/ignis-go/ignis/internal/loglimit"
)

// waitGrace is how long a connection may wait for the header of a request before it can be
// closed to make room for another one. Most peers send the header with the last packet of the
// handshake.
const waitGrace = 500 * time.Millisecond

const (
	// maxCutOff is the maximum number of connections that one new connection can cause to be
	// closed. It is more than one, so that their number decreases when there are too many.
	maxCutOff = 4
	// maxLookedAt is the maximum number of old connections that a new one compares itself to.
	maxLookedAt = 16
)

// waitingRoom holds the connections without a complete request header: new ones, and those
// between two requests. With a time limit alone, one peer could hold tens of thousands of
// connections. So when there are too many, those that have waited longest are closed. New
// connections are never refused: after a restart of the server, thousands of honest peers
// connect together and only wait for the processor.
type waitingRoom struct {
	max int
	log *loglimit.Limiter

	mu     sync.Mutex
	conns  list.List // of *gatedConn, the oldest first
	slow   uint64
	cutOff uint64
}

// enter adds a connection, and closes old ones if there are too many.
func (w *waitingRoom) enter(c *gatedConn) {
	w.mu.Lock()
	c.since = time.Now()
	c.waiting = w.conns.PushBack(c)
	var old []*gatedConn
	e := w.conns.Front()
	for i := 0; i < maxLookedAt && w.conns.Len() > w.max && len(old) < maxCutOff; i++ {
		c, next := e.Value.(*gatedConn), e.Next()
		if time.Since(c.since) < waitGrace {
			break
		}
		if c.reading.Load() {
			w.leaveLocked(c)
			w.cutOff++
			old = append(old, c)
		}
		e = next
	}
	w.mu.Unlock()
	for _, c := range old {
		w.log.Log(slog.LevelWarn, "connection closed before its request was complete: too many others are waiting", "remote", c.RemoteAddr().String())
		c.abort()
	}
}

// leave removes a connection, if it is there.
func (w *waitingRoom) leave(c *gatedConn) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.leaveLocked(c)
}

func (w *waitingRoom) leaveLocked(c *gatedConn) {
	if c.waiting != nil {
		w.conns.Remove(c.waiting)
		c.waiting = nil
	}
}

// late counts and logs a connection whose header did not arrive in time, and removes it.
func (w *waitingRoom) late(c *gatedConn) {
	w.mu.Lock()
	waits := c.waiting != nil
	if waits {
		w.leaveLocked(c)
		w.slow++
	}
	w.mu.Unlock()
	if waits {
		w.log.Log(slog.LevelInfo, "connection closed: its request was not complete in time", "remote", c.RemoteAddr().String())
	}
}

// counts returns the number of waiting connections, and of those closed since the start.
func (w *waitingRoom) counts() (now int, slow, cutOff uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.conns.Len(), w.slow, w.cutOff
}

// abort closes the connection without the closing messages of TLS, which could block.
func (c *gatedConn) abort() {
	if t, ok := c.Conn.(*tls.Conn); ok {
		_ = t.NetConn().Close()
		return
	}
	_ = c.Conn.Close()
}
