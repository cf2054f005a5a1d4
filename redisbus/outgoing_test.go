package redisbus

import (
	"errors"
	"io"
	"slices"
	"strconv"
	"testing"

	"github.com/ignis-go/ignis/wire"
)

// The bytes that a link has written, or a reply, determine which items it may have sent.
func TestMaySent(t *testing.T) {
	items := []wire.Publication{{Channel: "c", Envelope: []byte("1234567890")}, {Channel: "ch"}, {Channel: "c", Envelope: []byte("1")}}
	const first = int64(len("*3\r\n$7\r\nPUBLISH\r\n$1\r\nc\r\n$10\r\n1234567890\r\n"))
	const second = first + int64(len("*3\r\n$7\r\nPUBLISH\r\n$2\r\nch\r\n$0\r\n\r\n"))
	lost := errors.New("lost")
	none := []error{lost, lost, lost}
	for _, row := range []struct {
		errs    []error
		written int64
		want    int
	}{
		{none, 0, 0},
		{none, 1, 1},
		{none, first, 1},
		{none, first + 1, 2},
		{none, second, 2},
		{none, second + 1, 3},
		{none, 1 << 40, 3},
		{[]error{nil, lost, lost}, 0, 1},
		{[]error{nil, nil, lost}, first, 2},
		{nil, 1 << 40, 0},
	} {
		if got := maySent(row.errs, row.written, func(i int) *wire.Publication { return &items[i] }); got != row.want {
			t.Errorf("%v, %d bytes: %d, want %d", row.errs, row.written, got, row.want)
		}
	}
}

// Restored items come before items put in the meantime, and the first ones are
// dropped first.
func TestQueueRestores(t *testing.T) {
	q := newQueue[string](10, 100, io.EOF)
	q.open()
	put := func(text string) {
		if err := q.put(text, len(text)); err != nil {
			t.Fatal(err)
		}
	}
	put("1")
	put("22")
	put("333")
	items := q.take(nil)
	put("4444")
	q.give(1, 1)
	q.restore(items[1:])
	q.restore(nil)
	if got := q.len(); got != 3 {
		t.Errorf("%d items count", got)
	}
	drop := func(below int) int {
		return q.dropWhile(func(s *string) (bool, int) {
			n, _ := strconv.Atoi(*s)
			return n < below, len(*s)
		})
	}
	if n := drop(23); n != 1 || q.len() != 2 || q.bytes != 7 {
		t.Errorf("dropped %d, and %d with %d bytes remain", n, q.len(), q.bytes)
	}
	if got := q.take(nil); !slices.Equal(got, []string{"333", "4444"}) {
		t.Errorf("remaining: %q", got)
	}
	if n := drop(1000); n != 0 || q.len() != 2 {
		t.Errorf("dropped %d items that were taken", n)
	}
}
