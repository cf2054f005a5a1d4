package ignis

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

// The set agrees with a list of all revocations that is searched from the beginning.
func TestRevocationsAgreeWithAList(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 1))
		v := newRevocations(math.MaxInt)
		var list []Revocation
		at := func(ms int) time.Time { return time.UnixMilli(int64(ms)) }
		name := func() string { return fmt.Sprint(r.IntN(3)) }
		for now := 1; now < 200; now++ {
			n := Revocation{Until: at(now + 1 + r.IntN(50))}
			before := at(1 + r.IntN(20))
			switch r.IntN(5) {
			case 0:
				n.UserID = name()
			case 1:
				n.UserID, n.IssuedBefore = name(), before
			case 2:
				n.TokenID = name()
			case 3:
				n.ClientID = name()
			default:
				n.Everyone, n.IssuedBefore = true, before
			}
			if r.IntN(4) == 0 {
				list = append(list, n)
				v.add(n, int64(now))
				if !v.has(n) || v.add(n, int64(now)) != addedKnown {
					t.Fatalf("seed %d: %+v is not known after it was added", seed, n)
				}
			}
			if r.IntN(10) == 0 {
				v.expire(int64(now))
			}
			c, issued := &Client{ID: name(), UserID: name(), TokenID: name()}, int64(r.IntN(20))
			if r.IntN(5) == 0 {
				c.TokenID, issued = "", issuedAt(time.Time{})
			}
			if got, want := v.revoked(c, issued, int64(now)), listed(list, c, issued, int64(now)); got != want {
				t.Fatalf("seed %d, now %d: %+v is revoked: %v, want %v by %+v", seed, now, c, got, want, list)
			}
		}
		// What is missing in another set makes it equal.
		other := newRevocations(math.MaxInt)
		for _, n := range v.missing(other, 0) {
			other.add(n, 0)
		}
		if m := v.missing(other, 0); len(m) > 0 {
			t.Fatalf("seed %d: still missing: %+v", seed, m)
		}
		v.expire(1000)
		if v.len() != 0 || len(v.tokens)+len(v.clients)+len(v.users) != 0 {
			t.Fatalf("seed %d: %+v is left", seed, v)
		}
	}
}

// listed reports whether one of the revocations concerns a client.
func listed(list []Revocation, c *Client, issuedAt, now int64) bool {
	for _, n := range list {
		if n.Until.UnixMilli() <= now {
			continue
		}
		issued := n.IssuedBefore.IsZero() || issuedAt < n.IssuedBefore.UnixMilli()
		if n.ClientID != "" && n.ClientID == c.ID || n.TokenID != "" && n.TokenID == c.TokenID ||
			n.UserID != "" && n.UserID == c.UserID && issued || n.Everyone && issued {
			return true
		}
	}
	return false
}

// The set never has more than its limit, whatever is added, and knows its size.
func TestRevocationsAreLimited(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	v := newRevocations(20)
	refused := 0
	for now := range int64(3000) {
		n := Revocation{UserID: fmt.Sprint(r.IntN(15)), IssuedBefore: time.UnixMilli(1 + r.Int64N(100)), Until: time.UnixMilli(now + 1 + r.Int64N(100))}
		if r.IntN(3) == 0 {
			n = Revocation{TokenID: fmt.Sprint(now), Until: n.Until}
		}
		if v.add(n, now) == addedNone {
			refused++
		}
		size := len(v.tokens) + len(v.clients)
		for _, list := range v.users {
			size += len(list)
		}
		if size != v.count || size > 20 {
			t.Fatalf("%d revocations are counted as %d", size, v.count)
		}
	}
	if refused == 0 || refused == 3000 {
		t.Errorf("%d of 3000 were refused", refused)
	}
}

// A token is revoked if it was issued within the same millisecond as IssuedBefore, but earlier.
func TestRevocationsRoundUp(t *testing.T) {
	v := newRevocations(10)
	base := time.UnixMilli(1000)
	v.add(Revocation{UserID: "ann", IssuedBefore: base.Add(2), Until: base.Add(time.Hour)}, 0)
	for issued, want := range map[time.Time]bool{base.Add(1): true, base.Add(-time.Hour): true, base.Add(time.Millisecond): false, {}: true} {
		if got := v.revoked(&Client{UserID: "ann"}, issuedAt(issued), 0); got != want {
			t.Errorf("issued at %v: %v, want %v", issued, got, want)
		}
	}
}

func BenchmarkRevoked(b *testing.B) {
	v := newRevocations(1 << 16)
	until := time.Now().Add(time.Hour)
	for i := range 1 << 15 {
		v.add(Revocation{TokenID: fmt.Sprintf("0193d6a1-%08d-7000-8000-0123456789ab", i), Until: until}, 0)
		v.add(Revocation{UserID: fmt.Sprint(i), Until: until}, 0)
	}
	c := &Client{ID: "a", UserID: "ann", TokenID: "0193d6a1-x"}
	b.ReportAllocs()
	for b.Loop() {
		if v.revoked(c, 5, 0) {
			b.Fatal("revoked")
		}
	}
}
