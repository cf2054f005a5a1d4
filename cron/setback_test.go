package cron_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/ignis-go/ignis/cron/crontest"
)

// After the store's clock was ahead for a moment, the job waits until time has caught up with the
// instants that it has run, and queries the store only occasionally.
func TestStoreClockWasAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var all tally
		var d diary
		var wall clock
		store := crontest.Memory{Now: wall.now}
		c := d.config("*/10 * * * * *", all.do)
		c.Name, c.Store = "job", &store
		running(t, newJob(t, c))
		elapse(25)
		wall.set(15 * time.Minute)
		elapse(40)
		wall.set(0)
		elapse(1000)
		for at := int64(100); at <= 1060; at += 10 {
			if n := all.runs[at]; n != 1 {
				t.Errorf("instant %d: %d runs", at, n)
			}
		}
		if n := store.Queries(); n > 250 {
			t.Errorf("%d queries in %d seconds", n, 1065)
		}
	})
}
