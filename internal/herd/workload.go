//go:build linux

package herd

import (
	"context"
	"errors"
	"time"
)

// maxQuiet is the time without a delivery after which outstanding deliveries count as lost.
const maxQuiet = 5 * time.Second

// Await waits until all clients have received n messages that someone else sends to everyone.
func (h *Herd) Await(ctx context.Context, n int) error {
	h.expect(n)
	return h.arrive(ctx)
}

// expect counts n messages to the first room as published.
func (h *Herd) expect(n int) {
	h.rooms[0].next += uint32(n)
	h.expected += int64(n) * int64(h.rooms[0].live)
}

// publish publishes n messages back to back, to each room in turn, and returns how many it has
// published. It stops early if the client that would send the next one has a full socket.
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
				return sent, errors.New("no connected client is left to send")
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

// sender returns the client that sends to a room, or nil if there is none.
func (h *Herd) sender(room int) *conn {
	for _, c := range h.conns {
		if c.phase == phaseIn && c.stream == room {
			return c
		}
	}
	return nil
}

// idle reports whether Redis has answered all commands.
func (h *Herd) idle() bool { return h.redis == nil || h.redis.idle() }

// arrive waits for all outstanding deliveries.
func (h *Herd) arrive(ctx context.Context) error {
	err := h.run(ctx, maxQuiet, func() bool { return h.expected <= 0 && h.idle() })
	if errors.Is(err, errTimeout) {
		return nil // the rest is lost and counted by Lost
	}
	return err
}

// Burst publishes n messages back to back and waits for their deliveries. It returns the time from
// the first write to Redis to the last delivery. If window is positive, at most that many messages
// are in flight at a time.
func (h *Herd) Burst(ctx context.Context, n, size, window int) (time.Duration, error) {
	if window <= 0 || window > n {
		window = n
	}
	h.timed = h.cfg.TimeBursts
	defer func() { h.timed = false }()
	due, left := window, n-window // to publish now and later
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
		err = nil // the rest is lost and counted by Lost
	}
	return h.last.Sub(began), errors.Join(err, failed)
}

// Steady publishes a message at each interval for the given duration, and waits for the deliveries.
// Their latencies are added to Latency.
func (h *Herd) Steady(ctx context.Context, every, duration time.Duration, size int) error {
	h.timed = true
	defer func() { h.timed = false }()
	began := time.Now()
	for due := began; due.Sub(began) < duration; due = due.Add(every) {
		if err := h.pumpUntil(ctx, due); err != nil {
			return err
		}
		if h.live == 0 {
			return errors.New("no connected client is left")
		}
		if err := h.publishOne(ctx, size); err != nil {
			return err
		}
	}
	return h.arrive(ctx)
}

// publishOne publishes a message, waiting until its sender can send.
func (h *Herd) publishOne(ctx context.Context, size int) (err error) {
	sent := 0
	waited := h.run(ctx, maxQuiet, func() bool {
		sent, err = h.publish(1, size)
		return sent > 0 || err != nil
	})
	if errors.Is(waited, errTimeout) {
		waited = errors.New("the server does not read the messages of a client")
	}
	return errors.Join(err, waited)
}

// Chat makes each client send a message to its room at each interval for the given duration, spread
// evenly over time, and waits until all members have received them.
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
