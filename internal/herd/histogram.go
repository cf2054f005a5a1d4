package herd

import (
	"math/bits"
	"time"
)

// Histogram counts durations, each to within 1 %, in microseconds. The zero value
// is empty.
type Histogram struct {
	counts [buckets]int64
	n      int64
	max    time.Duration
}

// A bucket for each microsecond up to steps, and then steps/2 for each power of two.
const (
	stepBits = 8
	steps    = 1 << stepBits
	buckets  = steps + (32-stepBits)*steps/2
)

// Add counts a duration; what is below zero counts as zero.
func (h *Histogram) Add(d time.Duration) {
	d = max(d, 0)
	h.counts[bucket(d)]++
	h.n++
	h.max = max(h.max, d)
}

func bucket(d time.Duration) int {
	us := uint64(min(d.Microseconds(), 1<<32-1))
	shift := max(0, bits.Len64(us)-stepBits)
	return shift*steps/2 + int(us>>shift)
}

// Count returns how many durations were counted.
func (h *Histogram) Count() int64 { return h.n }

// Max returns the longest.
func (h *Histogram) Max() time.Duration { return h.max }

// Quantile returns what the share q of all is not longer than, from 0 to 1; 0
// when there are none.
func (h *Histogram) Quantile(q float64) time.Duration {
	rank := int64(q * float64(h.n))
	for b, n := range h.counts {
		if rank -= n; rank < 0 {
			shift := max(0, b/(steps/2)-1)
			low := (b - shift*steps/2) << shift
			return min(time.Duration(low+1<<shift/2)*time.Microsecond, h.max)
		}
	}
	return h.max
}
