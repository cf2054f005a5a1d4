package bustest

import (
	"bytes"
	"context"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// signal is an event that may happen more than once.
type signal struct {
	once sync.Once
	c    chan struct{}
}

func newSignal() *signal { return &signal{c: make(chan struct{})} }

func (s *signal) set() { s.once.Do(func() { close(s.c) }) }

func (s *signal) wait(t *testing.T, what string) {
	t.Helper()
	select {
	case <-s.c:
	case <-time.After(deadline):
		t.Fatalf("waited %v for %s", deadline, what)
	}
}

func newResult() chan error { return make(chan error, 1) }

func oneAtATime(t *testing.T, make New) {
	const n = 500
	buses := make(t, 2)
	var inside, received atomic.Int32
	done := newSignal()
	start(t, buses[0], func([]byte) {
		if inside.Add(1) != 1 {
			t.Error("receive was called while a call was in progress")
		}
		defer inside.Add(-1)
		for n := 0; n < 100 && inside.Load() == 1; n++ {
			runtime.Gosched() // gives another call time to start
		}
		if received.Add(1) == 2*n {
			done.set()
		}
	})
	start(t, buses[1], func([]byte) {})
	var wg sync.WaitGroup
	for _, bus := range buses {
		wg.Go(func() {
			for i := range n {
				if err := bus.Publish(lobby, fmt.Append(nil, i)); err != nil {
					t.Errorf("Publish: %v", err)
				}
			}
		})
	}
	wg.Wait()
	done.wait(t, "all messages")
}

func receiveOwnsTheSlice(t *testing.T, make New) {
	const n = 200
	buses := make(t, 3)
	scribble := func(envelope []byte) {
		for i := range envelope {
			envelope[i] = '!'
		}
		_ = append(envelope, "and more"...)
	}
	start(t, buses[0], scribble)
	start(t, buses[1], scribble)
	reader := start(t, buses[2], nil)
	for i := range n {
		reader.publish(lobby, fmt.Sprintf("message %d", i))
	}
	for i := range n {
		reader.expect(fmt.Sprintf("message %d", i))
	}
}

func publishedSliceIsLeftAlone(t *testing.T, make New) {
	buses := make(t, 2)
	sender := start(t, buses[0], func(envelope []byte) { clear(envelope) })
	reader := start(t, buses[1], nil)
	envelope := append(bytes.Repeat([]byte("a"), 100), bytes.Repeat([]byte("b"), 100)...)
	part := envelope[:100] // with spare capacity, which must not be written to
	for range 3 {          // the same slice may be published more than once
		if err := sender.bus.Publish(lobby, part); err != nil {
			t.Fatalf("Publish: %v", err)
		}
	}
	for range 3 {
		reader.expect(string(bytes.Repeat([]byte("a"), 100)))
	}
	want := append(bytes.Repeat([]byte("a"), 100), bytes.Repeat([]byte("b"), 100)...)
	sender.stop()
	if !bytes.Equal(envelope, want) {
		t.Errorf("the published slice is now %q", envelope)
	}
}

func receiveMayPublish(t *testing.T, make New) {
	buses := make(t, 2)
	start(t, buses[0], func(envelope []byte) {
		if string(envelope) == "ping" {
			if err := buses[0].Publish(lobby, []byte("pong")); err != nil {
				t.Errorf("Publish: %v", err)
			}
		}
	})
	other := start(t, buses[1], nil)
	other.publish(lobby, "ping")
	other.expect("ping")
	other.expect("pong")
}

func slowReceiverDelaysNoOtherNode(t *testing.T, make New) {
	const n = 1000
	buses := make(t, 2)
	entered, release := newSignal(), newSignal()
	var count atomic.Int32
	done := newSignal()
	start(t, buses[0], func([]byte) {
		entered.set()
		<-release.c
		if count.Add(1) == n {
			done.set()
		}
	})
	t.Cleanup(release.set) // before the bus is stopped
	other := start(t, buses[1], nil)
	other.publish(lobby, "0")
	entered.wait(t, "receive to be called")
	// The receive of the first node blocks. The node can still publish, and the other
	// node still receives.
	for i := 1; i < n; i++ {
		if err := buses[i%2].Publish(lobby, fmt.Append(nil, i)); err != nil {
			t.Fatalf("Publish: %v", err)
		}
	}
	for range n {
		other.next()
	}
	release.set()
	done.wait(t, "the slow receiver to get everything")
}

func runEndsWithItsContext(t *testing.T, make New) {
	bus := make(t, 1)[0]
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	result := newResult()
	go func() { result <- bus.Run(ended, func() {}, func(...[]byte) {}) }()
	select {
	case err := <-result:
		if err != nil {
			t.Errorf("Run with an ended context = %v, want nil", err)
		}
	case <-time.After(deadline):
		t.Fatalf("Run with an ended context has not returned after %v", deadline)
	}
	// The context ends within receive, in the middle of a stream.
	bus = make(t, 1)[0]
	var after atomic.Int32
	ctx, cancel := context.WithCancel(t.Context())
	ready := newSignal()
	go func() {
		result <- bus.Run(ctx, ready.set, func(...[]byte) {
			after.Add(1)
			cancel()
		})
	}()
	ready.wait(t, "the bus to be ready")
	for i := range 100 {
		if bus.Publish(lobby, fmt.Append(nil, i)) != nil {
			break // it has ended in the meantime
		}
	}
	select {
	case err := <-result:
		if err != nil {
			t.Errorf("Run = %v after its context ended, want nil", err)
		}
	case <-time.After(deadline):
		t.Fatalf("Run has not returned %v after its context ended", deadline)
	}
	if n := after.Load(); n != 1 {
		t.Errorf("receive was called %d times, want 1 and no call after the context ended", n)
	}
}
