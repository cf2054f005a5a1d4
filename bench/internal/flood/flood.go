package flood

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// patience is the maximum time for opening a connection.
const patience = 5 * time.Second

// Flood is a group of strangers of one kind.
type Flood struct {
	addr  string
	kind  Kind
	act   act
	token string

	began     time.Time // time when the strangers started, from which all bursts are scheduled
	running   sync.WaitGroup
	strangers []*stranger

	over                                     atomic.Bool // new connections are closed immediately
	written, opened, closed, refused, failed atomic.Int64
	bursts                                   atomic.Int64 // made by act.fresh
}

// Report is the result of a flood.
type Report struct {
	Wall      time.Duration
	Offered   float64 // frames that a server would have received if it had read everything
	Delivered float64 // frames that the server read; if none were sent, requests that it answered
	Bytes     float64 // size of Delivered in bytes
	Waiting   float64 // bytes that the server had not read at the end
	Opened    int64   // connections opened
	Closed    int64   // connections closed by the server
	Refused   int64   // handshakes refused by the server
	Failed    int64   // connections not opened for other reasons
}

// New returns a flood of n strangers of the named kind. They are not connected yet. If
// the server requires tokens, secret is the key with which strangers that authenticate
// sign theirs.
func New(addr, secret, name string, n int) (*Flood, error) {
	k, err := kind(name)
	if err != nil {
		return nil, err
	}
	headers := ""
	if k.headers != nil {
		headers = k.headers()
	}
	f := &Flood{addr: addr, kind: k, act: k.act(), token: "stranger"}
	if secret != "" {
		f.token = Token(secret, "mallory")
	}
	if f.act.genuine {
		f.act.burst = authentication(f.token)
	}
	f.strangers = make([]*stranger, n)
	shared := handshake(addr, headers)
	for i := range f.strangers {
		s := &stranger{flood: f, request: shared}
		if k.Attack != nil {
			s.request = handshake(addr, headers+forwardedFor(k.address(i)))
		}
		f.strangers[i] = s
	}
	return f, nil
}

// address returns the address of the i-th stranger.
func (k Kind) address(i int) string {
	if !k.scattered {
		i = 0
	}
	return fmt.Sprintf("198.18.%d.%d", i/250, 1+i%250)
}

// Connect opens a connection for each stranger that keeps one open.
func (f *Flood) Connect() error {
	if f.act.once || f.act.late {
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

// End closes all connections, waits until the strangers have finished, and returns a
// report. The context of Start must be done.
func (f *Flood) End() (Report, error) {
	wall := time.Since(f.began)
	f.over.Store(true)
	for _, s := range f.strangers {
		s.stopWriting()
	}
	queued, err := queued(f.addr) // while the connections are still open
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
		r.Bytes = r.Delivered * float64(len(f.strangers[0].request))
		return r, err
	}
	r.Bytes = max(0, float64(f.written.Load()-queued))
	r.Delivered = r.Bytes / float64(len(f.act.burst)) * float64(f.act.unit)
	return r, err
}

// stranger is one member of a flood.
type stranger struct {
	flood   *Flood
	request []byte // for the handshake

	writing sync.Mutex // held while a burst is written and counted

	mu     sync.Mutex
	conn   net.Conn      // the last connection, nil before the first
	ended  chan struct{} // closed when conn has ended
	opened time.Time     // time of the last attempt to connect
}

// run keeps sending until ctx is done, reconnecting if necessary.
func (s *stranger) run(ctx context.Context) {
	f := s.flood
	for next := f.began; sleepUntil(ctx, next); next = f.due() {
		if f.act.once || s.conn == nil || s.isOver() {
			if since := time.Since(s.opened); !s.opened.IsZero() && !f.act.once && since < cmp.Or(f.act.again, defaultAgain) {
				continue
			}
			if !s.reconnect() {
				continue
			}
		}
		s.write(f.nextBurst())
		if f.act.once {
			s.await(ctx)
			s.hangUp()
		}
	}
}

// write sends a burst and counts the bytes that the connection took. It ignores errors,
// because the goroutine that reads detects them as well.
func (s *stranger) write(burst []byte) {
	s.writing.Lock()
	defer s.writing.Unlock()
	n, _ := s.conn.Write(burst)
	s.flood.written.Add(int64(n))
}

// stopWriting ends a write in progress and returns when its bytes have been counted.
// Otherwise bytes of that write would be in a queue without having been counted.
func (s *stranger) stopWriting() {
	s.mu.Lock()
	if s.conn != nil {
		_ = s.conn.SetWriteDeadline(time.Now())
	}
	s.mu.Unlock()
	s.writing.Lock()
	defer s.writing.Unlock()
}

func (f *Flood) nextBurst() []byte {
	if f.act.fresh == nil {
		return f.act.burst
	}
	return f.act.fresh(f.bursts.Add(1))
}

// due returns the time of the next burst. It skips bursts whose time has passed.
func (f *Flood) due() time.Time {
	turns := time.Since(f.began)/f.act.every + 1
	return f.began.Add(turns * f.act.every)
}

// await waits until the server has closed the connection or the next connection is
// almost due.
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

// reconnect opens a new connection, and counts and reports failure.
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
	conn, r, err := s.dial()
	if err != nil {
		return err
	}
	s.flood.opened.Add(1)
	if s.flood.kind.member {
		err = enter(conn, r, s.flood.token)
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

// dial opens a connection and, unless act.raw is set, performs the handshake.
func (s *stranger) dial() (net.Conn, *bufio.Reader, error) {
	if !s.flood.act.raw {
		return dial(s.flood.addr, s.request, false, patience)
	}
	conn, err := connect(s.flood.addr, false, patience)
	return conn, bufio.NewReader(conn), err
}

// read reads until the connection ends or, if act.once is set, until the server sends a
// close frame.
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

// enter authenticates.
func enter(conn net.Conn, r *bufio.Reader, token string) error {
	_ = conn.SetDeadline(time.Now().Add(patience))
	if _, err := conn.Write(authentication(token)); err != nil {
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

// hangUp closes the connection if there is one.
func (s *stranger) hangUp() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conn != nil {
		_ = s.conn.Close()
	}
}

// sleepUntil waits until the given time or until ctx is done, and reports whether ctx is
// not done.
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
