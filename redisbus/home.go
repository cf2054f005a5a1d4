package redisbus

import (
	"context"
	"math/rand/v2"
	"slices"
	"time"
)

// In a Cluster all instances use one node, if they can: two nodes that don't see each
// other, while both see the majority, would each carry the messages of their own
// instances alone. The node is the owner of slot 0, or the next in the order of the
// members.

const (
	// betterWait bounds a look for a better node than one that works. A bus does not
	// probe its link meanwhile.
	betterWait = 2 * time.Second
	// callWait is the same for a Publisher, whose caller waits.
	callWait = 500 * time.Millisecond
	// homeProbes is how many times ProbeInterval lie between two looks, on average.
	homeProbes = 5
)

// order returns the addresses of a Cluster's nodes in the order to try them: the
// members, those that the majority takes for failed later, then what else is
// configured. The node that was slow comes last, however good it was.
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

// addrOf returns where a member was reached before, or else where it says it is.
func (f *finder) addrOf(m *member) string {
	if addr := f.met[m.id]; addr != "" {
		return addr
	}
	return m.addr
}

// meet notes at which address the node of a link is reached.
func (f *finder) meet(l *link) {
	if l.self == "" {
		return
	}
	if f.met == nil || len(f.met) > maxMembers {
		f.met = make(map[string]string)
	}
	f.met[l.self] = l.addr
}

// rank returns the place of a link's node in the order.
func (f *finder) rank(l *link) int {
	i := slices.IndexFunc(f.members, func(m member) bool {
		return l.self != "" && m.id == l.self || m.addr == l.addr
	})
	if i < 0 {
		return len(f.members)
	}
	return i
}

// ahead returns the addresses at which there may be a node that comes before the
// link's and that the majority does not take for failed.
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
	// It may not be reachable where it says it is, but where the configuration does.
	for _, addr := range f.target.Addrs {
		if addr != l.addr && !slices.Contains(known, addr) {
			list = append(list, addr)
		}
	}
	return list
}

// best returns a link to the best node: l, or else one that is made, and l is closed.
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

// better returns a link to a node that comes before the one of l, or nil. It tries
// none that was tried.
func (f *finder) better(ctx context.Context, l *link, in *inbox, wait time.Duration, tried map[string]bool) *link {
	list := slices.DeleteFunc(f.ahead(l), func(addr string) bool { return tried[addr] })
	if len(list) == 0 {
		return nil
	}
	wait = min(wait, f.cfg.ProbeTimeout)
	if until, ok := ctx.Deadline(); ok {
		wait = min(wait, time.Until(until)/4) // the rest of the time is for what the caller wants
	}
	share := wait / time.Duration(len(list)) // so that each has its turn
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

// goHome is better, at most once in some probes.
func (f *finder) goHome(ctx context.Context, l *link, in *inbox, wait time.Duration) *link {
	if time.Now().Before(f.home) {
		return nil
	}
	f.rest()
	return f.better(ctx, l, in, wait, make(map[string]bool))
}

// rest says that it is not the time to look for a better node. Instances that look all
// do so at different times.
func (f *finder) rest() {
	pause := homeProbes * f.cfg.ProbeInterval
	f.home = time.Now().Add(pause/2 + rand.N(pause))
}
