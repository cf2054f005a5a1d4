package ignis_test

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/ignis-go/ignis"
)

// Messages that arrive together for the same clients are queued together, up to 64 KiB.
func TestReceivedRuns(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := newFakeBus()
		n := startMem(t, ignis.Config{Bus: b})
		const all, lobby, hall = `"type":"broadcast"`, `"type":"room","target":"lobby"`, `"type":"room","target":"hall"`
		const except = all + `,"exclude":["a"]`
		const bad = `"type":5`
		quarter := `"` + strings.Repeat("x", 16<<10-len(`{"event":"x","data":"","room":"lobby"}`)) + `"` // of a run
		for _, row := range []struct {
			to   []string
			data string
			want []int
		}{
			{nil, "1", nil},
			{[]string{bad}, "1", nil},
			{[]string{all}, "1", []int{1}},
			{[]string{all, all, all}, "1", []int{3}},
			{[]string{all, bad, all, bad}, "1", []int{2}},
			{[]string{all, lobby, lobby, hall, lobby, all, all}, "1", []int{1, 2, 1, 1, 2}},
			{[]string{all, except, except, all, all}, "1", []int{1, 1, 1, 2}},
			{slices.Repeat([]string{lobby}, 9), quarter, []int{4, 4, 1}},
			{slices.Repeat([]string{lobby}, 5), quarter[:len(quarter)-1] + `x"`, []int{3, 2}},
		} {
			var envelopes [][]byte
			for _, to := range row.to {
				envelopes = append(envelopes, fmt.Appendf(nil, `{"serverId":"s","event":"x",%s,"data":%s}`, to, row.data))
			}
			if got := ignis.Runs(n.Server, envelopes...); !slices.Equal(got, row.want) {
				t.Errorf("%q with %d bytes: %v, want %v", row.to, len(row.data), got, row.want)
			}
		}
	})
}

// Messages that arrive together for several clients are joined once, so they occupy one
// place in each queue, and no queue grows.
func TestReceivedRunsAreJoined(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n := startMem(t, ignis.Config{Bus: newFakeBus()})
		const many, messages = 50, 400
		n.login("few")
		n.login("few")
		for range many {
			n.login("many")
		}
		synctest.Wait()
		ignis.Hold(n.Server)
		runtime.GC() // two collections clear the pools
		runtime.GC()
		cost := func(user string) int {
			envelope := fmt.Appendf(nil, `{"serverId":"s","type":"user","target":%q,"event":"x"}`, user)
			return mallocs(func() { ignis.Receive(n.Server, slices.Repeat([][]byte{envelope}, messages)...) })
		}
		few, all := cost("few"), cost("many")
		// A queue starts with eight places. If each message took a place, the queue would
		// grow six times.
		if each := (all - few) / (many - 2); each > 4 {
			t.Errorf("%d messages cost each client %d allocations", messages, each)
		}
		if n.Stats().Sent != messages*(many+2)+many+2 {
			t.Errorf("counted %d", n.Stats().Sent)
		}
	})
}

// mallocs returns the number of allocations of f.
func mallocs(f func()) int {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return int(after.Mallocs - before.Mallocs)
}
