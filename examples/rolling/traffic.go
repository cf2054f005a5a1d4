package main

import (
	"sync"
	"time"

	"github.com/ignis-go/ignis/wire"
)

// edge is how far apart the clocks of a publisher and a client may be: a message that was published
// less than this before a client was connected, or before its connection ended, need not arrive.
const edge = time.Second

// traffic is the messages that were published. They are numbered from 0.
type traffic struct {
	mu    sync.Mutex
	times []time.Time // when each was published
}

// next returns the number of the next message.
func (t *traffic) next() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.times = append(t.times, time.Now())
	return len(t.times) - 1
}

// session is what a client received over one connection.
type session struct {
	began   time.Time
	numbers []int
}

func (t *traffic) session() *session { return &session{began: time.Now()} }

func (s *session) got(m wire.Message) {
	n := -1
	_ = m.Decode(&n)
	s.numbers = append(s.numbers, n)
}

// ended returns the number of messages that a client received over a connection that ended at a
// time, and of those that it missed, or that arrived twice or in another order.
func (t *traffic) ended(s *session, at time.Time) (received, lost int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	first, next := -1, 0 // the first number that must arrive, and the one after the last
	for n, published := range t.times {
		if published.After(s.began.Add(edge)) && published.Before(at.Add(-edge)) {
			if first < 0 {
				first = n
			}
			next = n + 1
		}
	}
	seen := make(map[int]bool)
	for i, n := range s.numbers {
		if i > 0 && n != s.numbers[i-1]+1 { // also checks what is near the edges
			lost++
		}
		seen[n] = true
	}
	for n := max(first, 0); first >= 0 && n < next; n++ {
		if !seen[n] {
			lost++
		}
	}
	return len(s.numbers), lost
}
