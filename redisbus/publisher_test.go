package redisbus_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/ignis-go/ignis/internal/logtest"
	"github.com/ignis-go/ignis/internal/redistest"
	"github.com/ignis-go/ignis/redisbus"
	"github.com/ignis-go/ignis/wire"
)

func dial(t *testing.T, c redisbus.Config) *redisbus.Publisher {
	t.Helper()
	c.Logger = slog.New(slog.DiscardHandler)
	p, err := redisbus.Dial(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	return p
}

func numbered(from, n int) []wire.Publication {
	items := make([]wire.Publication, n)
	for i := range items {
		items[i] = wire.Publication{Channel: "ws:room:r", Envelope: fmt.Append(nil, from+i)}
	}
	return items
}

func TestPublisherBatches(t *testing.T) {
	t.Parallel()
	r := redistest.Start(t)
	n, p := run(t, impatient(r.URL()), nil), dial(t, impatient(r.URL()))
	if errs := p.Publish(t.Context(), numbered(0, 3000)...); errs != nil {
		t.Fatal(errors.Join(errs...))
	}
	big := make([]byte, 5<<20) // larger than a batch
	if errs := p.Publish(t.Context(), wire.Publication{Channel: "ws:room:r", Envelope: big}, wire.Publication{Channel: "ws:room:r", Envelope: []byte("after")}); errs != nil {
		t.Fatal(errors.Join(errs...))
	}
	for i := range 3000 {
		if text := n.next(); text != fmt.Sprint(i) {
			t.Fatalf("received %q, want %d", text, i)
		}
	}
	if text := n.next(); len(text) != len(big) {
		t.Errorf("received %d bytes", len(text))
	}
	if text := n.next(); text != "after" {
		t.Errorf("received %q", text)
	}
}

// When a connection fails, every item has a result, and nothing is sent twice.
func TestPublisherReportsUnconfirmedItems(t *testing.T) {
	t.Parallel()
	r := redistest.Start(t)
	// The listener tolerates the pause. If it reconnected after this test has seen it
	// healthy, it would miss messages.
	patient := impatient(r.URL())
	patient.ProbeTimeout = deadline
	n, p := run(t, patient, nil), dial(t, impatient(r.URL()))
	r.Pause()
	errs := p.Publish(t.Context(), numbered(0, 1000)...)
	if len(errs) != 1000 {
		t.Fatalf("%d results for 1000 items", len(errs))
	}
	for i, err := range errs {
		if !errors.Is(err, redisbus.ErrUnavailable) {
			t.Fatalf("item %d: %v", i, err)
		}
	}
	r.Resume()
	redistest.Wait(t, "Redis to be back", func() bool { return p.Publish(t.Context(), numbered(5000, 1)...) == nil })
	last := -1
	for last < 5000 {
		var i int
		if _, err := fmt.Sscan(n.next(), &i); err != nil || i <= last || (i >= 512 && i < 5000) {
			t.Fatalf("received %d after %d: sent twice, out of order, or after the failure", i, last)
		}
		last = i
	}
}

// The log and CLIENT LIST contain the publisher's configured name, and the log says when its
// connection was lost.
func TestPublisherLogsLostConnection(t *testing.T) {
	t.Parallel()
	r := redistest.Start(t)
	log := &logtest.Log{}
	c := redisbus.Config{URL: r.URL(), Name: "worker", ProbeInterval: 1, ProbeTimeout: 100 * time.Millisecond, Logger: log.Logger()}
	p, err := redisbus.Dial(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if !isOn(r, "worker") {
		t.Error("CLIENT LIST has no name=worker")
	}
	r.Pause() // it does not answer the check before the next call
	errs := p.Publish(t.Context(), numbered(0, 1)...)
	r.Resume()
	if len(errs) != 1 || !errors.Is(errs[0], redisbus.ErrUnavailable) {
		t.Errorf("Publish = %v", errs)
	}
	for _, want := range []string{`level=WARN msg="redis connection lost" name=worker redis="redis at ` + r.Addr(), "error="} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log does not contain %s:\n%s", want, log)
		}
	}
}

