package limit

import (
	"math"
	"time"
)

// Rate is the number of units that may be used in a period, and the number that may be
// used at once after a pause. The zero value is no limit.
type Rate struct {
	cost     float64 // nanoseconds that it takes to regain one unit; 0 for no limit
	capacity int64   // nanoseconds that it takes to regain the whole burst
}

// maxDuration limits all durations, so that sums of them cannot overflow.
const maxDuration = math.MaxInt64 / 8

// Per returns a rate of n units per period with bursts of up to burst units. It is no limit
// unless n is positive. The burst is at least one unit.
func Per(n int, period time.Duration, burst int) Rate {
	if n <= 0 {
		return Rate{}
	}
	return every(float64(period)/float64(n), float64(max(burst, 1)))
}

// PerSecond returns a rate of n units per second with bursts of up to burst units. Both must be
// positive, and can be fractions.
func PerSecond(n, burst float64) Rate { return every(float64(time.Second)/n, burst) }

// every returns a rate of which a unit is regained in cost nanoseconds.
func every(cost, burst float64) Rate {
	return Rate{cost: cost, capacity: max(int64(min(burst*cost, maxDuration)), 1)}
}

// Recovery returns the time that it takes to regain the whole burst, or 0 if r is no limit.
func (r Rate) Recovery() time.Duration { return time.Duration(r.capacity) }

// time returns the number of nanoseconds that it takes to regain n units.
func (r Rate) time(n int) int64 { return int64(min(float64(n)*r.cost, maxDuration)) }

// Bucket records how much of a rate has been used, as the time at which all of it is
// available again. The zero value is a full bucket. A Bucket is not safe for concurrent
// use.
type Bucket int64

// Take uses n units if they are available, and reports whether it did.
func (b *Bucket) Take(r Rate, now int64, n int) bool {
	if b.Wait(r, now, n) > 0 {
		return false
	}
	b.Charge(r, now, n)
	return true
}

// Charge uses n units whether they are available or not. It returns the time until the
// bucket is no longer overdrawn, or 0.
func (b *Bucket) Charge(r Rate, now int64, n int) time.Duration {
	if r.capacity == 0 {
		return 0
	}
	full := min(b.used(now), maxDuration) + r.time(n)
	*b = Bucket(now + full)
	return time.Duration(max(full-r.capacity, 0))
}

// Wait returns the time until n units are available, or 0 if they are. More units than the
// burst are available once the bucket is full.
func (b Bucket) Wait(r Rate, now int64, n int) time.Duration {
	if r.capacity == 0 {
		return 0
	}
	return time.Duration(max(b.used(now)+min(r.time(n), r.capacity)-r.capacity, 0))
}

// Fit makes at most the burst of r count as used. It must be called when the rate has changed,
// because what could be regained quickly may otherwise take as long as at the previous rate.
func (b *Bucket) Fit(r Rate, now int64) {
	if r.capacity != 0 {
		*b = min(*b, Bucket(now+r.capacity))
	}
}

// used returns the time until the bucket is full.
func (b Bucket) used(now int64) int64 {
	if b == 0 {
		return 0 // even if times are negative
	}
	return max(int64(b)-now, 0)
}
