package promignis

import (
	"sync/atomic"
	"time"
)

// histogram counts values by size. Unlike the histograms of client_golang, which also have
// sums of fractions and exemplars, it needs only two atomic additions for a value, because
// some values are observed for every message.
type histogram struct {
	bounds []int64         // upper bounds of the buckets, ascending
	counts []atomic.Uint64 // values per bucket; the last is for values over all bounds
	sum    atomic.Int64
	scale  float64 // by which bounds and values are divided for Prometheus
}

// newHistogram returns a histogram of numbers.
func newHistogram(bounds ...int64) *histogram {
	return &histogram{bounds: bounds, counts: make([]atomic.Uint64, len(bounds)+1), scale: 1}
}

// newTimes returns a histogram of durations.
func newTimes(bounds ...time.Duration) *histogram {
	h := newHistogram()
	for _, b := range bounds {
		h.bounds = append(h.bounds, int64(b))
	}
	h.counts, h.scale = make([]atomic.Uint64, len(bounds)+1), float64(time.Second)
	return h
}

// calls are the bounds for calls of the application and of its endpoint.
var calls = []time.Duration{
	time.Millisecond, 5 * time.Millisecond, 25 * time.Millisecond, 100 * time.Millisecond,
	500 * time.Millisecond, 2500 * time.Millisecond, 10 * time.Second,
}

func (h *histogram) observe(v int64) { h.observeTimes(v, 1) }

// observeTimes counts n values.
func (h *histogram) observeTimes(v int64, n int) {
	i := 0
	for i < len(h.bounds) && v > h.bounds[i] {
		i++
	}
	h.counts[i].Add(uint64(n))
	h.sum.Add(v * int64(n))
}

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
	s := snapshot{sum: float64(h.sum.Load()) / h.scale, buckets: make(map[float64]uint64, len(h.bounds))}
	for i, bound := range h.bounds {
		s.count += h.counts[i].Load()
		s.buckets[float64(bound)/h.scale] = s.count
	}
	s.count += h.counts[len(h.bounds)].Load()
	return s
}
