package bustest

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/wire"
)

// deadline bounds every wait of the suite. It is not a requirement on speed: a bus that takes
// this long is broken.
const deadline = 2 * time.Minute

// New returns the buses of a new cluster with the given number of nodes. They must be connected
// to each other and to nothing else, and must not be running yet.
type New func(t *testing.T, nodes int) []ignis.Bus

// Run runs the test suite as subtests of t.
func Run(t *testing.T, make New) {
	for _, test := range []struct {
		name string
		run  func(*testing.T, New)
	}{
		{"PublishFailsUnlessRunning", publishFailsUnlessRunning},
		{"EveryNodeReceives", everyNodeReceives},
		{"ReadyIsCalledOnceAndFirst", readyIsCalledOnceAndFirst},
		{"OrderPerChannel", orderPerChannel},
		{"ConcurrentPublishers", concurrentPublishers},
		{"OneAtATime", oneAtATime},
		{"BytesArriveUnchanged", bytesArriveUnchanged},
		{"ReceiveOwnsTheSlice", receiveOwnsTheSlice},
		{"PublishedSliceIsLeftAlone", publishedSliceIsLeftAlone},
		{"ReceiveMayPublish", receiveMayPublish},
		{"SlowReceiverDelaysNoOtherNode", slowReceiverDelaysNoOtherNode},
		{"RunEndsWithItsContext", runEndsWithItsContext},
		{"NoGoroutineIsLeft", noGoroutineIsLeft},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, make) })
	}
	runCommands(t, make)
}

// running is a running bus together with what it has received.
type running struct {
	t      *testing.T
	bus    ignis.Bus
	cancel context.CancelFunc
	result chan error
	got    chan string
	once   sync.Once
}

// start runs a bus until the test ends, and waits until it is ready. If receive is nil, what the
// bus receives is copied to got.
func start(t *testing.T, bus ignis.Bus, receive func([]byte)) *running {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	r := &running{t: t, bus: bus, cancel: cancel, result: make(chan error, 1), got: make(chan string, 64<<10)}
	if receive == nil {
		receive = func(envelope []byte) { r.got <- string(envelope) }
	}
	ready := make(chan struct{})
	go func() { r.result <- bus.Run(ctx, func() { close(ready) }, each(receive)) }()
	t.Cleanup(r.stop)
	select {
	case <-ready:
	case err := <-r.result:
		r.result <- err
		t.Fatalf("Run returned before it was ready: %v", err)
	case <-time.After(deadline):
		t.Fatalf("the bus is not ready after %v", deadline)
	}
	return r
}

// each returns a receive function that calls f with each envelope.
func each(f func([]byte)) func(...[]byte) {
	return func(envelopes ...[]byte) {
		for _, e := range envelopes {
			f(e)
		}
	}
}

// stop stops the bus and checks that Run returns nil.
func (r *running) stop() {
	r.t.Helper()
	r.once.Do(func() {
		r.cancel()
		select {
		case err := <-r.result:
			if err != nil {
				r.t.Errorf("Run = %v after its context ended, want nil", err)
			}
		case <-time.After(deadline):
			r.t.Errorf("Run has not returned %v after its context ended", deadline)
		}
	})
}

func (r *running) publish(channel, envelope string) {
	r.t.Helper()
	if err := r.bus.Publish(channel, []byte(envelope)); err != nil {
		r.t.Fatalf("Publish: %v", err)
	}
}

func (r *running) next() string {
	r.t.Helper()
	select {
	case envelope := <-r.got:
		return envelope
	case err := <-r.result:
		r.result <- err
		r.t.Fatalf("Run returned early: %v", err)
	case <-time.After(deadline):
		r.t.Fatalf("nothing received for %v", deadline)
	}
	return ""
}

func (r *running) expect(want string) {
	r.t.Helper()
	if got := r.next(); got != want {
		r.t.Fatalf("received %.80q, want %.80q", got, want)
	}
}

// startAll starts the buses of a new cluster.
func startAll(t *testing.T, make New, nodes int) []*running {
	t.Helper()
	var list []*running
	for _, bus := range make(t, nodes) {
		list = append(list, start(t, bus, nil))
	}
	return list
}

var lobby = wire.ToRoom("lobby").Channel()

func publishFailsUnlessRunning(t *testing.T, make New) {
	bus := make(t, 1)[0]
	if bus.Publish(lobby, []byte("early")) == nil {
		t.Error("Publish before Run returned no error")
	}
	r := start(t, bus, nil)
	r.publish(lobby, "now")
	r.expect("now") // rather than the early one
	r.stop()
	if bus.Publish(lobby, []byte("late")) == nil {
		t.Error("Publish after Run returned no error")
	}
}

