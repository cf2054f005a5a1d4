package registry

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func member(id string) *Member[string] { return &Member[string]{ID: id, Value: "value of " + id} }

func sorted(s []string) []string {
	slices.Sort(s)
	return s
}

func expect(t *testing.T, what string, got, want any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func TestMemberLifeCycle(t *testing.T) {
	r := New[string]()
	m := member("a")
	if joined, err := r.Join(m, "room", 1, true); joined || err != nil {
		t.Error("joined before it was added")
	}
	if r.Activate(m, "u") {
		t.Error("activated before it was added")
	}
	if !r.Add(m) || r.Add(m) || r.Add(member("a")) {
		t.Error("the ID was not taken exactly once")
	}
	expect(t, "counts when present", r.Counts(), Counts{Members: 1})
	if joined, err := r.Join(m, "room", 1, true); joined || err != nil || m.In("a") || m.Rooms() != nil {
		t.Error("in a room before it was activated")
	}
	if got := r.AppendRoom(nil, "a"); got != nil || m.Active() {
		t.Errorf("reachable before it was activated: %q", got)
	}
	if !r.Activate(m, "u") || r.Activate(m, "u") {
		t.Error("not activated exactly once")
	}
	expect(t, "counts when active", r.Counts(), Counts{Members: 1, Active: 1, Users: 1})
	if _, err := r.Join(m, "room", 1, true); err != nil {
		t.Error(err)
	}
	expect(t, "rooms", m.Rooms(), []string{"a", "room"})
	expect(t, "room", r.AppendRoom([]string{"before"}, "room"), []string{"before", "value of a"})
	expect(t, "user", r.AppendUser(nil, "u"), []string{"value of a"})
	expect(t, "active", r.AppendActive(nil), []string{"value of a"})
	r.Remove(m)
	r.Remove(m)
	expect(t, "counts when removed", r.Counts(), Counts{})
	if joined, err := r.Join(m, "room", 9, true); joined || err != nil || r.Activate(m, "u") || r.Add(m) || m.Active() {
		t.Error("the removed member could be used again")
	}
	if _, ok := r.Get("a"); ok || r.AppendRoom(nil, "a") != nil || r.AppendUser(nil, "u") != nil || r.AppendAll(nil) != nil {
		t.Error("still found")
	}
}

func TestRemoveBeforeAdd(t *testing.T) {
	r := New[string]()
	m := member("a")
	r.Remove(m)
	if r.Add(m) {
		t.Error("added after it was removed")
	}
	r.Add(member("a"))
	r.Remove(m)
	expect(t, "another member of that id", r.Counts(), Counts{Members: 1})
}

func TestJoinAndLeave(t *testing.T) {
	r := New[string]()
	m := member("a")
	r.Add(m)
	r.Activate(m, "")
	join := func(room string, limit int, joined bool, full bool) {
		t.Helper()
		was, err := r.Join(m, room, limit, true)
		if was != joined || errors.Is(err, ErrFull) != full {
			t.Errorf("Join(%q, %d): %v, %v", room, limit, was, err)
		}
	}
	join("x", 0, false, true)
	join("a", 0, false, false) // its own room does not count
	join("x", 2, true, false)
	join("y", 2, true, false)
	join("x", 2, false, false) // joining again is a no-op, even at the limit
	join("z", 2, false, true)
	if r.Leave(m, "z") || r.Leave(m, "a") || !m.In("a") {
		t.Error("left a room that it was not in, or its own")
	}
	if !r.Leave(m, "x") || r.Leave(m, "x") {
		t.Error("not left exactly once")
	}
	join("z", 2, true, false)
	expect(t, "order of joining", m.Rooms(), []string{"a", "y", "z"})
	expect(t, "counts", r.Counts(), Counts{Members: 1, Active: 1, Rooms: 2})
	if !r.Leave(m, "z") || m.seats[:2][1] != nil {
		t.Error("the seat of the last room is still referenced")
	}
	expect(t, "rooms that remain", m.Rooms(), []string{"a", "y"})
	expect(t, "a room without members", r.AppendRoom([]string{"before"}, "z"), []string{"before"})
}

// Leaving a room frees the seat and does not allocate.
func TestLeaveDoesNotAllocate(t *testing.T) {
	for _, size := range []int{2, 8, 128} {
		r := New[string]()
		var members []*Member[string]
		for i := range size {
			m := member(fmt.Sprint(i))
			r.Add(m)
			r.Activate(m, "")
			_, _ = r.Join(m, "room", 1, true)
			members = append(members, m)
		}
		last := members[size-1]
		if size == 8 { // most members leave a room that was never large
			for _, m := range members[1:7] {
				r.Leave(m, "room")
			}
		}
		seats := r.rooms.shard("room").m["room"].seats
		allocs := testing.AllocsPerRun(20, func() {
			r.Leave(last, "room")
			if seats[len(seats)-1] != nil {
				t.Errorf("%d members: the seat is still referenced", size)
			}
			_, _ = r.Join(last, "room", 1, true) // allocates the seat
		})
		if allocs != 1 {
			t.Errorf("%d members: leaving and joining allocates %v times", size, allocs)
		}
	}
}

// A member may join the room named by another member's ID. AppendRoom then returns both
// members, once each.
func TestRoomNamedLikeAnotherMember(t *testing.T) {
	r := New[string]()
	a, b := member("a"), member("b")
	r.Add(a)
	r.Activate(a, "")
	_, _ = r.Join(a, "b", 1, true)
	expect(t, "before b is added", r.AppendRoom(nil, "b"), []string{"value of a"})
	r.Add(b)
	r.Activate(b, "")
	expect(t, "with b", sorted(r.AppendRoom(nil, "b")), []string{"value of a", "value of b"})
	r.Remove(b)
	expect(t, "without b", r.AppendRoom(nil, "b"), []string{"value of a"})
}

// A large room shrinks when its members leave.
func TestLargeRoomShrinks(t *testing.T) {
	r := New[string]()
	var members []*Member[string]
	for i := range 10_000 {
		m := member(fmt.Sprint(i))
		r.Add(m)
		r.Activate(m, "u")
		_, _ = r.Join(m, "room", 1, true)
		members = append(members, m)
	}
	for i, m := range members[:9_990] {
		if i%2 == 0 {
			r.Remove(m)
		} else {
			r.Leave(m, "room")
		}
	}
	want := []string{}
	for _, m := range members[9_990:] {
		want = append(want, m.Value)
	}
	expect(t, "remaining members", sorted(r.AppendRoom(nil, "room")), want)
	sh := r.rooms.shard("room")
	if c := cap(sh.m["room"].seats); c > 64 {
		t.Errorf("10 members hold %d seats", c)
	}
}

// The caller owns the result of a lookup, and no lock is held, so the registry may be changed
// while the caller iterates over the result.
func TestLookupsHoldNoLock(t *testing.T) {
	r := New[*Member[string]]()
	for i := range 10 {
		m := &Member[*Member[string]]{ID: fmt.Sprint(i)}
		r.Add(m)
		r.Activate(m, "u")
		_, _ = r.Join(m, "room", 1, true)
	}
	ids := []string{}
	for i := range r.AppendRoom(nil, "room") {
		m, _ := r.Get(fmt.Sprint(i))
		ids = append(ids, m.ID)
		r.Remove(m)
	}
	if len(ids) != 10 || r.Counts() != (Counts{}) {
		t.Errorf("%v, %+v", ids, r.Counts())
	}
}

// TestConcurrency calls all methods concurrently on a few members and rooms. After all
// members are removed, the indexes must be empty.
func TestConcurrency(t *testing.T) {
	const workers, rounds = 8, 2000
	r := New[string]()
	var all sync.WaitGroup
	var mu sync.Mutex
	current := make([]*Member[string], 5)
	for i := range current {
		current[i] = member(fmt.Sprint(i))
		r.Add(current[i])
	}
	for w := range workers {
		all.Go(func() {
			var buf []string
			for i := range rounds {
				n := (i*7 + w) % len(current)
				mu.Lock()
				m := current[n]
				mu.Unlock()
				room := fmt.Sprint("room", i%3)
				switch (i + w) % 8 {
				case 0:
					r.Activate(m, "u")
				case 1, 2:
					_, _ = r.Join(m, room, 2, true)
				case 3:
					r.Leave(m, room)
				case 4:
					buf = r.AppendRoom(buf[:0], room)
				case 5:
					buf = r.AppendActive(r.AppendUser(buf[:0], "u"))
				case 6:
					_, _ = r.Get(m.ID)
					m.Rooms()
					m.In(room)
					r.Counts()
				case 7:
					r.Remove(m)
					next := member(fmt.Sprintf("%d %d %d", n, w, i))
					r.Add(next)
					mu.Lock()
					current[n] = next
					mu.Unlock()
					defer r.Remove(next)
				}
			}
		})
	}
	all.Wait()
	for _, m := range current {
		r.Remove(m)
	}
	expect(t, "counts", r.Counts(), Counts{})
}

// If Add, Join, Activate and Remove of one member race, no trace of it remains, whatever their
// order.
func TestRemoveRacingJoin(t *testing.T) {
	r := New[string]()
	for i := range 2000 {
		m := member("a")
		var all sync.WaitGroup
		all.Go(func() { r.Add(m) })
		r.Add(m)
		all.Go(func() { r.Activate(m, "u"); _, _ = r.Join(m, "x", math.MaxInt, true) })
		all.Go(func() { _, _ = r.Join(m, "y", math.MaxInt, true); r.Leave(m, "x") })
		all.Go(func() { r.Remove(m) })
		all.Wait()
		if c := r.Counts(); c != (Counts{}) || r.AppendRoom(nil, "x") != nil || r.AppendUser(nil, "u") != nil {
			t.Fatalf("round %d: %+v", i, c)
		}
	}
}
