package limit_test

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/ignis-go/ignis/internal/limit"
)

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }

// limits returns limits that are low enough for tests.
func limits() limit.ConnectionLimits {
	return limit.ConnectionLimits{
		Upgrades:        limit.Per(100, time.Second, 1000),
		AddressUpgrades: limit.Per(1, time.Second, 5),
		AddressFailures: limit.Per(6, time.Minute, 3),
		MaxPerAddress:   4,
		MaxRemembered:   100,
	}
}

// enter makes n attempts and returns how many are accepted, and the last refusal.
func enter(c *limit.Connections, from netip.Addr, now int64, n int) (accepted int, last limit.Refusal) {
	for range n {
		refused, retry := c.Enter(from, now)
		if refused == limit.None {
			accepted++
			continue
		}
		last = refused
		if retry <= 0 {
			panic("refused without a time to try again")
		}
	}
	return accepted, last
}

func TestConnectionsPerAddress(t *testing.T) {
	c := limit.NewConnections(limits())
	a := addr("192.0.2.1")
	if n, why := enter(c, a, 0, 10); n != 4 || why != limit.AddressCount {
		t.Errorf("%d accepted, then %v", n, why)
	}
	if n, _ := enter(c, addr("192.0.2.2"), 0, 1); n != 1 {
		t.Error("another address is refused")
	}
	c.Leave(a)
	if n, _ := enter(c, a, 0, 10); n != 1 {
		t.Errorf("%d accepted after one has left", n)
	}
	for range 10 { // more than have entered
		c.Leave(a)
	}
	if n, why := enter(c, a, 0, 10); n != 0 || why != limit.AddressRate {
		t.Errorf("%d accepted, then %v", n, why)
	}
	if n, _ := enter(c, a, 4*second, 10); n != 4 {
		t.Errorf("%d accepted after 4 s", n)
	}
}

// Refused attempts count toward no limit: whoever is refused does not have to wait longer,
// and does not keep others out.
func TestRefusalsDoNotCount(t *testing.T) {
	l := limits()
	l.Upgrades = limit.Per(1, time.Second, 10)
	c := limit.NewConnections(l)
	enter(c, addr("192.0.2.1"), 0, 10_000)
	if n, _ := enter(c, addr("192.0.2.2"), 0, 4); n != 4 {
		t.Errorf("%d accepted beside a flood", n)
	}
	if n, why := enter(c, addr("192.0.2.3"), 0, 4); n != 2 || why != limit.Upgrades {
		t.Errorf("%d accepted, then %v", n, why)
	}
	if n, _ := enter(c, addr("192.0.2.3"), second, 4); n != 1 {
		t.Errorf("%d accepted after 1 s", n)
	}
}

func TestFailures(t *testing.T) {
	c := limit.NewConnections(limits())
	a := addr("192.0.2.1")
	for i := range 3 {
		if c.Failing(a, 0) {
			t.Errorf("refused after %d failures", i)
		}
		c.Fail(a, 0)
	}
	if refused, retry := c.Enter(a, 0); !c.Failing(a, 0) || refused != limit.AddressFailure || retry != 10*time.Second {
		t.Errorf("%v, retry after %v", refused, retry)
	}
	for range 1000 { // of connections that were open already
		c.Fail(a, 0)
	}
	if !c.Failing(a, 30*second-1) || c.Failing(a, 30*second) {
		t.Error("failures of an address that is refused do not prolong the time, or prolong it to more than that of the burst")
	}
	if c.Failing(addr("192.0.2.2"), 0) {
		t.Error("another address is refused")
	}
}

// Authentications that run at the same time do not get past the limit in the long run, although
// none of them has failed when the others begin.
func TestFailuresAtTheSameTime(t *testing.T) {
	const attempts, delay = int64(10 * time.Millisecond), int64(100 * time.Millisecond)
	l := limits()
	l.AddressFailures = limit.Per(60, time.Minute, 20)
	c := limit.NewConnections(l)
	a := addr("192.0.2.1")
	failed := 0
	var running []int64 // when they fail
	for now := int64(0); now < 600*second; now += attempts {
		for len(running) > 0 && running[0] <= now {
			c.Fail(a, now)
			failed++
			running = running[1:]
		}
		if !c.Failing(a, now) {
			running = append(running, now+delay)
		}
	}
	if most := 20 + 600 + int(delay/attempts); failed > most || failed < 600 {
		t.Errorf("%d authentications have failed; want at most %d", failed, most)
	}
}

// A higher rate takes effect immediately, even if so much has been used that it would have taken
// hours to regain it at the lower one.
func TestSetLimitsFreesWaiting(t *testing.T) {
	slow := limit.Per(1, time.Hour, 1000)
	for why, set := range map[limit.Refusal]func(*limit.ConnectionLimits, limit.Rate){
		limit.Upgrades:       func(l *limit.ConnectionLimits, r limit.Rate) { l.Upgrades = r },
		limit.AddressRate:    func(l *limit.ConnectionLimits, r limit.Rate) { l.AddressUpgrades = r },
		limit.AddressFailure: func(l *limit.ConnectionLimits, r limit.Rate) { l.AddressFailures = r },
	} {
		l := limit.ConnectionLimits{MaxRemembered: 100}
		set(&l, slow)
		c := limit.NewConnections(l)
		a := addr("192.0.2.1")
		for range 2000 {
			c.Enter(a, 0)
			c.Fail(a, 0)
		}
		if _, got := enter(c, a, second, 1); got != why {
			t.Errorf("%v: refused because of %v", why, got)
		}
		set(&l, limit.Per(10, time.Second, 20))
		c.SetLimits(l, second)
		if n, got := enter(c, a, 5*second, 5); n != 5 {
			t.Errorf("%v: %d accepted with the higher rate, then %v", why, n, got)
		}
	}
}

