package registry

import (
	"hash/maphash"
	"sync"
)

// groups is a collection of named sets of members, either users or rooms.
type groups[T any] struct {
	seed   maphash.Seed
	shards [shards]groupShard[T]
}

// groupShard is a shard of groups. Its lock guards the groups and the place field of their
// seats.
type groupShard[T any] struct {
	mu sync.RWMutex
	m  map[string]*group[T]
}

type group[T any] struct {
	name  string
	seats []*seat[T] // unordered
}

// seat is a member's place in a group.
type seat[T any] struct {
	member *Member[T]
	group  *group[T]
	place  int32 // index in group.seats
	asked  bool  // see Member.Asked
}

func (g *groups[T]) init(seed maphash.Seed) {
	g.seed = seed
	for i := range g.shards {
		g.shards[i].m = make(map[string]*group[T])
	}
}

func (g *groups[T]) shard(name string) *groupShard[T] {
	return &g.shards[maphash.String(g.seed, name)%shards]
}

func (g *groups[T]) add(name string, m *Member[T]) *seat[T] {
	sh := g.shard(name)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	gr := sh.m[name]
	if gr == nil {
		gr = &group[T]{name: name}
		sh.m[name] = gr
	}
	s := &seat[T]{member: m, group: gr, place: int32(len(gr.seats))}
	gr.seats = append(gr.seats, s)
	return s
}

func (g *groups[T]) remove(s *seat[T]) {
	gr := s.group
	sh := g.shard(gr.name)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	last := len(gr.seats) - 1
	moved := gr.seats[last]
	gr.seats[s.place], moved.place = moved, s.place
	gr.seats[last] = nil
	gr.seats = gr.seats[:last]
	if last == 0 {
		delete(sh.m, gr.name)
		return
	}
	if c := cap(gr.seats); c > 64 && last < c/4 { // shrink a group that used to be large
		gr.seats = append(make([]*seat[T], 0, c/2), gr.seats...)
	}
}

func (g *groups[T]) appendTo(dst []T, name string) []T {
	sh := g.shard(name)
	sh.mu.RLock()
	defer sh.mu.RUnlock()
	gr := sh.m[name]
	if gr == nil {
		return dst
	}
	for _, s := range gr.seats {
		dst = append(dst, s.member.Value)
	}
	return dst
}

// size returns the number of members of a group.
func (g *groups[T]) size(name string) int {
	sh := g.shard(name)
	sh.mu.RLock()
	defer sh.mu.RUnlock()
	if gr := sh.m[name]; gr != nil {
		return len(gr.seats)
	}
	return 0
}

func (g *groups[T]) count() int {
	n := 0
	for i := range g.shards {
		g.shards[i].mu.RLock()
		n += len(g.shards[i].m)
		g.shards[i].mu.RUnlock()
	}
	return n
}
