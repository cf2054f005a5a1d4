package ws

import (
	"encoding/binary"
	"strings"
	"sync"
	"sync/atomic"
	"unicode/utf8"

	"github.com/gobwas/ws"
)

// Message is one or more frames, ready to be written to any number of connections. Its
// content is immutable.
type Message struct {
	frame  []byte
	head   uint8      // length of the frame's header
	clear  bool       // sent unchanged, even on a sealed connection
	own    bool       // belongs to the protocol; no policy drops it
	policy Policy     // Latest if m is joined and one of its parts has a key
	key    string     // for Latest
	parts  []*Message // the messages joined in this one, if any

	forms atomic.Pointer[form] // compressed forms, one for each requested window
}

// form is a message's frame with its text compressed.
type form struct {
	window uint8
	next   *form // for another window

	make  sync.Once
	frame []byte // nil if not smaller
}

// Text returns a text message. fill appends the payload to its argument; size is an
// estimate of the payload's length.
func Text(size int, fill func(dst []byte) []byte) *Message {
	const room = 10 // size of the longest header of an unmasked frame
	b := fill(append(make([]byte, 0, room+size), make([]byte, room)...))
	n := len(b) - room
	head := headerSize(n)
	b = b[room-head:]
	putHeader(b, ws.OpText, n)
	return &Message{frame: b, head: uint8(head)}
}

// Under sets the policy that applies to m when the peer is behind, and returns m. The
// default is [Disconnect]. Only [Latest] uses the key. Under must be called before m is
// queued or joined.
func (m *Message) Under(p Policy, key string) *Message {
	m.policy, m.key = p, key
	return m
}

// Own marks m as one of the protocol's own messages, which no policy drops, and returns m.
// Once the backpressure limit is reached, such messages may take another quarter of it;
// one that exceeds even that ends the connection. Own must be called before m is queued or
// joined.
func (m *Message) Own() *Message {
	m.own = true
	return m
}

// Join returns one message that consists of parts, of which there must be at least one.
// Queueing it takes no longer than queueing a single message. Join takes ownership of the
// parts, which share the memory of the result from then on.
func Join(parts ...*Message) *Message {
	if len(parts) == 1 {
		return parts[0]
	}
	size := 0
	for _, p := range parts {
		size += p.Size()
	}
	m := &Message{frame: make([]byte, 0, size), parts: parts}
	for _, p := range parts {
		start := len(m.frame)
		m.frame = append(m.frame, p.frame...)
		p.frame = m.frame[start:len(m.frame):len(m.frame)]
		if p.keyed() {
			m.policy = Latest
		}
	}
	return m
}

// appendTo appends the messages joined in m to dst.
func (m *Message) appendTo(dst []*Message) []*Message {
	switch {
	case m.parts == nil:
		return append(dst, m)
	case !m.clear:
		return append(dst, m.parts...)
	}
	for _, p := range m.parts {
		dst = append(dst, p.Clear())
	}
	return dst
}

// overhead is the memory, in bytes, that a message takes in addition to its frame: the
// Message itself, its place in the queue, and the allocator's rounding.
const overhead = 128

// Cost returns how many bytes of memory m takes while it waits. If it waits for several
// connections, it counts in full for each of them.
func (m *Message) Cost() int { return m.cost() }

func (m *Message) cost() int {
	if m.parts == nil {
		return len(m.frame) + overhead
	}
	return len(m.frame) + overhead*len(m.parts)
}

// Count returns the number of messages joined in m, or 1.
func (m *Message) Count() int { return m.count() }

func (m *Message) count() int { return max(1, len(m.parts)) }

// appendText appends a text frame with the payload to dst.
func appendText(dst, payload []byte) []byte {
	var head [10]byte
	putHeader(head[:], ws.OpText, len(payload))
	dst = append(dst, head[:headerSize(len(payload))]...)
	return append(dst, payload...)
}

// maxControl is the maximum payload size of a control frame.
const maxControl = 125

// cut returns the longest prefix of s that fits in n bytes of UTF-8.
func cut(s string, n int) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if len(s) <= n {
		return s
	}
	for !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// control returns a control frame. The payload must have at most maxControl bytes.
func control(op ws.OpCode, payload []byte) *Message {
	b := make([]byte, 2+len(payload))
	putHeader(b, op, len(payload))
	copy(b[2:], payload)
	return &Message{frame: b, head: 2, clear: true, own: true}
}

// Clear returns a copy of m that is sent unencrypted even on a sealed connection. The
// copy shares m's bytes.
func (m *Message) Clear() *Message {
	if m.clear {
		return m
	}
	return &Message{
		frame: m.frame, head: m.head, clear: true, own: m.own,
		policy: m.policy, key: m.key, parts: m.parts,
	}
}

// Payload returns the payload of a message that is not joined. The caller must not modify
// it.
func (m *Message) Payload() []byte { return m.frame[m.head:] }

// Size returns the size of the message on the wire, in bytes, without compression.
func (m *Message) Size() int { return len(m.frame) }

// bytes returns the frame to write: the compressed one if compression was negotiated and
// makes it smaller. The frame is compressed at most once per window, by the first caller
// while others wait, and all callers get the same bytes. Messages are not compressed for
// sealed connections, because sealed text differs for each client and looks random.
func (m *Message) bytes(window uint8) []byte {
	size := len(m.frame) - int(m.head)
	if window == 0 || size < deflateMin {
		return m.frame // also covers control frames, which must not be compressed
	}
	if size <= 1<<window {
		window = maxWindow // a larger window makes no difference
	}
	f := m.form(window)
	f.make.Do(func() {
		if m.parts == nil {
			f.frame = deflated(m.Payload(), window, len(m.frame))
		}
		for _, p := range m.parts {
			f.frame = append(f.frame, p.bytes(window)...)
		}
	})
	if f.frame == nil {
		return m.frame
	}
	return f.frame
}

// form returns the form for window. Its frame may not have been compressed yet.
func (m *Message) form(window uint8) *form {
	for {
		first := m.forms.Load()
		for f := first; f != nil; f = f.next {
			if f.window == window {
				return f
			}
		}
		f := &form{window: window, next: first}
		if m.forms.CompareAndSwap(first, f) {
			return f
		}
	}
}

func headerSize(n int) int {
	switch {
	case n < 126:
		return 2
	case n <= 0xffff:
		return 4
	}
	return 10
}

func putHeader(b []byte, op ws.OpCode, n int) {
	b[0] = 0x80 | byte(op)
	switch headerSize(n) {
	case 2:
		b[1] = byte(n)
	case 4:
		b[1] = 126
		binary.BigEndian.PutUint16(b[2:], uint16(n))
	default:
		b[1] = 127
		binary.BigEndian.PutUint64(b[2:], uint64(n))
	}
}

// closeFrame returns a frame that begins or answers a close handshake.
func closeFrame(code uint16, reason string) *Message {
	if code == closeNoStatus {
		return control(ws.OpClose, nil)
	}
	return control(ws.OpClose, ws.NewCloseFrameBody(ws.StatusCode(code), cut(reason, maxControl-2)))
}
