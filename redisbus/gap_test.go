package redisbus_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/ignis-go/ignis/internal/redistest"
)

// After Redis has disconnected a subscriber, the period in which it may have missed messages
// is known, although their number is not.
func TestGapAfterLostConnection(t *testing.T) {
	t.Parallel()
	r := redistest.Start(t)
	began := time.Now()
	n := run(t, impatient(r.URL()), nil)
	none, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := n.NextGap(none); !errors.Is(err, context.Canceled) {
		t.Errorf("a gap without a fault: %v", err)
	}
	for round := range 2 {
		exchange(t, fmt.Sprint("before ", round), n, n)
		cut := time.Now()
		r.Do("client", "kill", "type", "pubsub")
		from, until, err := n.NextGap(t.Context())
		if err != nil || from.Before(began) || from.After(time.Now()) || until.Before(cut) || until.After(time.Now()) {
			t.Errorf("round %d: a gap from %v until %v (%v); the disconnect was at %v", round, from, until, err, cut)
		}
		if s := n.Stats(); s.Gaps != uint64(round+1) || s.GapTime < until.Sub(from) {
			t.Errorf("stats %+v", s)
		}
		began = from
	}
	// Gaps that NextGap has not returned yet are merged.
	for round := range uint64(2) {
		r.Do("client", "kill", "type", "pubsub")
		redistest.Wait(t, "the next gap", func() bool { return n.Stats().Gaps == 3+round })
	}
	from, until, err := n.NextGap(t.Context())
	if err != nil || until.Before(from) {
		t.Errorf("merged gaps: %v until %v, %v", from, until, err)
	}
	if _, _, err := n.NextGap(none); err == nil {
		t.Error("gaps are reported twice")
	}
	if got := n.log.Count("missed=unknown missed_for="); got == 0 {
		t.Errorf("log:\n%s", n.log)
	}
}

// An overflow of receive causes a gap as well.
func TestGapAfterOverflow(t *testing.T) {
	t.Parallel()
	r := redistest.Start(t)
	c := impatient(r.URL())
	c.QueueMessages = 8
	release := make(chan struct{})
	began := time.Now()
	n := run(t, c, func([]byte) { <-release })
	for i := range 100 {
		r.Do("publish", "ws:room:r", fmt.Sprint(i))
	}
	redistest.Wait(t, "envelopes to be dropped", func() bool { return n.Stats().Dropped > 0 })
	close(release)
	from, until, err := n.NextGap(t.Context())
	if err != nil || from.Before(began) || until.Before(from) {
		t.Errorf("a gap from %v until %v, %v", from, until, err)
	}
}
