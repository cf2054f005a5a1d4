package registry

import (
	"fmt"
	"testing"
)

func BenchmarkAppendRoom(b *testing.B) {
	for _, n := range []int{100, 10_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			r := New[*int]()
			for i := range n {
				m := &Member[*int]{ID: fmt.Sprint(i), Value: new(int)}
				r.Add(m)
				r.Activate(m, "")
				_, _ = r.Join(m, "room", 1, true)
			}
			var dst []*int
			b.ReportAllocs()
			for b.Loop() {
				dst = r.AppendRoom(dst[:0], "room")
			}
			if len(dst) != n {
				b.Fatal(len(dst))
			}
		})
	}
}

func BenchmarkJoinLeave(b *testing.B) {
	r := New[int]()
	m := &Member[int]{ID: "a"}
	r.Add(m)
	r.Activate(m, "")
	_, _ = r.Join(m, "ws-default", 10, true)
	b.ReportAllocs()
	for b.Loop() {
		_, _ = r.Join(m, "room", 10, true)
		r.Leave(m, "room")
	}
}
