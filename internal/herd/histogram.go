package herd

import (
	"math/bits"
	"time"
)

// Histogram counts durations with a precision of a microsecond or 1 %. Its zero value is empty.
type Histogram struct {
	counts [buckets]int64
	n      int64
	max    time.Duration
}

// There is a bucket for each microsecond up to steps, and steps/2 for each further power of two.
const (
	stepBits = 8
	steps    = 1 << stepBits
	buckets  = steps + (32-stepBits)*steps/2
)

// Add counts a duration. Negative durations count as zero.
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

// Count returns the number of durations.
func (h *Histogram) Count() int64 { return h.n }

// Max returns the longest duration.
func (h *Histogram) Max() time.Duration { return h.max }

// Quantile returns the q-quantile of the durations, where q is from 0 to 1. It returns 0 if there are
// none.
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
