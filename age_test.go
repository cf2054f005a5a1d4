package ignis_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/internal/longtest"
	"github.com/ignis-go/ignis/wire"
)

// Clients are closed when they reach the maximum age, which differs between them. Those of
// protocol 2 are warned.
func TestMaxConnectionAge(t *testing.T) {
	longtest.Mark(t)
	bubble(t, func(t *testing.T) {
		n := startMem(t, ignis.Config{MaxConnectionAge: time.Hour, HeartbeatTimeout: 3 * time.Hour})
		d, gone := n.watchDepartures(200)
		gone()
		parts := make([]int, 4)
		for _, at := range d.closed {
			parts[int((at-54*time.Minute)/(3*time.Minute))]++
		}
		if slices.Min(parts) < 20 || len(d.closed) != 200 {
			t.Errorf("closed in four periods from 54 to 66 minutes: %v", parts)
		}
		for i := range 200 {
			before := d.closed[i] - d.warned[i] // a second, except that departures at almost the same time are done together
			if i%2 == 1 && ((before-time.Second).Abs() > ignis.MinPause || d.retry[i] < time.Second || d.retry[i] > 2*time.Second) || i%2 == 0 && d.warned[i] != 0 {
				t.Errorf("client %d was warned %v before, with retryAfter %v", i, before, d.retry[i])
			}
		}
		s := n.Stats()
		if s.Disconnects[ignis.CauseAge] != 200 || s.Clients != 0 || !n.Health().Ready {
			t.Errorf("counted %v", s.Disconnects)
		}
	})
}

// The text of the close says that the server is not shutting down.
func TestCloseOfAnOldClient(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n := startMem(t, ignis.Config{MaxConnectionAge: time.Minute})
		stranger := n.connect()
		p := n.login("ann")
		stranger.expect(closed(wire.CloseAuthTimeout)...)
		p.expect("<close 1001 Connection too old>", "<end>")
	})
}

// The age is checked only if it is limited, and a lower limit closes those that exceed it over
// a while.
func TestSetMaxConnectionAge(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n := startMem(t, ignis.Config{HeartbeatTimeout: 100 * time.Hour})
		d, gone := n.watchDepartures(100)
		time.Sleep(2 * time.Hour)
		if got := n.Stats().Clients; got != 100 {
			t.Errorf("%d clients are left", got)
		}
		d.began = time.Now()
		if err := n.SetLimits(ignis.Config{MaxConnectionAge: time.Hour}); err != nil {
			t.Fatal(err)
		}
		gone()
		times := make([]time.Duration, 0, 100)
		for _, at := range d.closed {
			times = append(times, at)
		}
		slices.Sort(times)
		if took := times[99] - times[0]; took < 2*time.Second || took > 3*time.Second || times[99] > 12*time.Second {
			t.Errorf("closed from %v to %v", times[0], times[99])
		}
	})
}

// A client is not closed while its callbacks run.
func TestAgeWaitsForCallbacks(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n := startMem(t, ignis.Config{MaxConnectionAge: time.Minute, OnMessage: func(context.Context, *ignis.Client, wire.Message) (any, error) {
			time.Sleep(20 * time.Second)
			return 1, nil
		}})
		p := n.login2()
		time.Sleep(50 * time.Second)
		p.text(`{"event":"x","id":"1"}`)
		if got := p.next(); !strings.HasPrefix(got, `{"event":"draining"`) {
			t.Errorf("received %s", got)
		}
		p.expect(`{"event":"ack","data":1,"id":"1"}`, "<close 1001 Connection too old>", "<end>")
		synctest.Wait()
	})
}
