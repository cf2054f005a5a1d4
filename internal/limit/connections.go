package limit

import (
	"net/netip"
	"sync"
	"time"
)

// Refusal is the reason why a connection is refused.
type Refusal uint8

// The reasons.
const (
	None           Refusal = iota // it is not refused
	Upgrades                      // too many new connections, in all
	AddressCount                  // the address has too many connections
	AddressRate                   // too many new connections from the address
	AddressFailure                // too many failed authentications from the address
)

// ConnectionLimits configures [Connections].
type ConnectionLimits struct {
	Upgrades        Rate // new connections, in all
	AddressUpgrades Rate // new connections of an address
	AddressFailures Rate // failed authentications of an address
	MaxPerAddress   int  // open connections of an address; not positive for no limit
	// MaxRemembered is the maximum number of addresses whose recent activity is
	// remembered. The addresses of open connections are always known.
	MaxRemembered int
}

// Connections decides whether new connections are accepted. The limits for an address apply
// to a network of 64 bits if it is an IPv6 address, and not at all if it is a loopback
// address. The methods are safe for concurrent use.
type Connections struct {
	limits ConnectionLimits

	mu     sync.Mutex
	all    Bucket
	open   map[network]int32
	recent map[network]activity
}

// activity is what an address has done recently. It is equivalent to its zero value, and
// forgotten, once both buckets are full.
type activity struct{ upgrades, failures Bucket }

// rest returns the time at which a can be forgotten.
func (a activity) rest() int64 { return max(int64(a.upgrades), int64(a.failures)) }

// NewConnections returns a Connections without connections.
func NewConnections(l ConnectionLimits) *Connections {
	return &Connections{limits: l, open: make(map[network]int32), recent: make(map[network]activity)}
}

// SetLimits replaces the limits. What has been used so far still counts, up to the new bursts.
func (c *Connections) SetLimits(l ConnectionLimits, now int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.limits = l
	c.all.Fit(l.Upgrades, now)
	for key, a := range c.recent {
		a.upgrades.Fit(l.AddressUpgrades, now)
		a.failures.Fit(l.AddressFailures, now)
		c.recent[key] = a
	}
}

// Enter decides about a new connection from an address. If it is accepted, it counts as open
// until Leave is called. Otherwise Enter returns the time after which it is worth trying
// again. A refused attempt counts toward no limit.
func (c *Connections) Enter(from netip.Addr, now int64) (refused Refusal, retry time.Duration) {
	key, limited := networkOf(from)
	c.mu.Lock()
	defer c.mu.Unlock()
	var a activity
	if limited {
		a = c.recent[key]
		if refused, retry = c.judge(key, a, now); refused != None {
			return refused, retry
		}
	}
	if !c.all.Take(c.limits.Upgrades, now, 1) {
		return Upgrades, c.all.Wait(c.limits.Upgrades, now, 1)
	}
	if limited {
		a.upgrades.Charge(c.limits.AddressUpgrades, now, 1)
		c.remember(key, a, now)
		c.open[key]++
	}
	return None, 0
}

// fullAddress is the time after which an address with too many connections should try again.
const fullAddress = 30 * time.Second

// judge decides about a new connection from an address.
func (c *Connections) judge(key network, a activity, now int64) (Refusal, time.Duration) {
	if wait := a.failures.Wait(c.limits.AddressFailures, now, 1); wait > 0 {
		return AddressFailure, wait
	}
	if c.limits.MaxPerAddress > 0 && int(c.open[key]) >= c.limits.MaxPerAddress {
		return AddressCount, fullAddress
	}
	if wait := a.upgrades.Wait(c.limits.AddressUpgrades, now, 1); wait > 0 {
		return AddressRate, wait
	}
	return None, 0
}

// Leave ends a connection that Enter has accepted.
func (c *Connections) Leave(from netip.Addr) {
	key, limited := networkOf(from)
	if !limited {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch n := c.open[key]; {
	case n > 1:
		c.open[key] = n - 1
	default:
		delete(c.open, key)
	}
}

// Fail counts a failed authentication. Those that exceed the burst count as well, because they
// may have begun before the others had failed. But an address is never refused for longer than
// it takes to regain the burst.
func (c *Connections) Fail(from netip.Addr, now int64) {
	key, limited := networkOf(from)
	if !limited {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	a := c.recent[key]
	if a.failures.Wait(c.limits.AddressFailures, now, 1) < c.limits.AddressFailures.Recovery() {
		a.failures.Charge(c.limits.AddressFailures, now, 1)
		c.remember(key, a, now)
	}
}

// Failing reports whether an address has had too many failed authentications.
func (c *Connections) Failing(from netip.Addr, now int64) bool {
	key, limited := networkOf(from)
	if !limited {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.recent[key].failures.Wait(c.limits.AddressFailures, now, 1) > 0
}

// sample is the number of addresses of which remember forgets one.
const sample = 8

// remember records the activity of an address. If too many addresses are remembered, it
// forgets the least active one of a random few. An attacker with many addresses can make the
// server forget only addresses that are less active than the attacker's own, and forgetting
// is always to the advantage of an address: nobody is refused because the table is full.
func (c *Connections) remember(key network, a activity, now int64) {
	if a.rest() <= now {
		delete(c.recent, key)
		return
	}
	c.recent[key] = a
	if len(c.recent) <= c.limits.MaxRemembered {
		return
	}
	least, least0, n := key, a.rest(), 0
	for k, other := range c.recent { // starts at a random element
		if rest := other.rest(); rest < least0 {
			least, least0 = k, rest
		}
		if n++; n == sample {
			break
		}
	}
	delete(c.recent, least)
}

// Forget forgets the addresses for which all limits are fully available again. It should be
// called every few seconds.
func (c *Connections) Forget(now int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for key, a := range c.recent {
		if a.rest() <= now {
			delete(c.recent, key)
		}
	}
	if len(c.recent) == 0 {
		c.recent = make(map[network]activity) // maps do not shrink
	}
}

// Counts returns the number of addresses with open connections, and of those whose activity
// is remembered.
func (c *Connections) Counts() (open, recent int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.open), len(c.recent)
}
