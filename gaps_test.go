package ignis_test

import (
	"context"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ignis-go/ignis"
)

// gapBus is a bus that reports gaps.
type gapBus struct {
	*fakeBus
	gaps chan ignis.BusGap
}

func newGapBus() gapBus { return gapBus{newFakeBus(), make(chan ignis.BusGap)} }

func (b gapBus) NextGap(ctx context.Context) (from, until time.Time, err error) {
	select {
	case g := <-b.gaps:
		return g.From, g.Until, nil
	case <-ctx.Done():
		return from, until, ctx.Err()
	}
}

// Gaps of the bus are passed to the application, one at a time, and are counted.
func TestBusGaps(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := newGapBus()
		got := make(chan ignis.BusGap)
		n := newNode(t, ignis.Config{Bus: b, OnBusGap: func(ctx context.Context, g ignis.BusGap) {
			got <- g
			if g.Until.Sub(g.From) == time.Minute {
				panic("a minute is too long")
			}
		}})
		<-n.Ready()
		now := time.Now()
		for i, length := range []time.Duration{time.Second, time.Minute, time.Hour} {
			b.gaps <- ignis.BusGap{From: now, Until: now.Add(length)}
			if g := <-got; !g.From.Equal(now) || g.Until.Sub(g.From) != length {
				t.Errorf("got %v", g)
			}
			synctest.Wait()
			if s := n.Stats(); s.BusGaps != uint64(i+1) {
				t.Errorf("counted %d gaps after %d", s.BusGaps, i+1)
			}
		}
		if s := n.Stats(); s.BusGapTime != time.Hour+time.Minute+time.Second || s.CallbackPanics != 1 {
			t.Errorf("counted %v and %d panics", s.BusGapTime, s.CallbackPanics)
		}
		if n.log.Count("messages from other instances may have been missed") != 1 || n.log.Count("OnBusGap panicked") != 1 {
			t.Errorf("log:\n%s", n.log)
		}
	})
}

// Without OnBusGap, gaps are still counted. A bus need not implement BusGapReporter.
func TestBusGapsWithoutCallback(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := newGapBus()
		n := newNode(t, ignis.Config{Bus: b})
		<-n.Ready()
		now := time.Now()
		for range 2 {
			b.gaps <- ignis.BusGap{From: now, Until: now.Add(time.Second)}
		}
		synctest.Wait()
		if s := n.Stats(); s.BusGaps != 2 {
			t.Errorf("counted %d", s.BusGaps)
		}
	})
}

// A slow OnBusGap delays a shutdown like any other callback.
func TestBusGapsAtTheEnd(t *testing.T) {
	for name, release := range map[string]bool{"returns": true, "never returns": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newGapBus()
				free := make(chan struct{})
				defer func() { close(free); synctest.Wait() }()
				var interrupted, begun atomic.Bool
				srv, err := ignis.New(ignis.Config{
					Bus: b, Authenticate: anyone, Logger: slog.New(slog.DiscardHandler),
					OnBusGap: func(ctx context.Context, g ignis.BusGap) {
						begun.Store(true)
						<-ctx.Done()
						interrupted.Store(true)
						if !release {
							<-free
						}
					},
				})
				if err != nil {
					t.Fatal(err)
				}
				ctx, stop := context.WithCancel(t.Context())
				ran := make(chan error, 1)
				go func() { ran <- srv.Run(ctx) }()
				<-srv.Ready()
				b.gaps <- ignis.BusGap{}
				synctest.Wait()
				stop()
				err = <-ran
				if !begun.Load() || !interrupted.Load() {
					t.Errorf("begun %v, interrupted %v", begun.Load(), interrupted.Load())
				}
				if hung := err != nil && strings.Contains(err.Error(), "1 callbacks did not return"); hung == release {
					t.Errorf("Run = %v", err)
				}
			})
		})
	}
}