// An IPv6 network of 64 bits is one address. An IPv4 address is the same in all notations.
// Loopback addresses and clients without an address are exempt.
func TestAddresses(t *testing.T) {
	for name, tt := range map[string]struct {
		a, b string
		same bool
	}{
		"one /64":           {"2001:db8:1:2::1", "2001:db8:1:2:ffff:ffff:ffff:ffff", true},
		"two /64":           {"2001:db8:1:2::1", "2001:db8:1:3::1", false},
		"zones":             {"fe80::1%eth0", "fe80::2%eth1", true},
		"mapped":            {"192.0.2.1", "::ffff:192.0.2.1", true},
		"NAT64":             {"64:ff9b::192.0.2.1", "192.0.2.1", true},
		"two behind NAT64":  {"64:ff9b::192.0.2.1", "64:ff9b::192.0.2.2", false},
		"IPv4 and IPv6":     {"192.0.2.1", "0:0:c000:201::1", false},
		"neighbors in IPv4": {"192.0.2.1", "192.0.2.2", false},
	} {
		c := limit.NewConnections(limits())
		enter(c, addr(tt.a), 0, 4)
		if n, _ := enter(c, addr(tt.b), 0, 1); (n == 0) != tt.same {
			t.Errorf("%s: %s and %s count as one: %v", name, tt.a, tt.b, n == 0)
		}
	}
	for _, a := range []netip.Addr{addr("127.0.0.1"), addr("127.9.9.9"), addr("::1"), addr("::ffff:127.0.0.1"), {}} {
		c := limit.NewConnections(limits())
		for range 10 {
			c.Fail(a, 0)
		}
		if n, _ := enter(c, a, 0, 100); n != 100 || c.Failing(a, 0) {
			t.Errorf("%v: %d of 100 accepted", a, n)
		}
		if open, recent := c.Counts(); open+recent > 0 {
			t.Errorf("%v: %d and %d addresses remembered", a, open, recent)
		}
	}
}

// An attacker with many addresses cannot make the server forget an address that is over its
// limit, and nobody is refused because many addresses are remembered.
func TestManyAddresses(t *testing.T) {
	c := limit.NewConnections(limits())
	bad := addr("192.0.2.1")
	for range 3 {
		c.Fail(bad, 0)
	}
	for i := range 100_000 {
		a := netip.AddrFrom4([4]byte{198, byte(i >> 16), byte(i >> 8), byte(i)})
		if refused, _ := c.Enter(a, int64(i)*int64(10*time.Millisecond)); refused != limit.None {
			t.Fatalf("address %d is refused: %v", i, refused)
		}
		c.Leave(a)
		if i < 200 && !c.Failing(bad, 0) {
			t.Fatalf("forgotten after %d other addresses", i)
		}
	}
	if open, recent := c.Counts(); open != 0 || recent > 100 {
		t.Errorf("%d and %d addresses remembered", open, recent)
	}
	c.Forget(10_000 * second)
	if _, recent := c.Counts(); recent != 0 {
		t.Errorf("%d addresses remembered", recent)
	}
}

// Whatever the order of calls, no address has more connections than allowed, and once all have
// left and time has passed, nothing is remembered.
func FuzzConnections(f *testing.F) {
	f.Add([]byte{0, 1, 2, 3, 4, 5, 250, 251})
	f.Fuzz(func(t *testing.T, ops []byte) {
		c := limit.NewConnections(limits())
		now := int64(0)
		open := make(map[byte]int)
		for _, op := range ops {
			from := netip.AddrFrom4([4]byte{192, 0, 2, op & 7})
			switch op >> 3 & 3 {
			case 0, 1:
				if refused, _ := c.Enter(from, now); refused == limit.None {
					open[op&7]++
				}
			case 2:
				c.Leave(from)
				open[op&7] = max(open[op&7]-1, 0)
			case 3:
				c.Fail(from, now)
			}
			if open[op&7] > 4 {
				t.Fatal("too many connections")
			}
			now += int64(op>>5) * int64(100*time.Millisecond)
		}
		for last, n := range open {
			for range n {
				c.Leave(netip.AddrFrom4([4]byte{192, 0, 2, last}))
			}
		}
		c.Forget(now + 100*second)
		if open, recent := c.Counts(); open+recent > 0 {
			t.Fatalf("%d and %d addresses remembered", open, recent)
		}
	})
}

func BenchmarkEnter(b *testing.B) {
	for _, n := range []int{1, 100_000} {
		b.Run(fmt.Sprintf("addresses=%d", n), func(b *testing.B) {
			c := limit.NewConnections(limit.ConnectionLimits{
				Upgrades: limit.Per(1e9, time.Second, 1e9), AddressUpgrades: limit.Per(1e6, time.Second, 1e6),
				AddressFailures: limit.Per(60, time.Minute, 200), MaxPerAddress: 4096, MaxRemembered: 1 << 16,
			})
			now, i := int64(0), 0
			b.ReportAllocs()
			for b.Loop() {
				a := netip.AddrFrom4([4]byte{198, byte(i >> 16), byte(i >> 8), byte(i)})
				i = (i + 1) % n
				now += 1000
				c.Enter(a, now)
				c.Leave(a)
			}
		})
	}
}
