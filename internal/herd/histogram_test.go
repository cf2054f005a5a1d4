package herd

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

func TestHistogram(t *testing.T) {
	var h Histogram
	if h.Quantile(0.5) != 0 || h.Max() != 0 || h.Count() != 0 {
		t.Error("the zero value is not empty")
	}
	var all []time.Duration
	for range 100_000 {
		d := time.Duration(math.Exp(rand.Float64()*22)) * time.Microsecond // up to an hour
		all = append(all, d)
		h.Add(d)
	}
	h.Add(-time.Second)
	all = append(all, 0)
	slices.Sort(all)
	for _, q := range []float64{0, 0.1, 0.5, 0.9, 0.99, 0.999, 1} {
		want := all[min(int(q*float64(len(all))), len(all)-1)]
		got := h.Quantile(q)
		if diff := (got - want).Abs(); diff > want/100+time.Microsecond {
			t.Errorf("quantile %v: %v, want %v", q, got, want)
		}
	}
	if h.Max() != all[len(all)-1] || h.Count() != int64(len(all)) {
		t.Errorf("max %v, count %d", h.Max(), h.Count())
	}
	h.Add(math.MaxInt64)
	if h.Quantile(1) != math.MaxInt64 {
		t.Errorf("quantile 1 of the longest duration: %v", h.Quantile(1))
	}
}

func TestBucketsAreInOrder(t *testing.T) {
	last := -1
	for us := range 1 << 20 {
		b := bucket(time.Duration(us) * time.Microsecond)
		if b != last && b != last+1 {
			t.Fatalf("%d us: bucket %d after %d", us, b, last)
		}
		last = b
	}
	if b := bucket(math.MaxInt64); b != buckets-1 {
		t.Errorf("the last bucket is %d of %d", b, buckets)
	}
}
