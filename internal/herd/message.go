//go:build linux

package herd

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/ignis-go/ignis/seal"
	"github.com/ignis-go/ignis/wire"
)

// Data of messages. Everything that a client looks at has a fixed width, so that
// it is where it always is; strings, so that no server writes it anew.
const (
	dataHead  = `{"s":"0000000000","t":"0000000000000000000","m":"0000",`
	atNumber  = len(`{"s":"`)
	atTime    = atNumber + len(`0000000000","t":"`)
	atMember  = atTime + len(`0000000000000000000","m":"`)
	chatRooms = "bench-"
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
	plainHead      = []byte(`{"event":"` + Event + `","data":`)
	centrifugeHead = []byte(`{"push":{"channel":"` + wire.RoomDefault + `","pub":{"data":{"event":"` + Event + `","data":`)
	sealedHead     = []byte(`{"event":"` + wire.EventEncrypted + `","data":`)
	connected      = []byte(`{"event":"` + wire.EventConnected + `"`)
	refused        = []byte(`{"event":"` + wire.EventError + `"`)
	centrifugeIn   = []byte(`"connect":{`)
)

// greeting is what a client authenticates itself with.
func (h *Herd) greeting() []byte {
	if h.cfg.Centrifuge {
		return []byte(`{"id":1,"connect":{}}`)
	}
	key := ""
	if h.private != nil {
		key = fmt.Sprintf(`,"publicKey":%q`, seal.PublicKey(h.private))
	}
	return fmt.Appendf(nil, `{"event":"authenticate","data":{"type":"Bearer","token":%q%s}}`, cmp.Or(h.cfg.Token, "t"), key)
}

// agree makes a client's key of what the server answered.
func (h *Herd) agree(c *conn, text []byte) error {
	m, err := wire.DecodeMessage(text)
	if err != nil {
		return err
	}
	var answer struct {
		ServerPublicKey string `json:"serverPublicKey"`
		Salt            string `json:"salt"`
	}
	if err := m.Decode(&answer); err != nil {
		return err
	}
	if answer.ServerPublicKey == "" {
		return errors.New("the server does not encrypt")
	}
	c.key, err = seal.Complete(h.private, answer.ServerPublicKey, answer.Salt, "")
	return err
}

// message handles the text of a frame.
func (h *Herd) message(c *conn, text []byte) {
	if c.phase == phaseEntering {
		if h.cfg.Centrifuge && bytes.Contains(text, centrifugeIn) || bytes.HasPrefix(text, connected) {
			if h.private != nil {
				if err := h.agree(c, text); err != nil {
					h.gone(c, err.Error())
					return
				}
			}
			h.in(c)
		} else if bytes.HasPrefix(text, refused) {
			c.told = fmt.Sprintf("%.200s", text)
		}
		return
	}
	if c.key != nil {
		data, ok := bytes.CutPrefix(text, sealedHead)
		var err error
		if ok {
			h.plain, err = c.key.Open(h.plain[:0], bytes.TrimSuffix(data, []byte("}")), nil)
		}
		if !ok || err != nil { // nothing may come in clear
			h.gone(c, "the server sends what is not sealed with the client's key")
			return
		}
		text = h.plain
	}
	if !h.cfg.Centrifuge {
		if bytes.HasPrefix(text, plainHead) {
			h.deliver(c, text[len(plainHead):])
		}
		return
	}
	for len(text) > 0 { // a frame may have several, a line each
		line, rest, _ := bytes.Cut(text, []byte("\n"))
		if bytes.HasPrefix(line, centrifugeHead) {
			h.deliver(c, line[len(centrifugeHead):])
		}
		text = rest
	}
}

// deliver counts a message that is measured.
func (h *Herd) deliver(c *conn, data []byte) {
	if len(data) < len(dataHead) {
		return
	}
	h.Deliveries++
	number := uint32(decimal(data[atNumber : atNumber+10]))
	if h.timed {
		sent := decimal(data[atTime : atTime+19])
		h.Latency.Add(time.Duration(h.now.UnixNano() - sent))
	}
	if c.heard != nil {
		h.deliverChat(c, int(decimal(data[atMember:atMember+4])), number)
		return
	}
	switch {
	case number >= h.rooms[c.stream].next:
		h.Repeated++ // nobody has sent it
		return
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
			h.Repeated++
			return
		}
		delete(c.missing, number)
		h.Reordered++
	}
	h.expected--
}

// deliverChat counts a message of a member of the client's room. In a chat a
// message that was skipped is counted as lost, and as reordered if it comes yet.
func (h *Herd) deliverChat(c *conn, member int, number uint32) {
	if member >= len(c.heard) {
		return
	}
	if number < c.heard[member] {
		h.Reordered++
	} else {
		c.heard[member] = number + 1
	}
	h.expected--
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
func (h *Herd) Await(ctx context.Context, n int) error {
	h.expect(n)
	return h.arrive(ctx)
}

// expect counts n messages to the first room as sent.
func (h *Herd) expect(n int) {
	h.rooms[0].next += uint32(n)
	h.expected += int64(n) * int64(h.rooms[0].live)
}

// publish sends n messages back to back, to each room in turn.
func (h *Herd) publish(n, size int) error {
	at := time.Now()
	for range n {
		i := h.turn
		r := &h.rooms[i]
		h.turn = (i + 1) % len(h.rooms)
		number := r.next
		r.next++
		h.expected += int64(r.live)
		var err error
		switch {
		case h.cfg.Publish != nil:
			err = h.cfg.Publish(r.name, Data(number, at, 0, "", size))
		case h.redis != nil:
			h.redis.queue(r.name, Data(number, at, 0, "", size))
		default:
			err = h.relay(i, Data(number, at, 0, r.name, size))
		}
		if err != nil {
			return err
		}
	}
	if h.redis != nil {
		return h.redis.flush()
	}
	return nil
}

// relay has a client of a room send a message.
func (h *Herd) relay(room int, data string) error {
	for _, c := range h.conns {
		if c.phase == phaseIn && c.stream == room {
			h.say(c, []byte(`{"event":"`+Event+`","data":`+data+`}`))
			return nil
		}
	}
	return errors.New("no client is left that could send")
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
	left := n - window
	began := time.Now()
	if err := h.publish(window, size); err != nil {
		return 0, err
	}
	var failed error
	err := h.run(ctx, maxQuiet, func() bool {
		if left > 0 && h.expected <= int64(window/2)*int64(h.live)/int64(len(h.rooms)) {
			k := min(left, window/2+1)
			left -= k
			failed = h.publish(k, size)
		}
		return failed != nil || left == 0 && h.expected <= 0 && (h.idle() || h.live == 0)
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
	for due, end := time.Now(), time.Now().Add(duration); due.Before(end); due = due.Add(every) {
		if err := h.pumpUntil(ctx, due); err != nil {
			return err
		}
		if err := h.publish(1, size); err != nil {
			return err
		}
	}
	return h.arrive(ctx)
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
