package httpapi

import (
	"net"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// failureWindow is the time for which Config.MaxFailures applies. A failure counts for one
	// to two windows.
	failureWindow = time.Minute
	// maxFailing is the number of addresses whose failures are counted. If there are more, the
	// older failures are forgotten.
	maxFailing = 8192
)

// failures counts the requests with a wrong key.
type failures struct {
	limit int // negative: no limit

	any atomic.Bool // whether now or before is not empty

	mu          sync.Mutex
	now, before map[attempt]int
	began       time.Time
}

// attempt is what failures are counted by. A wrong key with the ID of another client does not
// prevent that client, at the same address, from using its own key.
type attempt struct {
	from netip.Prefix
	name string // the address, if it is not an IP address
	key  string // the ID, or empty if there is no key with that ID
}

// newAttempt returns the attempt of an address, with or without a port.
func newAttempt(address, keyID string) attempt {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		host = strings.Trim(address, "[]")
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return attempt{name: host, key: keyID}
	}
	ip = ip.Unmap().WithZone("")
	bits := 32
	if ip.Is6() {
		bits = 64 // a client usually has a whole network
	}
	from, _ := ip.Prefix(bits) // cannot fail: the number of bits is valid
	return attempt{from: from, key: keyID}
}

// rotate forgets old failures.
func (f *failures) rotate(now time.Time) {
	switch age := now.Sub(f.began); {
	case age >= 2*failureWindow:
		f.before, f.now, f.began = nil, nil, now
	case age >= failureWindow || len(f.now) >= maxFailing:
		f.before, f.now, f.began = f.now, nil, now
	}
	if f.now == nil {
		f.now = make(map[attempt]int)
	}
	f.any.Store(len(f.now)+len(f.before) > 0)
}

// blocked reports whether there were too many failures.
func (f *failures) blocked(a attempt) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.rotate(time.Now())
	return f.now[a]+f.before[a] >= f.limit
}

// add counts a failure.
func (f *failures) add(a attempt) {
	if f.limit < 0 {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.rotate(time.Now())
	f.now[a]++
	f.any.Store(true)
}

// quick reports whether nothing is blocked, without taking the lock.
func (f *failures) quick() bool { return f.limit < 0 || !f.any.Load() }
