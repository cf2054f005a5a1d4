package promignis

import (
	"math"
	"sync/atomic"
	"time"
)

// histogram counts values by size. Unlike the histograms of client_golang, which also have
// exemplars and consistent snapshots, it needs only two atomic operations for a value,
// because some values are observed for every write.
type histogram struct {
	bounds []float64       // upper bounds of the buckets, ascending
	counts []atomic.Uint64 // values per bucket; the last is for values over all bounds
	sum    atomic.Uint64   // the bits of a float64
}

func newHistogram(bounds ...float64) *histogram {
	return &histogram{bounds: bounds, counts: make([]atomic.Uint64, len(bounds)+1)}
}

// calls are the bounds in seconds for calls of the application and of its endpoint. The alerts
// count calls that take more than 1 s. Timeouts are typically 5 or 10 s, and calls that end just
// after them must not look like much longer ones.
var calls = []float64{0.001, 0.005, 0.025, 0.1, 0.5, 1, 2.5, 5, 7.5, 10}

func (h *histogram) observe(v float64) { h.observeTimes(v, 1) }

// observeTimes counts n values.
func (h *histogram) observeTimes(v float64, n int) {
	i := 0
	for i < len(h.bounds) && v > h.bounds[i] {
		i++
	}
	h.counts[i].Add(uint64(n))
	v *= float64(n)
	for {
		old := h.sum.Load()
		if h.sum.CompareAndSwap(old, math.Float64bits(math.Float64frombits(old)+v)) {
			return
		}
	}
}

// seconds returns d in seconds. Unlike d.Seconds, it is a single division.
func seconds(d time.Duration) float64 { return float64(d) / float64(time.Second) }

// used reports whether a value has been observed.
func (h *histogram) used() bool {
	for i := range h.counts {
		if h.counts[i].Load() > 0 {
			return true
		}
	}
	return false
}

// snapshot is the state of a histogram in the form that Prometheus wants.
type snapshot struct {
	count   uint64
	sum     float64
	buckets map[float64]uint64 // cumulative, by upper bound
}

func (h *histogram) snapshot() snapshot {
	s := snapshot{sum: math.Float64frombits(h.sum.Load()), buckets: make(map[float64]uint64, len(h.bounds))}
	for i, bound := range h.bounds {
		s.count += h.counts[i].Load()
		s.buckets[bound] = s.count
	}
	s.count += h.counts[len(h.bounds)].Load()
	return s
}