// However often the connection is checked, the client has only one reader from the start.
// With two, the race detector reports a race, or the client panics.
func TestChecksWithoutPause(t *testing.T) {
	r := redistest.Start(t)
	c := impatient(r.URL())
	c.ProbeInterval = 1
	for range 20 {
		p := dial(t, c)
		if errs := p.Publish(t.Context(), numbered(0, 3)...); errs != nil {
			t.Fatal(errors.Join(errs...))
		}
		_ = p.Close()
	}
}

// A call whose context is done does not close the connection that other calls use, and does
// not wait for calls that check it.
func TestPublisherContext(t *testing.T) {
	r := redistest.Start(t)
	var dials atomic.Int32
	c := impatient("")
	c.ProbeTimeout = deadline
	c.Option = &rueidis.ClientOption{
		InitAddress: []string{r.Addr()}, ForceSingleClient: true,
		DialCtxFn: func(ctx context.Context, addr string, d *net.Dialer, _ *tls.Config) (net.Conn, error) {
			dials.Add(1)
			return d.DialContext(ctx, "tcp", addr)
		},
	}
	c.ProbeInterval = time.Hour
	p := dial(t, c)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if errs := p.Publish(ended, numbered(0, 1)...); len(errs) != 1 || !errors.Is(errs[0], context.Canceled) {
		t.Errorf("with an ended context: %v", errs)
	}
	if errs := p.Publish(t.Context(), numbered(0, 1)...); errs != nil || dials.Load() != 1 {
		t.Errorf("afterwards: %v, over connection %d", errs, dials.Load())
	}
	c.ProbeInterval = 1
	p = dial(t, c)
	r.Pause()
	first := make(chan []error, 1)
	go func() { first <- p.Publish(t.Context(), numbered(0, 1)...) }()
	short, stop := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer stop()
	if errs := p.Publish(short, numbered(0, 1)...); len(errs) != 1 || !errors.Is(errs[0], context.DeadlineExceeded) {
		t.Errorf("during a slow check: %v", errs)
	}
	r.Resume()
	if errs := <-first; errs != nil {
		t.Errorf("the call that checked: %v", errs)
	}
}

func TestPublisherFollowsMaster(t *testing.T) {
	t.Parallel()
	c := redistest.StartSentinel(t, 1)
	p := dial(t, impatient(c.URL()))
	c.Master.Kill()
	redistest.Wait(t, "the replica to take over", func() bool { return p.Publish(t.Context(), numbered(0, 1)...) == nil })
	n := run(t, impatient(c.Replica.URL()), nil)
	if errs := p.Publish(t.Context(), numbered(1, 1)...); errs != nil {
		t.Fatal(errs)
	}
	if text := n.next(); text != "1" {
		t.Errorf("received %q", text)
	}
}

func TestPublisherLeavesDemotedMaster(t *testing.T) {
	t.Parallel()
	c := redistest.StartSentinel(t, 1)
	p := dial(t, impatient(c.URL()))
	c.Failover()
	n := run(t, impatient(c.Replica.URL()), nil) // receives what the new master accepts
	heard := func() bool {
		// The listener does not receive what the old master accepts, so repeat this until
		// the publisher has moved.
		_ = p.Publish(t.Context(), numbered(0, 1)...)
		return len(n.got) > 0
	}
	redistest.Wait(t, "the publisher to move", heard)
}

// A publisher notices a demotion that closes no connection. The old master would accept
// everything.
func TestPublisherNoticesDemotion(t *testing.T) {
	t.Parallel()
	c := redistest.StartSentinel(t, 1)
	p := dial(t, impatient(c.URL()))
	c.Sentinels[0].Pause() // it cannot report the demotion
	c.Master.Do("replicaof", "127.0.0.1", "1")
	redistest.Wait(t, "the publisher to refuse the replica", func() bool {
		errs := p.Publish(t.Context(), numbered(0, 1)...)
		return errs != nil && errors.Is(errs[0], redisbus.ErrUnavailable)
	})
}

// cutConn is a connection that breaks after a number of bytes.
type cutConn struct {
	net.Conn
	left int
}

func (c *cutConn) Write(p []byte) (int, error) {
	if c.left -= len(p); c.left < 0 {
		_ = c.Close()
		return 0, net.ErrClosed
	}
	return c.Conn.Write(p)
}

