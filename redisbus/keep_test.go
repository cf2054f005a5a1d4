package redisbus_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/ignis-go/ignis/internal/redistest"
	"github.com/ignis-go/ignis/redisbus"
	"github.com/ignis-go/ignis/wire"
)

// breaking returns a configuration whose connections break. Once breaks is set, the first
// connection that writes more than after bytes is closed after that many, and breaks is
// cleared.
func breaking(r *redistest.Server, after int, breaks *atomic.Bool) redisbus.Config {
	c := patient("")
	c.QueueAge = deadline
	c.Option = &rueidis.ClientOption{
		InitAddress: []string{r.Addr()}, ForceSingleClient: true,
		DialCtxFn: func(ctx context.Context, addr string, d *net.Dialer, _ *tls.Config) (net.Conn, error) {
			conn, err := d.DialContext(ctx, "tcp", addr)
			if err == nil {
				conn = &breakingConn{conn, after, breaks}
			}
			return conn, err
		},
	}
	return c
}

type breakingConn struct {
	net.Conn
	left   int
	breaks *atomic.Bool
}

func (c *breakingConn) Write(p []byte) (int, error) {
	if !c.breaks.Load() {
		return c.Conn.Write(p)
	}
	if len(p) <= c.left {
		c.left -= len(p)
		return c.Conn.Write(p)
	}
	c.breaks.Store(false)
	n, _ := c.Conn.Write(p[:c.left])
	_ = c.Close()
	return n, net.ErrClosed
}

// If a connection breaks in the middle of many envelopes, those that were not sent go over the
// next connection, in order and before newer ones. No other envelope arrives twice.
func TestUnsentEnvelopesAreKept(t *testing.T) {
	t.Parallel()
	r := redistest.Start(t)
	heard := run(t, patient(r.URL()), nil)
	var breaks atomic.Bool
	n := run(t, breaking(r, 300_000, &breaks), nil)
	const size, count = 1000, 3000
	send := func(i int) { n.publish(fmt.Sprintf("flow %*d", -size, i)) }
	r.Pause() // makes a queue build up
	for i := range count {
		send(i)
	}
	breaks.Store(true)
	r.Resume()
	redistest.Wait(t, "the connection to break and be restored", func() bool { return n.Stats().Reconnects == 1 && n.Health() == nil })
	for i := range 100 {
		send(count + i)
	}
	const accepted = count + 100
	n.balance(accepted)
	s := n.Stats()
	if s.LostConnection == 0 || s.LostConnection > 512 || s.LostExpired != 0 {
		t.Errorf("stats %+v; want the envelopes in flight to be lost", s)
	}
	if n.log.Count("they may arrive late and after newer ones") != 1 || n.log.Count("kept=") != 1 || n.log.Count("kept=0") != 0 {
		t.Errorf("log:\n%s", n.log)
	}
	least := accepted - s.LostConnection
	redistest.Wait(t, "the accepted envelopes", func() bool { return heard.Stats().Received >= least })
	n.publish(fmt.Sprint("flow ", accepted))
	last, got := -1, uint64(0)
	for last < accepted {
		var i int
		if _, err := fmt.Sscanf(heard.next(), "flow %d", &i); err != nil || i <= last {
			t.Fatalf("received %d after %d", i, last)
		}
		last = i
		got++
	}
	if got-1 < least {
		t.Errorf("received %d of %d accepted, %d lost", got-1, accepted, s.LostConnection)
	}
}

// Envelopes that wait for a frozen Redis are sent when it continues, and only those in flight
// are lost.
func TestEnvelopesForFrozenRedisAreKept(t *testing.T) {
	t.Parallel()
	r := redistest.Start(t)
	slow := patient(r.URL())
	slow.ProbeTimeout = deadline
	heard := run(t, slow, nil) // tolerates the pause
	c := impatient(r.URL())
	c.QueueAge = deadline
	n := run(t, c, nil)
	r.Pause()
	const count = 3000
	for i := range count {
		n.publish(fmt.Sprint(i))
	}
	n.down()
	r.Resume()
	n.healthy()
	n.publish("newer")
	n.balance(count + 1)
	s := n.Stats()
	if s.LostConnection == 0 || s.LostConnection > 512 || s.LostExpired != 0 {
		t.Errorf("stats %+v", s)
	}
	// Envelopes in flight come first, if they arrive.
	seen, next := make(map[string]bool), int(s.LostConnection)
	for next <= count {
		text := heard.next()
		if seen[text] {
			t.Fatalf("%s arrived twice", text)
		}
		seen[text] = true
		want := fmt.Sprint(next)
		if next == count {
			want = "newer"
		}
		var i int
		if text == want {
			next++
		} else if _, err := fmt.Sscan(text, &i); err != nil || i >= int(s.LostConnection) {
			t.Fatalf("received %q, want %s", text, want)
		}
	}
}

