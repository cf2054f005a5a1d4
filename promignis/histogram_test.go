package promignis_test

import (
	"testing"
	"time"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/promignis"
)

// A value that equals the bound of a bucket is in that bucket, and the sum is in seconds. The alerts
// about slow calls need the bound 1.
func TestBuckets(t *testing.T) {
	rec := promignis.NewRecorder()
	f := rec.Hooks().CallbackReturned
	for _, d := range []time.Duration{0, time.Millisecond, time.Millisecond + 1, 10 * time.Second, 10*time.Second + 1} {
		f(ignis.CallbackReturnedInfo{Callback: ignis.CallbackOnMessage, Calls: 2, Duration: d})
	}
	want := map[float64]uint64{0.001: 4, 0.005: 6, 0.025: 6, 0.1: 6, 0.5: 6, 1: 6, 2.5: 6, 5: 6, 7.5: 6, 10: 8}
	for _, m := range gather(t, promignis.Config{Recorder: rec})["ignis_callback_duration_seconds"].GetMetric() {
		if m.GetLabel()[0].GetValue() != "OnMessage" {
			continue
		}
		h := m.GetHistogram()
		for _, b := range h.GetBucket() {
			if n, ok := want[b.GetUpperBound()]; !ok || n != b.GetCumulativeCount() {
				t.Errorf("%d values are at most %v, want %d", b.GetCumulativeCount(), b.GetUpperBound(), n)
			}
		}
		if h.GetSampleCount() != 10 || h.GetSampleSum() < 40.004 || h.GetSampleSum() > 40.00401 || len(h.GetBucket()) != len(want) {
			t.Errorf("%v", h)
		}
	}
}

// The sum of the durations of many connections, which a server reaches within days, exceeds
// what a time.Duration can hold.
func TestLargeSums(t *testing.T) {
	rec := promignis.NewRecorder()
	const century = 100 * 365 * 24 * time.Hour
	for range 10 {
		rec.Hooks().Closed(ignis.ClosedInfo{Cause: ignis.CauseClientClosed, Code: 1000, Duration: century, Authenticated: true})
	}
	expect(t, values(t, promignis.Config{Recorder: rec}), map[string]float64{
		`ignis_connection_duration_seconds_sum`: 10 * century.Seconds(),
	})
}
