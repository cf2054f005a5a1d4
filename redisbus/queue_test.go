package redisbus

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/ignis-go/ignis/wire"
)

// The limits of a queue are exact, and taken items count until give releases them.
func TestQueueBounds(t *testing.T) {
	closed, full := errors.New("closed"), ErrQueueFull
	q := newQueue[string](3, 10, closed)
	put := func(item string, want error) {
		t.Helper()
		if err := q.put(item, len(item)); err != want { //nolint:errorlint // it is that one
			t.Errorf("put %q: %v, want %v", item, err, want)
		}
	}
	put("a", closed)
	q.open()
	put("12345678901", full)
	put("1234567890", nil)
	put("a", full)
	if got := q.take(nil); len(got) != 1 || q.len() != 1 {
		t.Errorf("took %q, %d items count", got, q.len())
	}
	put("a", full)
	if q.give(0, 9) {
		t.Error("empty although one item was not released")
	}
	put("12345678901", full)
	put("123456789", nil)
	put("a", full)
	if q.give(1, 1) {
		t.Error("empty although one item is waiting")
	}
	put("a", nil)
	put("", nil)
	put("", full) // three messages
	if n := q.drop(); n != 3 || q.len() != 0 || len(q.take(nil)) != 0 {
		t.Errorf("dropped %d, %d items count", n, q.len())
	}
	put("1234567890", nil)
	q.close(closed)
	put("", closed)
	if got := q.take(nil); len(got) != 1 || !q.give(1, 10) {
		t.Errorf("a closed queue holds %q", got)
	}
}

// take reuses the memory of an earlier take, unless that is large, and keeps none of its
// items.
func TestQueueMemory(t *testing.T) {
	q := newQueue[*int](1<<20, 1<<20, nil)
	for _, n := range []int{keepCapacity, keepCapacity + 1} {
		free := make([]*int, n)
		free[0], free[n-1] = new(int), new(int)
		q.take(free)
		if free = free[:n]; n <= keepCapacity && (free[0] != nil || free[n-1] != nil) {
			t.Errorf("%d items are still held", n)
		}
		if kept := cap(q.items) == cap(free); kept != (n <= keepCapacity) {
			t.Errorf("the memory of %d items is kept: %v", n, kept)
		}
	}
}

func TestQueueFromAnyGoroutine(t *testing.T) {
	q := newQueue[int](100, 1000, ErrNotRunning)
	var all sync.WaitGroup
	for _, call := range []func(){
		func() { _ = q.put(1, 10) },
		func() { q.take(nil) },
		func() { q.give(1, 10) },
		q.open,
		func() { q.close(ErrNotRunning) },
		func() { q.drop() },
		func() { q.len() },
		q.signal,
	} {
		for range 2 {
			all.Go(func() {
				for range 200 {
					call()
				}
			})
		}
	}
	all.Wait()
}

// The sizes of a batch for one round trip and for one call of receive are limited.
func TestBatchBounds(t *testing.T) {
	for _, row := range []struct {
		sizes string // of the items, NxSIZE
		n     int
	}{
		{"", 0},
		{"1x5000000", 1},
		{"1x1 1x1048576", 1},
		{"1x1 1x1048575", 2},
		{"4x262144", 4},
		{"4x262144 1x1", 4},
		{"511x10", 511},
		{"512x10", 512},
		{"513x10", 512},
	} {
		var items []wire.Publication
		for _, size := range sizesOf(t, row.sizes) {
			items = append(items, wire.Publication{Channel: "c", Envelope: make([]byte, size-1)})
		}
		want := 0
		for i := range row.n {
			want += size(&items[i])
		}
		if n, size := batch(len(items), func(i int) int { return size(&items[i]) }); n != row.n || size != want {
			t.Errorf("%s: %d items of %d bytes, want %d of %d", row.sizes, n, size, row.n, want)
		}
	}
	var g group
	for _, row := range []struct {
		sizes string
		n     int
	}{
		{"", 0},
		{"1x5000000", 1},
		{"1x1 1x65536", 1},
		{"1x1 1x65535", 2},
		{"4x16384 1x1", 4},
		{"255x10", 255},
		{"256x10", 256},
		{"257x10", 256},
	} {
		var items []string
		for i, size := range sizesOf(t, row.sizes) {
			items = append(items, strings.Repeat(string(rune('a'+i%26)), size))
		}
		if n := g.fill(items); n != row.n || len(g.envelopes) != n {
			t.Errorf("%s: %d envelopes, want %d", row.sizes, n, row.n)
		}
		size := 0
		for i, e := range g.envelopes {
			size += len(e)
			if string(e) != items[i] || cap(e) != len(e) {
				t.Errorf("%s: envelope %d is wrong or has spare capacity", row.sizes, i)
			}
		}
		if g.size != size {
			t.Errorf("%s: %d bytes, want %d", row.sizes, g.size, size)
		}
	}
	if g.fill([]string{"x"}); cap(g.buf) > keepBuffer {
		t.Errorf("a buffer of %d bytes is kept", cap(g.buf))
	}
}

func sizesOf(t *testing.T, text string) (sizes []int) {
	for _, part := range strings.Fields(text) {
		var n, size int
		if _, err := fmt.Sscanf(part, "%dx%d", &n, &size); err != nil {
			t.Fatal(err)
		}
		for range n {
			sizes = append(sizes, size)
		}
	}
	return sizes
}