// An envelope that waits longer than QueueAge is dropped, counted and logged.
func TestExpiredEnvelopesAreDropped(t *testing.T) {
	t.Parallel()
	r := redistest.Start(t)
	c := impatient(r.URL())
	c.QueueAge = 1
	n := run(t, c, nil)
	r.Pause()
	const count = 3000
	for i := range count {
		n.publish(fmt.Sprint(i))
	}
	n.down()
	n.balance(count)
	if s := n.Stats(); s.LostExpired < count-512 || s.LostExpired+s.LostConnection != count {
		t.Errorf("stats %+v", s)
	}
	redistest.Wait(t, "the loss to be logged", func() bool { return n.log.Has("envelopes waited too long") })
	if n.log.Count(`msg="envelopes waited too long for redis and are dropped" name=ignis redis="redis at `+r.Addr()+`" lost=`) != 1 {
		t.Errorf("log:\n%s", n.log)
	}
	r.Resume()
	n.healthy()
	exchange(t, "resumed", n, n)
}

// A publisher reports which items were certainly not sent. If the caller sends those again,
// they arrive once.
func TestPublisherReportsUnsentItems(t *testing.T) {
	t.Parallel()
	r := redistest.Start(t)
	heard := run(t, patient(r.URL()), nil)
	var breaks atomic.Bool
	p := dial(t, breaking(r, 300_000, &breaks))
	breaks.Store(true)
	const count = 2000
	items := make([]wire.Publication, count)
	for i := range items {
		items[i] = wire.Publication{Channel: "ws:room:r", Envelope: fmt.Appendf(nil, "%-1000d", i)}
	}
	errs := p.Publish(t.Context(), items...)
	if errs == nil {
		t.Fatal("nothing failed")
	}
	var again []wire.Publication
	unknown := 0
	for i, err := range errs {
		switch {
		case errors.Is(err, wire.ErrNotSent):
			again = append(again, items[i])
		case err != nil:
			unknown++
			fallthrough
		default:
			if len(again) > 0 {
				t.Fatalf("item %d may have been sent after one that was not: %v", i, err)
			}
		}
	}
	if unknown == 0 || unknown > 512 || len(again) == 0 {
		t.Errorf("%d unknown, %d not sent", unknown, len(again))
	}
	if errs := p.Publish(t.Context(), again...); errs != nil {
		t.Fatal(errors.Join(errs...))
	}
	for last, got := -1, 0; last < count-1; got++ {
		var i int
		if _, err := fmt.Sscan(heard.next(), &i); err != nil || i <= last {
			t.Fatalf("received %d after %d", i, last)
		}
		if last = i; last == count-1 && got+1 < count-unknown {
			t.Errorf("received %d of %d, %d unknown", got+1, count, unknown)
		}
	}
	r.Kill()
	if errs := p.Publish(t.Context(), numbered(0, 1)...); errs == nil {
		t.Error("no error without a Redis")
	}
	errs = p.Publish(t.Context(), numbered(0, 1)...)
	if errs == nil || !errors.Is(errs[0], wire.ErrNotSent) || !errors.Is(errs[0], redisbus.ErrUnavailable) {
		t.Errorf("without a connection: %v", errs)
	}
	ended, cancel := context.WithTimeout(t.Context(), -time.Second)
	defer cancel()
	if errs := p.Publish(ended, numbered(0, 1)...); errs == nil || !errors.Is(errs[0], wire.ErrNotSent) || !errors.Is(errs[0], context.DeadlineExceeded) {
		t.Errorf("with an ended context: %v", errs)
	}
}
