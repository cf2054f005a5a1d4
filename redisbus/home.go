package redisbus

import (
	"context"
	"math/rand/v2"
	"slices"
	"time"
)

// In a Cluster all instances use one node, if they can: two nodes that do not see each
// other, but both see the majority, would each carry only the messages of their own
// instances. The owner of slot 0 is preferred, followed by the other members in order.

const (
	// betterWait limits the search for a node that is preferred to a working one. The bus
	// does not probe its link during the search.
	betterWait = 2 * time.Second
	// callWait is the same limit for a Publisher, whose caller waits.
	callWait = 500 * time.Millisecond
	// homeProbes is the average number of ProbeIntervals between two searches.
	homeProbes = 5
)

// order returns the addresses of a Cluster's nodes in the order in which to try them: the
// members, then those of them that the majority considers failed, then the other configured
// nodes. The slow node comes last, whatever its rank.
func (f *finder) order() []string {
	var list, failed []string
	for _, m := range f.members {
		if addr := f.addrOf(&m); m.failed {
			failed = append(failed, addr)
		} else {
			list = append(list, addr)
		}
	}
	for _, addr := range slices.Concat(failed, f.target.Addrs) {
		if !slices.Contains(list, addr) {
			list = append(list, addr)
		}
	}
	if rest := without(list, f.slow); len(rest) < len(list) {
		list = append(rest, f.slow)
	}
	return list
}

// addrOf returns the address at which a member was last reached, or else the one that the
// Cluster lists.
func (f *finder) addrOf(m *member) string {
	if addr := f.met[m.id]; addr != "" {
		return addr
	}
	return m.addr
}

// meet records the address at which a link's node was reached.
func (f *finder) meet(l *link) {
	if l.self == "" {
		return
	}
	if f.met == nil || len(f.met) > maxMembers {
		f.met = make(map[string]string)
	}
	f.met[l.self] = l.addr
}

// rank returns the position of a link's node in the order.
func (f *finder) rank(l *link) int {
	i := slices.IndexFunc(f.members, func(m member) bool {
		return l.self != "" && m.id == l.self || m.addr == l.addr
	})
	if i < 0 {
		return len(f.members)
	}
	return i
}

// ahead returns the addresses of nodes that may be preferred to the link's and that the
// majority does not consider failed.
func (f *finder) ahead(l *link) (list []string) {
	rank := f.rank(l)
	if rank == 0 {
		return nil
	}
	var known []string
	for i := range f.members {
		m := &f.members[i]
		addr := f.addrOf(m)
		known = append(known, addr)
		if i < rank && !m.failed {
			list = append(list, addr)
		}
	}
	// A member may be reachable only at a configured address, and not at the one that the
	// Cluster lists.
	for _, addr := range f.target.Addrs {
		if addr != l.addr && !slices.Contains(known, addr) {
			list = append(list, addr)
		}
	}
	return list
}

// best returns a link to the best node: l, or a new one after closing l.
func (f *finder) best(ctx context.Context, l *link, in *inbox, tried map[string]bool) *link {
	for {
		next := f.better(ctx, l, in, betterWait, tried)
		if next == nil {
			f.rest()
			return l
		}
		l.close()
		l = next
	}
}

// better returns a link to a node that is preferred to l's, or nil. It skips the
// addresses in tried.
func (f *finder) better(ctx context.Context, l *link, in *inbox, wait time.Duration, tried map[string]bool) *link {
	list := slices.DeleteFunc(f.ahead(l), func(addr string) bool { return tried[addr] })
	if len(list) == 0 {
		return nil
	}
	wait = min(wait, f.cfg.ProbeTimeout)
	if until, ok := ctx.Deadline(); ok {
		wait = min(wait, time.Until(until)/4) // leaves time for the caller's own work
	}
	share := wait / time.Duration(len(list)) // so that every node is tried
	for _, addr := range list {
		tried[addr] = true
		limited, cancel := context.WithTimeout(ctx, share)
		next, err := f.try(limited, addr, in)
		cancel()
		switch {
		case err != nil:
		case f.rank(next) < f.rank(l):
			return next
		default:
			next.close()
		}
	}
	return nil
}

// goHome is like better, but searches only if a search is due.
func (f *finder) goHome(ctx context.Context, l *link, in *inbox, wait time.Duration) *link {
	if time.Now().Before(f.home) {
		return nil
	}
	f.rest()
	return f.better(ctx, l, in, wait, make(map[string]bool))
}

// rest postpones the next search for a better node. The time is random, so that
// instances do not search simultaneously.
func (f *finder) rest() {
	pause := homeProbes * f.cfg.ProbeInterval
	f.home = time.Now().Add(pause/2 + rand.N(pause))
}
