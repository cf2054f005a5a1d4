package httpapi

import (
	"sync"
	"time"

	"github.com/ignis-go/ignis/internal/limit"
)

// defaultRate is the default of Key.Rate.
const defaultRate = 10_000

// bucket limits the rate of requests and messages of a key.
type bucket struct {
	rate  limit.Rate
	begun time.Time

	mu   sync.Mutex
	used limit.Bucket // overdrawn after a request with many messages
}

// newBucket returns a bucket for Key.Rate and Key.Burst, or nil if there is no limit.
func newBucket(rate float64, burst int) *bucket {
	if rate == 0 {
		rate = defaultRate
	}
	if rate < 0 {
		return nil
	}
	most := float64(burst)
	if burst == 0 {
		most = max(rate, 1)
	}
	return &bucket{rate: limit.PerSecond(rate, most), begun: time.Now()}
}

// like reports whether two buckets have the same limit. Both may be nil.
func (b *bucket) like(other *bucket) bool {
	if b == nil || other == nil {
		return b == other
	}
	return b.rate == other.rate
}

// take takes a token. If there is none, it returns the time after which there will be one.
func (b *bucket) take() (wait time.Duration, ok bool) {
	if b == nil {
		return 0, true
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.now()
	if !b.used.Take(b.rate, now, 1) {
		return b.used.Wait(b.rate, now, 1), false
	}
	return 0, true
}

// charge takes n more tokens, even if there are fewer, so that later requests wait.
func (b *bucket) charge(n int) {
	if b == nil || n <= 0 {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.used.Charge(b.rate, b.now(), n)
}

// now returns the time of the monotonic clock in nanoseconds.
func (b *bucket) now() int64 { return int64(time.Since(b.begun)) }
