package registry

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// A page is the part of the sorted list that it should be.
func TestPages(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := New[string]()
		n := rapid.IntRange(0, 60).Draw(t, "members")
		var ids []string
		users := make(map[string]int)
		for i := range n {
			m := member(fmt.Sprint("m", i*7%61))
			r.Add(m)
			user := fmt.Sprint("u", i%13)
			r.Activate(m, user)
			_, _ = r.Join(m, user, 1, true)
			ids = append(ids, m.Value)
			users[user]++
		}
		slices.Sort(ids)
		after := fmt.Sprint("m", rapid.IntRange(-1, 61).Draw(t, "after"))
		limit := rapid.IntRange(0, 70).Draw(t, "limit")
		want := []string{}
		for _, v := range ids {
			if v > "value of "+after && len(want) < limit {
				want = append(want, v)
			}
		}
		if d := cmp.Diff(want, r.Page(after, limit)); d != "" {
			t.Errorf("page after %s of %d (-want +got):\n%s", after, limit, d)
		}
		after = fmt.Sprint("u", rapid.IntRange(0, 13).Draw(t, "after user"))
		odd := rapid.Bool().Draw(t, "keep")
		keep := func(name string) bool { return len(name)%2 == 1 || !odd }
		sizes := []Size{}
		for user, members := range users {
			if user > after && keep(user) {
				sizes = append(sizes, Size{user, members})
			}
		}
		slices.SortFunc(sizes, func(a, b Size) int { return strings.Compare(a.Name, b.Name) })
		sizes = sizes[:min(len(sizes), limit)]
		for what, got := range map[string][]Size{"users": r.Users(after, limit, keep), "rooms": r.Rooms(after, limit, keep)} {
			if d := cmp.Diff(sizes, got); d != "" {
				t.Errorf("%s after %s, %d (-want +got):\n%s", what, after, limit, d)
			}
		}
	})
	r := New[string]()
	m := member("a")
	r.Add(m)
	r.Activate(m, "u")
	expect(t, "all users", r.Users("", 9, nil), []Size{{"u", 1}})
}
