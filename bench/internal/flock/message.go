package flock

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/ignis-go/ignis/bench/internal/host"
	"github.com/ignis-go/ignis/wire"
)

// Data of messages. Everything that a client looks at has a fixed width, so that
// it is where it always is; strings, so that no server writes it anew.
const (
	dataHead  = `{"s":"0000000000","t":"0000000000000000000","m":"0000",`
	atNumber  = len(`{"s":"`)
	atTime    = atNumber + len(`0000000000","t":"`)
	atMember  = atTime + len(`0000000000000000000","m":"`)
	chatRooms = "chat-"
)

func roomName(i int) string { return fmt.Sprintf("%s%04d", chatRooms, i) }

// Data returns the data of a message with the number, size bytes long unless
// that is too short. Member is who sends it to the room; empty: everyone's.
func Data(number uint32, at time.Time, member int, room string, size int) string {
	s := fmt.Sprintf(`{"s":"%010d","t":"%019d","m":"%04d",`, number, at.UnixNano(), member)
	if room != "" {
		s += `"room":"` + room + `",`
	}
	s += `"p":"`
	return s + strings.Repeat("x", max(0, size-len(s)-2)) + `"}`
}

// What comes before the data.
var (
	plainHead      = []byte(`{"event":"` + host.Event + `","data":`)
	centrifugeHead = []byte(`{"push":{"channel":"` + wire.RoomDefault + `","pub":{"data":{"event":"` + host.Event + `","data":`)
	connected      = []byte(`{"event":"` + wire.EventConnected + `"`)
	centrifugeIn   = []byte(`"connect":{`)
)

// greeting is what a client authenticates itself with.
func (f *Flock) greeting() []byte {
	if f.cfg.Centrifuge {
		return []byte(`{"id":1,"connect":{}}`)
	}
	return []byte(`{"event":"authenticate","data":{"type":"Bearer","token":"t"}}`)
}

// message handles the text of a frame.
func (f *Flock) message(c *conn, text []byte) {
	if c.phase == phaseEntering {
		if f.cfg.Centrifuge && bytes.Contains(text, centrifugeIn) || bytes.HasPrefix(text, connected) {
			f.in(c)
		}
		return
	}
	if !f.cfg.Centrifuge {
		if bytes.HasPrefix(text, plainHead) {
			f.deliver(c, text[len(plainHead):])
		}
		return
	}
	for len(text) > 0 { // a frame may have several, a line each
		line, rest, _ := bytes.Cut(text, []byte("\n"))
		if bytes.HasPrefix(line, centrifugeHead) {
			f.deliver(c, line[len(centrifugeHead):])
		}
		text = rest
	}
}

// deliver counts a message that is measured.
func (f *Flock) deliver(c *conn, data []byte) {
	if len(data) < len(dataHead) {
		return
	}
	f.Deliveries++
	number := uint32(decimal(data[atNumber : atNumber+10]))
	if f.timed {
		sent := decimal(data[atTime : atTime+19])
		f.Latency = append(f.Latency, uint32(max(0, f.now.UnixNano()-sent)/1000))
	}
	if c.heard != nil {
		f.deliverChat(c, int(decimal(data[atMember:atMember+4])), number)
		return
	}
	switch {
	case number == c.next:
		c.next++
	case number > c.next: // others were skipped; they may come yet
		if c.missing == nil {
			c.missing = make(map[uint32]struct{})
		}
		for ; c.next < number; c.next++ {
			c.missing[c.next] = struct{}{}
		}
		c.next++
	default:
		if _, late := c.missing[number]; !late {
			f.Repeated++
			return
		}
		delete(c.missing, number)
		f.Reordered++
	}
	f.expected--
}

// deliverChat counts a message of a member of the client's room. In a chat a
// message that was skipped is counted as lost, and as reordered if it comes yet.
func (f *Flock) deliverChat(c *conn, member int, number uint32) {
	if member >= len(c.heard) {
		return
	}
	if number < c.heard[member] {
		f.Reordered++
	} else {
		c.heard[member] = number + 1
	}
	f.expected--
}

func decimal(text []byte) (n int64) {
	for _, b := range text {
		n = n*10 + int64(b-'0')
	}
	return n
}

