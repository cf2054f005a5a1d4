package flood

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// patience is how long opening a connection may take.
const patience = 5 * time.Second

// Flood is a group of strangers of one kind.
type Flood struct {
	addr    string
	kind    Kind
	act     act
	request []byte

	began     time.Time // when the strangers started; all of them use this clock
	running   sync.WaitGroup
	strangers []*stranger

	over                                     atomic.Bool // no new connection is kept
	written, opened, closed, refused, failed atomic.Int64
}

// Report says what a flood has done.
type Report struct {
	Wall      time.Duration
	Offered   float64 // frames that a server accepting everything would have got
	Delivered float64 // frames that the server read or, without frames, requests that it answered
	Bytes     float64 // bytes of Delivered
	Waiting   float64 // bytes written that the server had not read at the end
	Opened    int64   // connections
	Closed    int64   // closed by the server
	Refused   int64   // refused before they became WebSocket connections
	Failed    int64   // not opened for another reason
}

// New returns n strangers of a kind. They are not connected yet.
func New(addr, name string, n int) (*Flood, error) {
	k, err := kind(name)
	if err != nil {
		return nil, err
	}
	headers := ""
	if k.headers != nil {
		headers = k.headers()
	}
	f := &Flood{addr: addr, kind: k, act: k.act(), request: handshake(addr, headers)}
	f.strangers = make([]*stranger, n)
	for i := range f.strangers {
		f.strangers[i] = &stranger{flood: f}
	}
	return f, nil
}

// Connect opens a connection for each stranger that keeps one open.
func (f *Flood) Connect() error {
	if f.act.once {
		return nil
	}
	for _, s := range f.strangers {
		if err := s.connect(); err != nil {
			return fmt.Errorf("connecting the strangers: %w", err)
		}
	}
	return nil
}

// Start runs the strangers until ctx is done.
func (f *Flood) Start(ctx context.Context) {
	f.began = time.Now()
	for _, s := range f.strangers {
		f.running.Go(func() { s.run(ctx) })
	}
}

// End waits, after ctx is done, until all strangers have finished, and returns a
// report.
func (f *Flood) End() (Report, error) {
	wall := time.Since(f.began)
	queued, err := queued(f.addr) // must be called while the connections are open
	f.over.Store(true)
	for _, s := range f.strangers {
		s.hangUp()
	}
	f.running.Wait()
	turns := 1 + int(wall/f.act.every)
	r := Report{
		Wall: wall, Waiting: float64(queued), Offered: float64(turns * f.act.unit * len(f.strangers)),
		Opened: f.opened.Load(), Closed: f.closed.Load(), Refused: f.refused.Load(), Failed: f.failed.Load(),
	}
	if f.act.burst == nil {
		r.Delivered = float64(r.Opened + r.Refused)
		r.Bytes = r.Delivered * float64(len(f.request))
		return r, err
	}
	r.Bytes = max(0, float64(f.written.Load()-queued))
	r.Delivered = r.Bytes / float64(len(f.act.burst)) * float64(f.act.unit)
	return r, err
}

// stranger is one member of a flood.
type stranger struct {
	flood *Flood

	mu     sync.Mutex
	conn   *net.TCPConn  // nil if there is none
	ended  chan struct{} // closed when conn has ended
	opened time.Time
}

// run keeps sending until ctx is done, reconnecting if necessary.
func (s *stranger) run(ctx context.Context) {
	f := s.flood
	for next := f.began; sleepUntil(ctx, next); next = f.due() {
		if f.act.once || s.conn == nil || s.isOver() {
			if since := time.Since(s.opened); !s.opened.IsZero() && !f.act.once && since < again {
				continue
			}
			if !s.reconnect() {
				continue
			}
		}
		n, _ := s.conn.Write(f.act.burst) // the reader notices the end too
		f.written.Add(int64(n))
		if f.act.once {
			s.await(ctx)
			s.hangUp()
		}
	}
}

// due returns the time of the next burst. Missed bursts are not made up for.
func (f *Flood) due() time.Time {
	turns := time.Since(f.began)/f.act.every + 1
	return f.began.Add(turns * f.act.every)
}

// await waits until the server has closed the connection, but at most until just
// before the next connection is due.
func (s *stranger) await(ctx context.Context) {
	if s.flood.act.burst == nil {
		return // the answer has already arrived
	}
	t := time.NewTimer(time.Until(s.flood.due()) - time.Millisecond)
	defer t.Stop()
	select {
	case <-s.ended:
	case <-t.C:
	case <-ctx.Done():
	}
}

// reconnect opens a new connection and counts failures.
func (s *stranger) reconnect() bool {
	s.hangUp()
	err := s.connect()
	switch {
	case err == nil:
		return true
	case errors.Is(err, errRefused):
		s.flood.refused.Add(1)
	default:
		s.flood.failed.Add(1)
	}
	return false
}

// connect opens a connection and starts a goroutine that reads from it.
func (s *stranger) connect() error {
	s.opened = time.Now()
	conn, r, err := dial(s.flood.addr, s.flood.request, patience)
	if err != nil {
		return err
	}
	s.flood.opened.Add(1)
	if s.flood.kind.member {
		err = enter(conn, r)
	}
	if err == nil && len(s.flood.act.first) > 0 {
		_, err = conn.Write(s.flood.act.first)
	}
	if err != nil {
		_ = conn.Close()
		return err
	}
	ended := make(chan struct{})
	s.mu.Lock()
	s.conn, s.ended = conn, ended
	s.mu.Unlock()
	if s.flood.over.Load() {
		s.hangUp()
	}
	s.flood.running.Go(func() {
		defer close(ended)
		if err := s.read(r); !errors.Is(err, net.ErrClosed) {
			s.flood.closed.Add(1)
		}
	})
	return nil
}

// read reads until the connection ends. A stranger that connects once stops at the
// server's answer; others continue until the server acts.
func (s *stranger) read(r *bufio.Reader) error {
	if !s.flood.act.once {
		_, err := r.WriteTo(io.Discard)
		return err
	}
	for buf := []byte(nil); ; {
		op, payload, err := readFrame(r, buf)
		if err != nil || op == opClose {
			return err
		}
		buf = payload
	}
}

// enter authenticates in development mode.
func enter(conn *net.TCPConn, r *bufio.Reader) error {
	_ = conn.SetDeadline(time.Now().Add(patience))
	if _, err := conn.Write(authentication("stranger")); err != nil {
		return err
	}
	for buf := []byte(nil); ; {
		_, payload, err := readFrame(r, buf)
		if err != nil {
			return err
		}
		if bytes.Contains(payload, []byte(`"connected"`)) {
			return conn.SetDeadline(time.Time{})
		}
		buf = payload
	}
}

func (s *stranger) isOver() bool {
	select {
	case <-s.ended:
		return true
	default:
		return false
	}
}

// hangUp closes the connection, if there is one.
func (s *stranger) hangUp() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conn != nil {
		_ = s.conn.Close()
	}
}

// sleepUntil reports whether the time was reached before ctx was done.
func sleepUntil(ctx context.Context, at time.Time) bool {
	d := time.Until(at)
	if d <= 0 {
		return ctx.Err() == nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}
