package redisbus

import (
	"testing"
	"testing/synctest"
	"time"
)

// pause waits for the next pause and returns its length.
func pause(t *testing.T, b *backoff) time.Duration {
	t.Helper()
	from := time.Now()
	if !b.wait(t.Context()) {
		t.Fatal("the context has ended")
	}
	return time.Since(from)
}

// After links that worked, even for a short time, the pauses start small again.
func TestPausesAfterWorkingLinks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b backoff
		for range 10 {
			pause(t, &b)
		}
		if p := pause(t, &b); p < maxPause/2 || p > maxPause {
			t.Errorf("after many failures the pause is %v", p)
		}
		// A planned failover causes short-lived links to the old master.
		for range maxFresh {
			b.worked()
			if p := pause(t, &b); p > minPause {
				t.Errorf("after a link that worked, the pause is %v", p)
			}
		}
	})
}

// A Redis that accepts connections and drops them immediately is not tried many times a
// second.
func TestPausesAfterShortLinks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b backoff
		links, from := 0, time.Now()
		for time.Since(from) < 10*time.Minute {
			b.worked()
			links++
			pause(t, &b)
		}
		if links > 700 {
			t.Errorf("%d links in ten minutes", links)
		}
		time.Sleep(maxFresh * freshAgain)
		b.worked()
		if p := pause(t, &b); p > minPause {
			t.Errorf("after a while, the pause is %v", p)
		}
	})
}
