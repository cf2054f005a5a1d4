//go:build linux

package herd

import (
	"context"
	"errors"
	"time"
)

// maxQuiet is how long no delivery may come before the rest counts as lost.
const maxQuiet = 5 * time.Second

// Await waits for n messages that somebody else sends to everyone, or has sent.
func (h *Herd) Await(ctx context.Context, n int) error {
	h.expect(n)
	return h.arrive(ctx)
}

// expect counts n messages to the first room as sent.
func (h *Herd) expect(n int) {
	h.rooms[0].next += uint32(n)
	h.expected += int64(n) * int64(h.rooms[0].live)
}

// publish sends n messages back to back, to each room in turn, and returns how many
// it has sent: fewer when the client that is to send the next one cannot yet.
func (h *Herd) publish(n, size int) (sent int, err error) {
	at := time.Now()
	for ; sent < n; sent++ {
		r := &h.rooms[h.turn]
		switch {
		case h.cfg.Publish != nil:
			err = h.cfg.Publish(r.name, Data(r.next, at, 0, "", size))
		case h.redis != nil:
			h.redis.queue(r.name, Data(r.next, at, 0, "", size))
		default:
			c := h.sender(h.turn)
			if c == nil {
				return sent, errors.New("no client is left that could send")
			}
			if len(c.out) > fullOut {
				return sent, nil
			}
			h.say(c, []byte(`{"event":"`+Event+`","data":`+Data(r.next, at, 0, r.name, size)+`}`))
		}
		if err != nil {
			return sent, err
		}
		r.next++
		h.expected += int64(r.live)
		h.turn = (h.turn + 1) % len(h.rooms)
	}
	if h.redis != nil {
		err = h.redis.flush()
	}
	return sent, err
}

// sender returns the client that sends to a room, or nil if it has none.
func (h *Herd) sender(room int) *conn {
	for _, c := range h.conns {
		if c.phase == phaseIn && c.stream == room {
			return c
		}
	}
	return nil
}

// idle reports whether nothing is on its way to Redis.
func (h *Herd) idle() bool { return h.redis == nil || h.redis.idle() }

// arrive waits until all has come that is expected.
func (h *Herd) arrive(ctx context.Context) error {
	err := h.run(ctx, maxQuiet, func() bool { return h.expected <= 0 && h.idle() })
	if errors.Is(err, errTimeout) {
		return nil // it is lost, and Lost says how much
	}
	return err
}

// Burst publishes n messages back to back and waits until they have come. It
// returns the time from the first byte to Redis until the last delivery. With a
// window, no more than that many are under way: each is published when there is
// room.
func (h *Herd) Burst(ctx context.Context, n, size, window int) (time.Duration, error) {
	if window <= 0 || window > n {
		window = n
	}
	h.timed = h.cfg.TimeBursts
	defer func() { h.timed = false }()
	due, left := window, n-window // to be published now, and later
	began := time.Now()
	var failed error
	err := h.run(ctx, maxQuiet, func() bool {
		if left > 0 && due == 0 && h.expected <= int64(window/2)*int64(h.live)/int64(len(h.rooms)) {
			due = min(left, window/2+1)
			left -= due
		}
		if due > 0 {
			var sent int
			sent, failed = h.publish(due, size)
			due -= sent
		}
		return failed != nil || due+left == 0 && h.expected <= 0 && (h.idle() || h.live == 0)
	})
	if errors.Is(err, errTimeout) {
		err = nil // it is lost, and Lost says how much
	}
	return h.last.Sub(began), errors.Join(err, failed)
}

// Steady publishes a message each interval until the duration is over, and waits
// until all have come. Latency has how long each delivery took.
func (h *Herd) Steady(ctx context.Context, every, duration time.Duration, size int) error {
	h.timed = true
	defer func() { h.timed = false }()
	began := time.Now()
	for due := began; due.Sub(began) < duration; due = due.Add(every) {
		if err := h.pumpUntil(ctx, due); err != nil {
			return err
		}
		if h.live == 0 {
			return errors.New("no client is left")
		}
		if err := h.publishOne(ctx, size); err != nil {
			return err
		}
	}
	return h.arrive(ctx)
}

// publishOne publishes a message as soon as the client that sends it can.
func (h *Herd) publishOne(ctx context.Context, size int) (err error) {
	sent := 0
	waited := h.run(ctx, maxQuiet, func() bool {
		sent, err = h.publish(1, size)
		return sent > 0 || err != nil
	})
	if errors.Is(waited, errTimeout) {
		waited = errors.New("the server does not read what a client sends")
	}
	return errors.Join(err, waited)
}

// Chat has each client send a message to its room each interval until the
// duration is over, spread evenly, and waits until all members have got them.
func (h *Herd) Chat(ctx context.Context, every, duration time.Duration, size, rooms int) (lost int64, err error) {
	members := len(h.conns) / rooms
	for _, c := range h.conns {
		c.heard = make([]uint32, members)
	}
	defer func() {
		for _, c := range h.conns {
			c.heard = nil
		}
		h.timed = false
	}()
	h.timed = true
	gap := every / time.Duration(len(h.conns))
	began := time.Now()
	for i := 0; time.Duration(i)*gap < duration; i++ {
		if err := h.pumpUntil(ctx, began.Add(time.Duration(i)*gap)); err != nil {
			return 0, err
		}
		k := i % len(h.conns)
		c := h.conns[k]
		if c.phase != phaseIn {
			continue
		}
		h.expected += int64(members)
		data := Data(uint32(i/len(h.conns)), time.Now(), k/rooms, roomName(c.room), size)
		h.say(c, []byte(`{"event":"`+Event+`","data":`+data+`}`))
	}
	err = h.arrive(ctx)
	lost, h.expected = max(0, h.expected), 0
	return lost, err
}
