package ignis

import (
	"math"
	"slices"
	"sync"
	"time"
)

// revocations is a set of revocations. Times are in milliseconds since 1970, by the wall
// clock, because tokens expire by it.
type revocations struct {
	limit int

	mu      sync.RWMutex
	tokens  map[string]int64 // until when each token ID is revoked
	clients map[string]int64
	users   map[string][]cutoff // those of "" concern everyone
	count   int
	next    int64 // no revocation ends before this time
}

// cutoff revokes tokens that were issued before a time. None of the cutoffs of a user is
// covered by another one.
type cutoff struct{ before, until int64 }

func (c cutoff) covers(d cutoff) bool { return c.before >= d.before && c.until >= d.until }

// whenever is the time before which all tokens were issued.
const whenever = math.MaxInt64

func newRevocations(limit int) *revocations {
	return &revocations{
		limit: limit, tokens: make(map[string]int64), clients: make(map[string]int64), users: make(map[string][]cutoff),
		next: math.MaxInt64,
	}
}

// cutoffOf returns the times of a revocation.
func cutoffOf(r Revocation) cutoff {
	c := cutoff{whenever, roundUp(r.Until)}
	if !r.IssuedBefore.IsZero() {
		c.before = roundUp(r.IssuedBefore)
	}
	return c
}

func roundUp(t time.Time) int64 { return t.Add(time.Millisecond - 1).UnixMilli() }

// issuedAt returns Identity.IssuedAt in milliseconds. A token without it is older than any
// other.
func issuedAt(t time.Time) int64 {
	if t.IsZero() {
		return math.MinInt64
	}
	return t.UnixMilli()
}

// added is the result of revocations.add.
type added int

const (
	addedNew   added = iota
	addedKnown       // the set already covers the revocation
	addedNone        // the set is full
)

// add adds a valid revocation that has not ended.
func (v *revocations) add(r Revocation, now int64) added {
	c := cutoffOf(r)
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.covers(r, c) {
		return addedKnown
	}
	if v.count >= v.limit && now >= v.next {
		v.expireLocked(now)
	}
	if !v.insert(r, c) {
		return addedNone
	}
	v.next = min(v.next, c.until)
	return addedNew
}

// byID returns the map and the key of a revocation of a token or client, and otherwise nil.
func (v *revocations) byID(r Revocation) (ids map[string]int64, id string) {
	switch {
	case r.TokenID != "":
		return v.tokens, r.TokenID
	case r.ClientID != "":
		return v.clients, r.ClientID
	}
	return nil, ""
}

// insert adds r, with the times c, and removes what it covers. It reports false if the set is
// full.
func (v *revocations) insert(r Revocation, c cutoff) bool {
	if ids, id := v.byID(r); ids != nil {
		if _, old := ids[id]; !old {
			if v.count >= v.limit {
				return false
			}
			v.count++
		}
		ids[id] = c.until
		return true
	}
	list := v.users[r.UserID]
	kept := make([]cutoff, 0, len(list)+1)
	for _, old := range list {
		if !c.covers(old) {
			kept = append(kept, old)
		}
	}
	count := v.count - len(list) + len(kept) + 1
	if count > v.limit {
		return false
	}
	v.count, v.users[r.UserID] = count, append(kept, c)
	return true
}

// covers reports whether r, with the times c, changes nothing.
func (v *revocations) covers(r Revocation, c cutoff) bool {
	if ids, id := v.byID(r); ids != nil {
		return ids[id] >= c.until
	}
	return slices.ContainsFunc(v.users[r.UserID], func(old cutoff) bool { return old.covers(c) })
}

// has reports whether the set covers r.
func (v *revocations) has(r Revocation) bool {
	v.mu.RLock()
	defer v.mu.RUnlock()
	return v.covers(r, cutoffOf(r))
}

// revoked reports whether the access of a client is revoked whose token was issued at a time.
func (v *revocations) revoked(id *Client, issuedAt, now int64) bool {
	v.mu.RLock()
	defer v.mu.RUnlock()
	switch {
	case v.count == 0:
		return false
	case v.clients[id.ID] > now, id.TokenID != "" && v.tokens[id.TokenID] > now:
		return true
	}
	for _, list := range [...][]cutoff{v.users[id.UserID], v.users[""]} {
		for _, c := range list {
			if issuedAt < c.before && c.until > now {
				return true
			}
		}
	}
	return false
}

// len returns the number of revocations.
func (v *revocations) len() int {
	v.mu.RLock()
	defer v.mu.RUnlock()
	return v.count
}

// expire removes the revocations that have ended.
func (v *revocations) expire(now int64) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if now >= v.next {
		v.expireLocked(now)
	}
}

func (v *revocations) expireLocked(now int64) {
	v.count, v.next = 0, math.MaxInt64
	keep := func(until int64) bool {
		if until <= now {
			return false
		}
		v.count++
		v.next = min(v.next, until)
		return true
	}
	for _, m := range []map[string]int64{v.tokens, v.clients} {
		for id, until := range m {
			if !keep(until) {
				delete(m, id)
			}
		}
	}
	for user, list := range v.users {
		var kept []cutoff
		for _, c := range list {
			if keep(c.until) {
				kept = append(kept, c)
			}
		}
		if kept == nil {
			delete(v.users, user)
		} else {
			v.users[user] = kept
		}
	}
}

// missing returns the revocations that have not ended and that other does not cover.
func (v *revocations) missing(other *revocations, now int64) (list []Revocation) {
	v.mu.RLock()
	defer v.mu.RUnlock()
	add := func(r Revocation, c cutoff) {
		r.Until = time.UnixMilli(c.until)
		if c.before != whenever {
			r.IssuedBefore = time.UnixMilli(c.before)
		}
		if c.until > now && !other.has(r) {
			list = append(list, r)
		}
	}
	for id, until := range v.tokens {
		add(Revocation{TokenID: id}, cutoff{whenever, until})
	}
	for id, until := range v.clients {
		add(Revocation{ClientID: id}, cutoff{whenever, until})
	}
	for id, cutoffs := range v.users {
		for _, c := range cutoffs {
			add(Revocation{UserID: id, Everyone: id == ""}, c)
		}
	}
	return list
}
