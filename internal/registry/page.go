package registry

import (
	"cmp"
	"container/heap"
	"slices"
)

// Size is the name of a user or a room, and the number of its members.
type Size struct {
	Name    string
	Members int
}

// page collects the entries of a list that is ordered by name: those that follow after, up to
// limit. It is a heap whose first element is the last entry of the page.
type page[V any] struct {
	after   string
	limit   int
	entries []entry[V]
}

type entry[V any] struct {
	name  string
	value V
}

func (p *page[V]) Len() int           { return len(p.entries) }
func (p *page[V]) Less(i, j int) bool { return p.entries[i].name > p.entries[j].name }
func (p *page[V]) Swap(i, j int)      { p.entries[i], p.entries[j] = p.entries[j], p.entries[i] }
func (p *page[V]) Push(x any)         { p.entries = append(p.entries, x.(entry[V])) }
func (p *page[V]) Pop() any {
	last := p.entries[len(p.entries)-1]
	p.entries = p.entries[:len(p.entries)-1]
	return last
}

// wants reports whether add would add an entry with this name.
func (p *page[V]) wants(name string) bool {
	return name > p.after && (len(p.entries) < p.limit || p.limit > 0 && name < p.entries[0].name)
}

// add adds an entry if it is on the page.
func (p *page[V]) add(name string, v V) {
	if !p.wants(name) {
		return
	}
	if len(p.entries) < p.limit {
		heap.Push(p, entry[V]{name, v})
		return
	}
	p.entries[0] = entry[V]{name, v}
	heap.Fix(p, 0)
}

// sorted returns the entries in order.
func (p *page[V]) sorted() []entry[V] {
	slices.SortFunc(p.entries, func(a, b entry[V]) int { return cmp.Compare(a.name, b.name) })
	return p.entries
}

// Page returns the values of up to limit members, active or not, whose IDs are greater than
// after, in the order of their IDs. No two shards are locked at the same time, so the page may
// miss a member that is added meanwhile.
func (r *Registry[T]) Page(after string, limit int) []T {
	p := page[T]{after: after, limit: limit}
	for i := range r.ids {
		sh := &r.ids[i]
		sh.mu.RLock()
		for id, m := range sh.m {
			p.add(id, m.Value)
		}
		sh.mu.RUnlock()
	}
	values := make([]T, 0, len(p.entries))
	for _, e := range p.sorted() {
		values = append(values, e.value)
	}
	return values
}

// Users returns up to limit users whose IDs are greater than after, in order. It leaves out
// those for which keep returns false, unless keep is nil. It calls keep without holding a lock.
func (r *Registry[T]) Users(after string, limit int, keep func(string) bool) []Size {
	return r.users.page(after, limit, keep)
}

// Rooms is like Users for rooms, except those named by the members' own IDs.
func (r *Registry[T]) Rooms(after string, limit int, keep func(string) bool) []Size {
	return r.rooms.page(after, limit, keep)
}

func (g *groups[T]) page(after string, limit int, keep func(string) bool) []Size {
	p := page[int]{after: after, limit: limit}
	var found []Size
	for i := range g.shards {
		sh := &g.shards[i]
		found = found[:0]
		sh.mu.RLock()
		for name, gr := range sh.m {
			if p.wants(name) {
				found = append(found, Size{name, len(gr.seats)})
			}
		}
		sh.mu.RUnlock()
		for _, f := range found {
			if p.wants(f.Name) && (keep == nil || keep(f.Name)) {
				p.add(f.Name, f.Members)
			}
		}
	}
	sizes := make([]Size, 0, len(p.entries))
	for _, e := range p.sorted() {
		sizes = append(sizes, Size{e.name, e.value})
	}
	return sizes
}