// After a failure, the remaining items of the same call are not sent, because they would
// arrive without their predecessors.
func TestPublisherStopsAtFailure(t *testing.T) {
	t.Parallel()
	r := redistest.Start(t)
	n := run(t, impatient(r.URL()), nil)
	var dials atomic.Int32
	c := impatient("")
	c.Option = &rueidis.ClientOption{
		InitAddress: []string{r.Addr()}, ForceSingleClient: true,
		DialCtxFn: func(ctx context.Context, addr string, d *net.Dialer, _ *tls.Config) (net.Conn, error) {
			conn, err := d.DialContext(ctx, "tcp", addr)
			if dials.Add(1) == 1 && err == nil {
				conn = &cutConn{conn, 100_000}
			}
			return conn, err
		},
	}
	p := dial(t, c)
	items := numbered(0, 5000) // about 45 bytes each
	errs := p.Publish(t.Context(), items...)
	if len(errs) != len(items) || errs[0] != nil || errs[len(errs)-1] == nil {
		t.Fatalf("%d results; the first is %v, the last %v", len(errs), errs[0], errs[len(errs)-1])
	}
	taken := 0
	for taken < len(errs) && errs[taken] == nil {
		taken++
	}
	for i, err := range errs[taken:] {
		if err == nil {
			t.Fatalf("item %d was accepted after item %d had failed", taken+i, taken)
		}
	}
	if errs := p.Publish(t.Context(), numbered(9999, 1)...); errs != nil {
		t.Fatalf("the next call: %v", errs)
	}
	for i := 0; ; i++ {
		text := n.next()
		if text == "9999" {
			if i < taken || i > taken+512 {
				t.Errorf("received %d items, of which %d were confirmed", i, taken)
			}
			return
		}
		if text != fmt.Sprint(i) {
			t.Fatalf("received %q, want %d", text, i)
		}
	}
}

func TestPublisherClose(t *testing.T) {
	t.Parallel()
	r := redistest.Start(t)
	p := dial(t, redisbus.Config{URL: r.URL(), ProbeTimeout: deadline})
	r.Kill()
	r.Restart()
	r.Pause()
	result := make(chan []error, 1)
	go func() { result <- p.Publish(t.Context(), numbered(0, 1)...) }() // reconnects without getting an answer
	if err := p.Close(); err != nil {
		t.Errorf("Close = %v", err)
	}
	select {
	case errs := <-result:
		if len(errs) != 1 || !errors.Is(errs[0], redisbus.ErrClosed) {
			t.Errorf("Publish = %v, want ErrClosed", errs)
		}
	case <-time.After(deadline):
		t.Error("Publish does not return after Close")
	}
	if errs := p.Publish(context.WithoutCancel(t.Context()), numbered(0, 1)...); len(errs) != 1 || !errors.Is(errs[0], redisbus.ErrClosed) {
		t.Errorf("Publish after Close = %v, want ErrClosed", errs)
	}
}

// After an error reply that makes the node unusable, the next call reconnects. The caller gets
// the reply.
func TestPublisherReconnectsAfterErrorReply(t *testing.T) {
	t.Parallel()
	f := redistest.Pretend(t)
	p := dial(t, redisbus.Config{URL: f.URL(), ProbeInterval: time.Hour})
	for reply, leaves := range map[string]bool{"READONLY no": true, "NOPERM no": false, "ERR unknown command": true} {
		before := f.Accepted()
		f.Answer("PUBLISH", "-"+reply+"\r\n")
		errs := p.Publish(t.Context(), numbered(0, 2)...)
		if len(errs) != 2 || errs[1] == nil {
			t.Fatalf("%s: %v", reply, errs)
		}
		if _, ok := rueidis.IsRedisErr(errs[1]); !ok {
			t.Errorf("%s: the error is %v", reply, errs[1])
		}
		f.Answer("PUBLISH", "")
		if errs := p.Publish(t.Context(), numbered(0, 1)...); errs != nil {
			t.Errorf("%s: afterwards %v", reply, errs)
		}
		if left := f.Accepted() > before; left != leaves {
			t.Errorf("%s: reconnected is %v", reply, left)
		}
	}
}
