package redisbus_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ignis-go/ignis/internal/redistest"
	"github.com/ignis-go/ignis/redisbus"
)

// flow publishes numbers from a node until stop, and counts the accepted and refused ones.
type flow struct {
	accepted atomic.Uint64
	refused  atomic.Uint64
	end      chan struct{}
	wg       sync.WaitGroup
}

func startFlow(t *testing.T, n *node) *flow {
	f := &flow{end: make(chan struct{})}
	f.wg.Go(func() {
		tick := time.NewTicker(100 * time.Microsecond)
		defer tick.Stop()
		for i := 0; ; i++ {
			select {
			case <-f.end:
				return
			case <-tick.C:
			}
			err := n.Publish("ws:room:r", []byte(fmt.Sprintf("flow %d", i)))
			switch {
			case err == nil:
				f.accepted.Add(1)
			case errors.Is(err, redisbus.ErrUnavailable) || errors.Is(err, redisbus.ErrQueueFull):
				f.refused.Add(1)
			default:
				t.Errorf("Publish: %v", err)
				return
			}
		}
	})
	return f
}

func (f *flow) stop() {
	close(f.end)
	f.wg.Wait()
}

// heardInOrder reads the part of a flow that a node has received, checks that the numbers are
// ascending, and returns how many there are.
func heardInOrder(t *testing.T, n *node) (count uint64) {
	t.Helper()
	last := -1
	for {
		select {
		case text := <-n.got:
			var i int
			if _, err := fmt.Sscanf(text, "flow %d", &i); err != nil || i <= last {
				t.Fatalf("received %q after number %d", text, last)
			}
			last = i
			count++
		default:
			return count
		}
	}
}

func TestRedisKilledAndRestarted(t *testing.T) {
	t.Parallel()
	r := redistest.Start(t)
	a, b := run(t, impatient(r.URL()), nil), run(t, impatient(r.URL()), nil)
	f := startFlow(t, a)
	redistest.Wait(t, "messages to flow", func() bool { return b.Stats().Received > 100 })
	r.Kill()
	a.down()
	b.down()
	redistest.Wait(t, "Publish to fail", func() bool { return f.refused.Load() > 100 })
	r.Restart()
	a.healthy()
	b.healthy()
	before := b.Stats().Received
	redistest.Wait(t, "messages to flow again", func() bool { return b.Stats().Received > before+100 })
	f.stop()
	a.balance(f.accepted.Load())
	if s := a.Stats(); s.Rejected != f.refused.Load() {
		t.Errorf("Rejected = %d, but Publish failed %d times", s.Rejected, f.refused.Load())
	}
	count := heardInOrder(t, b)
	if count == 0 || count > f.accepted.Load() {
		t.Errorf("received %d messages of %d accepted", count, f.accepted.Load())
	}
	exchange(t, "a to b", a, b)
	exchange(t, "b to a", b, a)
	for _, n := range []*node{a, b} {
		if lost, restored := n.log.Count("connection lost"), n.log.Count("connection restored"); lost != 1 || restored != 1 {
			t.Errorf("logged the loss %d times and the recovery %d times, want once:\n%s", lost, restored, n.log)
		}
		if s := n.Stats(); s.Reconnects != 1 {
			t.Errorf("Reconnects = %d, want 1", s.Reconnects)
		}
	}
}

func TestConnectionsKilled(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"pubsub", "normal"} {
		t.Run(kind, func(t *testing.T) {
			r := redistest.Start(t)
			a, b := run(t, impatient(r.URL()), nil), run(t, impatient(r.URL()), nil)
			for round := range uint64(3) {
				r.Do("client", "kill", "type", kind)
				for _, n := range []*node{a, b} {
					redistest.Wait(t, "the bus to reconnect", func() bool { return n.Stats().Reconnects == round+1 })
					n.healthy()
				}
				exchange(t, fmt.Sprint("round ", round), a, b)
			}
			a.balance(3 * 2000)
			if a.Lost() != 0 {
				t.Errorf("%d lost, though nothing was sent during the outages", a.Lost())
			}
		})
	}
}

func TestPausedRedisIsNoticed(t *testing.T) {
	t.Parallel()
	r := redistest.Start(t)
	n := run(t, impatient(r.URL()), nil)
	r.Pause()
	n.down() // noticed by the probe, because nothing is published
	if err := n.Publish("ws:room:r", []byte("x")); !errors.Is(err, redisbus.ErrUnavailable) {
		t.Errorf("Publish = %v, want ErrUnavailable", err)
	}
	r.Resume()
	n.healthy()
	exchange(t, "resumed", n, n)
}

