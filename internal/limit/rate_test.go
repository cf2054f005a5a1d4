package limit_test

import (
	"math"
	"testing"
	"time"

	"github.com/ignis-go/ignis/internal/limit"
)

const second = int64(time.Second)

// A bucket gives the burst immediately, and then the rate.
func TestTake(t *testing.T) {
	r := limit.Per(10, time.Second, 5)
	var b limit.Bucket
	taken := func(now int64) (n int) {
		for b.Take(r, now, 1) {
			n++
		}
		return n
	}
	for _, tt := range []struct {
		now  int64
		want int
	}{
		{0, 5},
		{0, 0},
		{second/10 - 1, 0},
		{second / 10, 1},
		{second / 2, 4},
		{100 * second, 5}, // a long pause gives no more than the burst
		{100 * second, 0},
		{99 * second, 0}, // a clock that goes back gives nothing
	} {
		if got := taken(tt.now); got != tt.want {
			t.Errorf("at %v, %d units are available, want %d", time.Duration(tt.now), got, tt.want)
		}
	}
}

// PerSecond accepts fractions.
func TestPerSecond(t *testing.T) {
	for _, tt := range []struct {
		rate, burst float64
		n           int           // how many can be used at once
		then        time.Duration // how long the next one takes
	}{
		{2, 2, 2, time.Second / 2},
		{0.5, 1, 1, 2 * time.Second},
		{2, 2.5, 2, time.Second / 4},
		{1e-300, 1, 1, math.MaxInt64/8 + 1},
	} {
		r := limit.PerSecond(tt.rate, tt.burst)
		var b limit.Bucket
		n := 0
		for n < 10 && b.Take(r, 0, 1) {
			n++
		}
		if then := b.Wait(r, 0, 1); n != tt.n || then != tt.then {
			t.Errorf("%v a second, at most %v: %d at once and the next after %v, want %d and %v", tt.rate, tt.burst, n, then, tt.n, tt.then)
		}
	}
}

// Charge overdraws a bucket, and the time to wait repays that.
func TestCharge(t *testing.T) {
	r := limit.Per(10, time.Second, 5)
	var b limit.Bucket
	for _, tt := range []struct {
		now  int64
		n    int
		want time.Duration
	}{
		{0, 5, 0},
		{0, 1, time.Second / 10},
		{0, 10, time.Second + time.Second/10},
		{0, 0, time.Second + time.Second/10},
		{2 * second, 0, 0},
		{2 * second, 10, time.Second / 2},
	} {
		if got := b.Charge(r, tt.now, tt.n); got != tt.want {
			t.Errorf("charging %d at %v: wait %v, want %v", tt.n, time.Duration(tt.now), got, tt.want)
		}
	}
	if b.Wait(r, 2*second, 5) == 0 || b.Wait(r, 4*second, 5) > 0 {
		t.Error("the bucket is not full again when all units are regained")
	}
}

// More units than the burst are available once the bucket is full.
func TestTakeMoreThanTheBurst(t *testing.T) {
	r := limit.Per(1, time.Second, 5)
	var b limit.Bucket
	if !b.Take(r, 0, 8) {
		t.Error("a full bucket refuses more than the burst")
	}
	if wait := b.Wait(r, 0, 8); wait != 8*time.Second || b.Take(r, 8*second-1, 8) || !b.Take(r, 8*second, 8) {
		t.Errorf("wait %v", wait)
	}
}

func TestUnlimited(t *testing.T) {
	for _, r := range []limit.Rate{{}, limit.Per(0, time.Second, 5), limit.Per(-1, time.Second, 5)} {
		var b limit.Bucket
		if r.Recovery() != 0 || !b.Take(r, 0, math.MaxInt) || b.Charge(r, 0, math.MaxInt) != 0 || b != 0 {
			t.Errorf("%+v limits", r)
		}
	}
	if limit.Per(1, time.Second, 0).Recovery() == 0 {
		t.Error("a rate without a burst is unlimited")
	}
}

// No argument makes sums overflow, and over any time no more than the burst and the rate is
// taken.
func FuzzBucket(f *testing.F) {
	f.Add(10, 5, uint32(100), []byte{1, 2, 3})
	f.Add(math.MaxInt, math.MaxInt, uint32(math.MaxUint32), []byte{255, 255})
	f.Add(1, 1, uint32(1), []byte{0, 1, 0, 200})
	f.Fuzz(func(t *testing.T, perSecond, burst int, step uint32, ops []byte) {
		perSecond, burst = max(perSecond, 1), max(burst, 1)
		r := limit.Per(perSecond, time.Second, burst)
		var b limit.Bucket
		now, taken := int64(0), 0.0
		for _, op := range ops {
			now += int64(step) * int64(op>>4)
			n := int(op & 15)
			if b.Take(r, now, n) {
				taken += float64(n)
			}
			most := float64(burst) + float64(now)/1e9*float64(perSecond)
			if taken > most*1.001+16 {
				t.Fatalf("%v taken of %v", taken, most)
			}
			if w := b.Wait(r, now, n); w < 0 || w > 0 && !b.Take(r, now+int64(w), n) {
				t.Fatalf("%d units are not available after %v", n, w)
			}
		}
		for range 2 {
			if b.Charge(r, now, math.MaxInt) < 0 {
				t.Fatal("overflow")
			}
		}
	})
}

func BenchmarkCharge(b *testing.B) {
	r := limit.Per(1e6, time.Second, 1000)
	var bucket limit.Bucket
	now := int64(0)
	b.ReportAllocs()
	for b.Loop() {
		now += 1000
		bucket.Charge(r, now, 1)
	}
}
