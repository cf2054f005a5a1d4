//go:build linux

package herd

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/ignis-go/ignis/seal"
	"github.com/ignis-go/ignis/wire"
)

// Format of the data of messages. All values that a client reads have a fixed width, so that they
// are at fixed offsets. They are strings, so that no server reformats them.
const (
	dataHead  = `{"s":"0000000000","t":"0000000000000000000","m":"0000",`
	atNumber  = len(`{"s":"`)
	atTime    = atNumber + len(`0000000000","t":"`)
	atMember  = atTime + len(`0000000000000000000","m":"`)
	chatRooms = "bench-"
)

func roomName(i int) string { return fmt.Sprintf("%s%04d", chatRooms, i) }

// Data returns the data of a message, padded to size bytes. The room, which may be empty, is the
// room to which the server must relay the message, and member is the index of the sender in it.
func Data(number uint32, at time.Time, member int, room string, size int) string {
	s := fmt.Sprintf(`{"s":"%010d","t":"%019d","m":"%04d",`, number, at.UnixNano(), member)
	if room != "" {
		s += `"room":"` + room + `",`
	}
	s += `"p":"`
	return s + strings.Repeat("x", max(0, size-len(s)-2)) + `"}`
}

// Texts that precede the data.
var (
	plainHead      = []byte(`{"event":"` + Event + `","data":`)
	centrifugeHead = []byte(`{"push":{"channel":"` + wire.RoomDefault + `","pub":{"data":{"event":"` + Event + `","data":`)
	sealedHead     = []byte(`{"event":"` + wire.EventEncrypted + `","data":`)
	connected      = []byte(`{"event":"` + wire.EventConnected + `"`)
	refused        = []byte(`{"event":"` + wire.EventError + `"`)
	centrifugeIn   = []byte(`"connect":{`)
)

// greeting returns the message with which a client authenticates.
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

// agree derives a client's key from the server's answer.
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
		return errPlain
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
					h.goneFor(c, Reason{Text: err.Error(), Plain: errors.Is(err, errPlain)})
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
		if !ok || err != nil { // unencrypted messages are not allowed
			h.gone(c, "the server sent a message that is not sealed with the client's key")
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
	for len(text) > 0 { // a frame may contain several messages, one per line
		line, rest, _ := bytes.Cut(text, []byte("\n"))
		if bytes.HasPrefix(line, centrifugeHead) {
			h.deliver(c, line[len(centrifugeHead):])
		}
		text = rest
	}
}

// deliver counts a delivery.
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
		h.Repeated++ // it was never sent
		return
	case number == c.next:
		c.next++
	case number > c.next: // others were skipped and may arrive later
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
	h.last = h.now
	h.expected--
}

// deliverChat counts a message from a member of the client's room. In a chat, a skipped message
// counts as lost, and as reordered if it arrives later.
func (h *Herd) deliverChat(c *conn, member int, number uint32) {
	if member >= len(c.heard) {
		return
	}
	if number < c.heard[member] {
		h.Reordered++
	} else {
		c.heard[member] = number + 1
	}
	h.last = h.now
	h.expected--
}

func decimal(text []byte) (n int64) {
	for _, b := range text {
		n = n*10 + int64(b-'0')
	}
	return n
}