func TestPausedRedisWithPublishes(t *testing.T) {
	t.Parallel()
	r := redistest.Start(t)
	n := run(t, impatient(r.URL()), nil)
	f := startFlow(t, n)
	r.Pause()
	n.down()
	r.Resume()
	n.healthy()
	f.stop()
	n.balance(f.accepted.Load())
	if n.Lost() == 0 {
		t.Error("no envelope is counted as lost although Redis did not reply")
	}
	exchange(t, "resumed", n, n)
}

func TestQueueFull(t *testing.T) {
	t.Parallel()
	r := redistest.Start(t)
	c := redisbus.Config{URL: r.URL(), QueueMessages: 10, QueueBytes: 1000, ProbeTimeout: deadline}
	n := run(t, c, nil)
	if err := n.Publish("ws:room:r", make([]byte, 1000)); !errors.Is(err, redisbus.ErrQueueFull) {
		t.Errorf("an envelope over QueueBytes: %v, want ErrQueueFull", err)
	}
	r.Pause()
	accepted := 0
	for ; accepted < 1000; accepted++ {
		if err := n.Publish("ws:room:r", fmt.Appendf(nil, "%d", accepted)); err != nil {
			if !errors.Is(err, redisbus.ErrQueueFull) {
				t.Errorf("Publish = %v, want ErrQueueFull", err)
			}
			break
		}
	}
	if accepted != 10 {
		t.Errorf("Publish accepted %d envelopes, want 10", accepted)
	}
	r.Resume()
	for i := range accepted {
		if text := n.next(); text != fmt.Sprint(i) {
			t.Fatalf("received %q, want %d", text, i)
		}
	}
	n.balance(10)
	n.publish("room again")
	if text := n.next(); text != "room again" {
		t.Errorf("received %q", text)
	}
}

func TestSlowReceive(t *testing.T) {
	t.Parallel()
	r := redistest.Start(t)
	release := make(chan struct{})
	var heard atomic.Uint64
	c := impatient(r.URL())
	c.QueueMessages = 8
	slow := run(t, c, func([]byte) {
		<-release
		heard.Add(1)
	})
	fast := run(t, impatient(r.URL()), nil)
	for i := range 100 {
		fast.publish(fmt.Sprint(i))
	}
	for i := range 100 { // the other node is not affected
		if text := fast.next(); text != fmt.Sprint(i) {
			t.Fatalf("received %q, want %d", text, i)
		}
	}
	redistest.Wait(t, "envelopes to be dropped", func() bool { return slow.Stats().Dropped > 0 })
	if err := slow.Health(); !errors.Is(err, redisbus.ErrOverflow) {
		t.Errorf("Health = %v, want ErrOverflow", err)
	}
	if s := slow.Stats(); s.Reconnects != 0 {
		t.Errorf("a slow receive made the bus reconnect: %+v", s)
	}
	close(release)
	redistest.Wait(t, "all envelopes to be received or dropped", func() bool { return heard.Load()+slow.Stats().Dropped == 100 })
	slow.healthy()
	fast.publish("on time")
	redistest.Wait(t, "the next envelope", func() bool { return heard.Load()+slow.Stats().Dropped == 101 })
	if n := slow.log.Count("are dropped"); n != 1 {
		t.Errorf("logged %d times that envelopes are dropped, want once:\n%s", n, slow.log)
	}
}

