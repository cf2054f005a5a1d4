package httpapi

import (
	"math"
	"sync"
	"time"
)

// defaultRate is the default of Key.Rate.
const defaultRate = 10_000

// bucket limits the rate of requests and messages of a key.
type bucket struct {
	rate, burst float64

	mu     sync.Mutex
	tokens float64 // negative after a request with many messages
	last   time.Time
}

// newBucket returns a bucket for Key.Rate and Key.Burst, or nil if there is no limit.
func newBucket(rate float64, burst int) *bucket {
	if rate == 0 {
		rate = defaultRate
	}
	if rate < 0 {
		return nil
	}
	b := &bucket{rate: rate, burst: float64(burst), last: time.Now()}
	if burst == 0 {
		b.burst = max(rate, 1)
	}
	b.tokens = b.burst
	return b
}

// like reports whether two buckets have the same limit. Both may be nil.
func (b *bucket) like(other *bucket) bool {
	if b == nil || other == nil {
		return b == other
	}
	return b.rate == other.rate && b.burst == other.burst
}

// take takes a token. If there is none, it returns the time after which there will be one.
func (b *bucket) take() (wait time.Duration, ok bool) {
	if b == nil {
		return 0, true
	}
	now := time.Now()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.tokens = min(b.burst, b.tokens+b.rate*now.Sub(b.last).Seconds())
	b.last = now
	if b.tokens >= 1 {
		b.tokens--
		return 0, true
	}
	seconds := (1 - b.tokens) / b.rate
	return time.Duration(min(seconds, math.MaxInt32) * float64(time.Second)), false
}

// charge takes n more tokens, even if there are fewer, so that later requests wait.
func (b *bucket) charge(n int) {
	if b == nil || n <= 0 {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.tokens -= float64(n)
}