// maxQuiet is how long nothing may come before the rest counts as lost.
const maxQuiet = 5 * time.Second

// Await waits for n messages that somebody else sends to everyone, or has sent.
func (f *Flock) Await(ctx context.Context, n int) error {
	f.expect(n)
	return f.arrive(ctx)
}

func (f *Flock) expect(n int) {
	f.next += uint32(n)
	f.expected += int64(n) * int64(f.live)
}

// arrive waits until all has come that is expected.
func (f *Flock) arrive(ctx context.Context) error {
	err := f.run(ctx, maxQuiet, func() bool { return f.expected <= 0 && f.redis.idle() })
	if errors.Is(err, errTimeout) {
		return nil // it is lost, and Lost says how much
	}
	return err
}

// Burst publishes n messages back to back and waits until they have come. It
// returns the time from the first byte to Redis until the last delivery. With a
// window, no more than that many are under way: each is published when there is
// room.
func (f *Flock) Burst(ctx context.Context, n, size, window int) (time.Duration, error) {
	if window <= 0 || window > n {
		window = n
	}
	first := f.next
	f.expect(n)
	published := 0
	publish := func(k int) error {
		at := time.Now()
		for range k {
			f.redis.queue(wire.RoomDefault, Data(first+uint32(published), at, 0, "", size))
			published++
		}
		return f.redis.flush()
	}
	began := time.Now()
	if err := publish(window); err != nil {
		return 0, err
	}
	var failed error
	err := f.run(ctx, maxQuiet, func() bool {
		left := n - published
		if left > 0 && f.expected <= int64(left+window/2)*int64(f.live) {
			failed = publish(min(left, window/2+1))
		}
		return failed != nil || f.expected <= 0 && (f.redis.idle() || f.live == 0)
	})
	if errors.Is(err, errTimeout) {
		err = nil // it is lost, and Lost says how much
	}
	return f.last.Sub(began), errors.Join(err, failed)
}

// Steady publishes a message each interval until the duration is over, and waits
// until all have come. Latency has how long each delivery took.
func (f *Flock) Steady(ctx context.Context, every, duration time.Duration, size int) error {
	f.timed = true
	defer func() { f.timed = false }()
	for due, end := time.Now(), time.Now().Add(duration); due.Before(end); due = due.Add(every) {
		if err := f.pumpUntil(ctx, due); err != nil {
			return err
		}
		number := f.next
		f.expect(1)
		f.redis.queue(wire.RoomDefault, Data(number, time.Now(), 0, "", size))
		if err := f.redis.flush(); err != nil {
			return err
		}
	}
	return f.arrive(ctx)
}

// Chat has each client send a message to its room each interval until the
// duration is over, spread evenly, and waits until all members have got them.
func (f *Flock) Chat(ctx context.Context, every, duration time.Duration, size, rooms int) (lost int64, err error) {
	members := len(f.conns) / rooms
	for _, c := range f.conns {
		c.heard = make([]uint32, members)
	}
	defer func() {
		for _, c := range f.conns {
			c.heard = nil
		}
		f.timed = false
	}()
	f.timed = true
	gap := every / time.Duration(len(f.conns))
	began := time.Now()
	for i := 0; time.Duration(i)*gap < duration; i++ {
		if err := f.pumpUntil(ctx, began.Add(time.Duration(i)*gap)); err != nil {
			return 0, err
		}
		k := i % len(f.conns)
		c := f.conns[k]
		if c.phase != phaseIn {
			continue
		}
		f.expected += int64(members)
		data := Data(uint32(i/len(f.conns)), time.Now(), k/rooms, roomName(c.room), size)
		f.send(c, []byte(`{"event":"`+host.Event+`","data":`+data+`}`))
	}
	err = f.arrive(ctx)
	lost, f.expected = max(0, f.expected), 0
	return lost, err
}

// appendBulk appends a string as Redis takes it.
func appendBulk(dst []byte, parts ...string) []byte {
	n := 0
	for _, p := range parts {
		n += len(p)
	}
	dst = append(dst, '$')
	dst = strconv.AppendInt(dst, int64(n), 10)
	dst = append(dst, "\r\n"...)
	for _, p := range parts {
		dst = append(dst, p...)
	}
	return append(dst, "\r\n"...)
}