func everyNodeReceives(t *testing.T, make New) {
	nodes := startAll(t, make, 3)
	for i, from := range nodes {
		for _, channel := range []string{
			wire.ChannelBroadcast, wire.ToRoom("a room: *?[x]").Channel(),
			wire.ToClient("c1").Channel(), wire.ToUser("ünï").Channel(), wire.ToRoom("").Channel(),
		} {
			text := fmt.Sprintf("%d on %s", i, channel)
			from.publish(channel, text)
			for _, to := range nodes {
				to.expect(text) // exactly once; a duplicate would precede the next message
			}
		}
	}
}

func readyIsCalledOnceAndFirst(t *testing.T, make New) {
	buses := make(t, 2)
	first := start(t, buses[0], func([]byte) {})
	stop, stopped := context.WithCancel(t.Context())
	var published atomic.Int32
	var publishers sync.WaitGroup
	publishers.Go(func() {
		// Messages are in flight continuously while the second node starts.
		tick := time.NewTicker(100 * time.Microsecond)
		defer tick.Stop()
		for stop.Err() == nil {
			if err := first.bus.Publish(lobby, []byte("x")); err != nil {
				t.Errorf("Publish: %v", err)
				return
			}
			published.Add(1)
			<-tick.C
		}
	})
	defer publishers.Wait()
	defer stopped()
	var ready, early atomic.Int32
	heard := newSignal()
	ctx, cancel := context.WithCancel(t.Context())
	result := newResult()
	go func() {
		result <- buses[1].Run(ctx, func() {
			// ready is slow, to detect a bus that does not wait for it.
			tick := time.NewTicker(time.Millisecond)
			defer tick.Stop()
			for from := published.Load(); published.Load() < from+100 && stop.Err() == nil; {
				<-tick.C
			}
			ready.Add(1)
		}, func(...[]byte) {
			if ready.Load() == 0 {
				early.Add(1)
			}
			heard.set()
		})
	}()
	heard.wait(t, "a message")
	cancel()
	if err := <-result; err != nil {
		t.Errorf("Run = %v", err)
	}
	if early.Load() != 0 {
		t.Error("receive was called before ready")
	}
	if n := ready.Load(); n != 1 {
		t.Errorf("ready was called %d times", n)
	}
}

func orderPerChannel(t *testing.T, make New) {
	const n = 5000
	nodes := startAll(t, make, 2)
	for i := range n {
		nodes[0].publish(lobby, fmt.Sprint(i))
	}
	for _, to := range nodes {
		for i := range n {
			to.expect(fmt.Sprint(i))
		}
	}
}

func concurrentPublishers(t *testing.T, make New) {
	const publishers, each = 8, 500
	nodes := startAll(t, make, 2)
	var wg sync.WaitGroup
	for p := range publishers {
		wg.Go(func() {
			// Half of them share a channel.
			channel := wire.ToRoom(fmt.Sprint(p / 2)).Channel()
			for i := range each {
				if err := nodes[p%2].bus.Publish(channel, fmt.Appendf(nil, "%d %d", p, i)); err != nil {
					t.Errorf("Publish: %v", err)
					return
				}
			}
		})
	}
	wg.Wait()
	for _, to := range nodes {
		var next [publishers]int
		for range publishers * each {
			var p, i int
			text := to.next()
			if _, err := fmt.Sscan(text, &p, &i); err != nil || p < 0 || p >= publishers {
				t.Fatalf("received %.80q", text)
			}
			if i != next[p] {
				t.Fatalf("publisher %d: received number %d, want %d", p, i, next[p])
			}
			next[p]++
		}
	}
}

func noGoroutineIsLeft(t *testing.T, make New) {
	buses := make(t, 2)
	before := goleak.IgnoreCurrent()
	a, b := start(t, buses[0], nil), start(t, buses[1], nil)
	a.publish(lobby, "x")
	b.expect("x")
	a.stop()
	b.stop()
	goleak.VerifyNone(t, before)
}

func bytesArriveUnchanged(t *testing.T, make New) {
	nodes := startAll(t, make, 2)
	all := bytes.Repeat([]byte{0, 1, '\r', '\n', 0xff, 'x', '"'}, 50)
	for _, text := range []string{
		"", "\r\n", string(all), string(bytes.Repeat(all, 3000)), "after the big one",
	} {
		nodes[0].publish(lobby, text)
		for _, to := range nodes {
			if got := to.next(); got != text {
				t.Fatalf("received %d bytes that differ from the %d published", len(got), len(text))
			}
		}
	}
}