// Envelopes that arrive during a call of receive are delivered together by the next calls,
// within limits.
func TestReceiveGetsBatches(t *testing.T) {
	t.Parallel()
	r := redistest.Start(t)
	bus, err := redisbus.New(impatient(r.URL()))
	if err != nil {
		t.Fatal(err)
	}
	ready, busy, release := make(chan struct{}), make(chan struct{}), make(chan struct{})
	batches, done := make(chan []string, 10_000), make(chan error, 1)
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	go func() {
		done <- bus.Run(ctx, func() { close(ready) }, func(envelopes ...[]byte) {
			var batch []string
			for _, e := range envelopes {
				batch = append(batch, string(e))
			}
			if batch[0] == "first" {
				close(busy)
				<-release
			}
			batches <- batch
		})
	}()
	defer func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	}()
	<-ready
	publish := func(text string) {
		if err := bus.Publish("ws:room:lobby", []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	publish("first")
	<-busy
	var want []string
	for i := range 2000 {
		want = append(want, fmt.Sprint(i, strings.Repeat("x", i)))
	}
	want = append(want, strings.Repeat("y", 200_000), "last")
	for _, text := range want {
		publish(text)
	}
	redistest.Wait(t, "all to arrive", func() bool { return bus.Stats().Waiting == len(want)+1 })
	close(release)
	<-batches
	n := 0
	for len(want) > 0 {
		batch, size := <-batches, 0
		for _, text := range batch {
			if text != want[0] {
				t.Fatalf("received %.20q of %d bytes, want %.20q", text, len(text), want[0])
			}
			want = want[1:]
			size += len(text)
		}
		if len(batch) > 256 || len(batch) > 1 && size > 64<<10 {
			t.Errorf("%d envelopes with %d bytes in one call", len(batch), size)
		}
		n++
	}
	if n > 100 {
		t.Errorf("%d calls", n)
	}
}

func TestAcceptedEnvelopesAreSentBeforeEnd(t *testing.T) {
	t.Parallel()
	r := redistest.Start(t)
	other := run(t, impatient(r.URL()), nil)
	for range 10 {
		n := run(t, impatient(r.URL()), nil)
		for i := range 1000 {
			n.publish(fmt.Sprint(i))
		}
		n.stop()
		if s := n.Stats(); s.Published != 1000 || n.Lost() != 0 {
			t.Fatalf("after Run: %+v", s)
		}
		for i := range 1000 {
			if text := other.next(); text != fmt.Sprint(i) {
				t.Fatalf("received %q, want %d", text, i)
			}
		}
	}
}

func TestEndWhileRedisIsPaused(t *testing.T) {
	t.Parallel()
	r := redistest.Start(t)
	c := redisbus.Config{URL: r.URL(), FlushTimeout: 50 * time.Millisecond}
	n := run(t, c, nil)
	r.Pause()
	for range 1000 {
		n.publish("x")
	}
	n.stop()
	if s := n.Stats(); n.Lost() != 1000 || s.Published != 0 {
		t.Errorf("lost %d of 1000; stats %+v", n.Lost(), s)
	}
	if n.log.Count(`level=WARN msg="envelopes were not sent before the bus ended" name=ignis lost=`) != 1 {
		t.Errorf("the loss is not logged once:\n%s", n.log)
	}
}

func TestStartWaitsForRedis(t *testing.T) {
	t.Parallel()
	r := redistest.Start(t)
	r.Kill()
	n, ready := launch(t, impatient(r.URL()), nil)
	redistest.Wait(t, "the bus to start", func() bool { return errors.Is(n.Health(), redisbus.ErrUnavailable) })
	if err := n.Publish("ws:room:r", []byte("x")); !errors.Is(err, redisbus.ErrUnavailable) {
		t.Errorf("Publish while starting = %v, want ErrUnavailable", err)
	}
	r.Restart()
	n.await(ready)
	exchange(t, "started", n, n)
}

func TestEndWhileStarting(t *testing.T) {
	t.Parallel()
	r := redistest.Start(t)
	r.Pause()
	n, _ := launch(t, redisbus.Config{URL: r.URL(), ProbeTimeout: deadline}, nil)
	redistest.Wait(t, "the bus to start", func() bool { return errors.Is(n.Health(), redisbus.ErrUnavailable) })
	n.stop() // Run returns nil even while it waits for a reply
}

func TestServerThatNeverAnswers(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var accepted sync.WaitGroup
	accepted.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			defer conn.Close() //nolint:revive // until the end of the test
		}
	})
	t.Cleanup(func() {
		l.Close()
		accepted.Wait()
	})
	for _, patience := range []time.Duration{100 * time.Millisecond, time.Hour} {
		c := redisbus.Config{
			URL: "redis://" + l.Addr().String(), StartTimeout: 300 * time.Millisecond, ProbeTimeout: patience, Logger: discard(),
		}
		bus, err := redisbus.New(c)
		if err != nil {
			t.Fatal(err)
		}
		err = bus.Run(t.Context(), func() { t.Error("ready") }, func(...[]byte) {})
		if err == nil || !strings.Contains(err.Error(), l.Addr().String()+" not ready after 300ms") ||
			!strings.Contains(err.Error(), "does not answer") {
			t.Errorf("Run = %v", err)
		}
		if err := bus.Health(); !errors.Is(err, redisbus.ErrNotRunning) {
			t.Errorf("Health after a failed start = %v", err)
		}
	}
}
