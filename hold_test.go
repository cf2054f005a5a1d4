package ignis_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ignis-go/ignis"
)

// held returns the error of Hold.
func held(s *ignis.Server) error {
	release, err := s.Hold()
	if err == nil {
		release()
	}
	return err
}

// A shutdown waits until all callers of Hold have released the server, and the bus works until then.
func TestHold(t *testing.T) {
	bubble(t, func(t *testing.T) {
		bus := newFakeBus()
		n := startMem(t, ignis.Config{Bus: bus})
		if err := held(n.Server); err != nil {
			t.Fatal(err)
		}
		first, err := n.Hold()
		second, err2 := n.Hold()
		if err := errors.Join(err, err2); err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() { ended <- n.Shutdown(context.Background()) }()
		synctest.Wait()
		if err := held(n.Server); !errors.Is(err, ignis.ErrNotRunning) {
			t.Errorf("Hold during the shutdown: %v", err)
		}
		first()
		synctest.Wait()
		if len(ended) > 0 {
			t.Error("the shutdown did not wait")
		}
		if err := n.Send(t.Context(), ignis.ToRoom("a"), "x", 1); err != nil || len(bus.take()) != 1 {
			t.Errorf("Send: %v", err)
		}
		second()
		if err := errors.Join(<-ended, <-n.ran); err != nil {
			t.Error(err)
		}
		n.ran <- nil
	})
}

// A server that drains can be held.
func TestHoldDuringDrain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n := startMem(t, ignis.Config{DrainDelay: time.Second})
		go func() { _ = n.Drain(context.Background()) }()
		synctest.Wait()
		if err := held(n.Server); err != nil || !n.Health().Draining {
			t.Errorf("Hold: %v", err)
		}
	})
}

// The error of a shutdown that waited for too long says that the server was held.
func TestHoldTooLong(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n := startMem(t, ignis.Config{ShutdownTimeout: time.Second})
		release, err := n.Hold()
		if err != nil {
			t.Fatal(err)
		}
		n.stop()
		const want = "0 callbacks did not return, and 1 callers of Hold did not release the server, within 1s"
		if err := <-n.ran; err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Run returned %v", err)
		}
		release()
		n.ran <- nil
	})
}

// stoppingBus is a bus that refuses envelopes once it is being stopped, which takes an hour.
type stoppingBus struct{ *fakeBus }

func (b stoppingBus) Run(ctx context.Context, ready func(), receive func(...[]byte)) error {
	err := b.fakeBus.Run(ctx, ready, receive)
	b.mu.Lock()
	b.refuse = errors.New("the bus is not running")
	b.mu.Unlock()
	time.Sleep(time.Hour)
	return err
}

// Nothing can be sent while the bus stops.
func TestSendWhileTheBusStops(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n := startMem(t, ignis.Config{Bus: stoppingBus{newFakeBus()}})
		n.stop()
		synctest.Wait()
		if err := n.Send(t.Context(), ignis.ToRoom("a"), "x", 1); !errors.Is(err, ignis.ErrNotRunning) {
			t.Errorf("Send: %v", err)
		}
		if s := n.Stats(); s.BusRefused > 0 {
			t.Errorf("the bus refused %d envelopes", s.BusRefused)
		}
	})
}
