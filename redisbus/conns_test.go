package redisbus

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/redis/rueidis"
)

// pipes returns client options that connect through pipes, and appends the other ends to
// peers.
func pipes(peers *[]net.Conn) *rueidis.ClientOption {
	return &rueidis.ClientOption{DialCtxFn: func(context.Context, string, *net.Dialer, *tls.Config) (net.Conn, error) {
		ours, theirs := net.Pipe()
		*peers = append(*peers, theirs)
		return ours, nil
	}}
}

// A link ends with the first of its connections, but not with a read timeout. Once the link
// is complete, no further connection is opened.
func TestConns(t *testing.T) {
	var peers []net.Conn
	o, c := pipes(&peers), newConns()
	dial := func() (net.Conn, error) { return c.dial(t.Context(), o, "", nil, nil, 0) }
	one, err := dial()
	two, err2 := dial()
	if err != nil || err2 != nil {
		t.Fatal(err, err2)
	}
	c.seal()
	if _, err := dial(); !errors.Is(err, errSealed) {
		t.Errorf("a connection after seal: %v", err)
	}
	gone := func() bool { return isClosed(c.gone) }
	_ = one.SetReadDeadline(time.Now())
	if _, err := one.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) || gone() {
		t.Errorf("after a read timeout: %v, link ended: %v", err, gone())
	}
	const ping = "*1\r\n$4\r\nPING\r\n"
	go func() {
		_, _ = io.ReadFull(peers[1], make([]byte, len(ping)))
		_, _ = peers[1].Write([]byte("+PONG\r\n"))
	}()
	if _, err := two.Write([]byte(ping)); err != nil {
		t.Fatal(err)
	}
	if n, err := two.Read(make([]byte, 7)); n != 7 || err != nil || gone() {
		t.Errorf("read %d, %v, link ended: %v", n, err, gone())
	}
	_ = peers[1].Close()
	if _, err := two.Read(make([]byte, 1)); !errors.Is(err, io.EOF) || !gone() || !errors.Is(c.err(), io.EOF) {
		t.Errorf("read %v, link ended with %v", err, c.err())
	}
	lost := errors.New("lost")
	c.cut(lost)
	if _, err := peers[0].Write([]byte("x")); err == nil {
		t.Error("a connection stays open after cut")
	}
	if _, err := dial(); !errors.Is(err, lost) || !errors.Is(c.err(), io.EOF) {
		t.Errorf("after cut: %v, %v", err, c.err())
	}
}

func TestLinkEnds(t *testing.T) {
	l := &link{conns: newConns()}
	if l.ended() {
		t.Error("the link has ended before its connections")
	}
	l.conns.ended(io.EOF)
	if !l.ended() {
		t.Error("the link has not ended with its connection")
	}
}

// A connection established after the link was cut is closed.
func TestConnsCutWhileDialing(t *testing.T) {
	c, lost := newConns(), errors.New("lost")
	ours, theirs := net.Pipe()
	o := &rueidis.ClientOption{DialCtxFn: func(context.Context, string, *net.Dialer, *tls.Config) (net.Conn, error) {
		c.cut(lost)
		return ours, nil
	}}
	if conn, err := c.dial(t.Context(), o, "", nil, nil, 0); conn != nil || !errors.Is(err, lost) {
		t.Errorf("%v, %v", conn, err)
	}
	if _, err := theirs.Write([]byte("x")); err == nil {
		t.Error("the connection is still open")
	}
}

func TestConnsFromAnyGoroutine(t *testing.T) {
	for range 50 {
		c := newConns()
		o := &rueidis.ClientOption{DialCtxFn: func(context.Context, string, *net.Dialer, *tls.Config) (net.Conn, error) {
			ours, theirs := net.Pipe()
			return ours, theirs.Close()
		}}
		var all sync.WaitGroup
		for _, call := range []func(){
			func() {
				if conn, err := c.dial(t.Context(), o, "", nil, nil, 0); err == nil {
					_, _ = conn.Read(make([]byte, 1))
					_ = conn.Close()
				}
			},
			c.seal,
			func() { c.cut(io.EOF) },
			func() { c.ended(io.EOF) },
			func() { _ = c.err() },
		} {
			all.Go(call)
			all.Go(call)
		}
		all.Wait()
	}
}
