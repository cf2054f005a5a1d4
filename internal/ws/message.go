package ws

import (
	"encoding/binary"
	"strings"
	"sync"
	"sync/atomic"
	"unicode/utf8"

	"github.com/gobwas/ws"
)

// Message is one frame ready to be written to any number of connections, or
// several. What it says never changes after it has been made.
type Message struct {
	frame  []byte
	head   uint8      // length of the frame's header
	clear  bool       // goes out as it is, also on a sealed connection
	own    bool       // the protocol's own: no policy drops it
	policy Policy     // of several messages: Latest if one has a key
	key    string     // for Latest
	parts  []*Message // the messages that this one consists of, if they are several

	forms atomic.Pointer[form] // compressed, for each window that was asked for
}

// form is a message's frame with its text compressed.
type form struct {
	window uint8
	next   *form // for another window

	make  sync.Once
	frame []byte // nil if it is no smaller
}

// Text returns a text message with the payload that fill appends to the buffer
// it is given; size is a good guess of the payload's length.
func Text(size int, fill func(dst []byte) []byte) *Message {
	const room = 10 // of the longest header of an unmasked frame
	b := fill(append(make([]byte, 0, room+size), make([]byte, room)...))
	n := len(b) - room
	head := headerSize(n)
	b = b[room-head:]
	putHeader(b, ws.OpText, n)
	return &Message{frame: b, head: uint8(head)}
}

// Under sets what happens to m when the peer is behind, and returns m; without it, it
// is [Disconnect]. The key is for [Latest]. It must be called before m is queued or joined.
func (m *Message) Under(p Policy, key string) *Message {
	m.policy, m.key = p, key
	return m
}

// Own marks m as the protocol's own, and returns m. No policy drops it. Where the
// backpressure limit is reached, a quarter of it is there for such messages alone; one
// over that ends the connection. It must be called before m is queued or joined.
func (m *Message) Own() *Message {
	m.own = true
	return m
}

// Join returns one message that consists of several: to queue them, and to keep
// them waiting, costs no more than for one. It takes the parts over: they share its
// memory from now on. It must not be called with none.
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

// appendTo appends the messages that m consists of to dst.
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

// overhead is what a message takes in memory beside its frame: the Message itself,
// its place in the queue, and what the allocator rounds up.
const overhead = 128

// cost returns how many bytes of memory a message takes while it waits. It counts in
// full for each connection: a frame that many wait for is nobody's own.
func (m *Message) cost() int {
	if m.parts == nil {
		return len(m.frame) + overhead
	}
	return len(m.frame) + overhead*len(m.parts)
}

// Count returns how many messages m consists of.
func (m *Message) Count() int { return m.count() }

// count is Count.
func (m *Message) count() int { return max(1, len(m.parts)) }

// appendText appends a text frame with the payload to dst.
func appendText(dst, payload []byte) []byte {
	var head [10]byte
	putHeader(head[:], ws.OpText, len(payload))
	dst = append(dst, head[:headerSize(len(payload))]...)
	return append(dst, payload...)
}

// maxControl is the size of the largest payload of a control frame.
const maxControl = 125

// cut returns as much of the start of s as fits in n bytes of UTF-8.
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

// control returns a control frame; the payload is at most maxControl bytes.
func control(op ws.OpCode, payload []byte) *Message {
	b := make([]byte, 2+len(payload))
	putHeader(b, op, len(payload))
	copy(b[2:], payload)
	return &Message{frame: b, head: 2, clear: true, own: true}
}

// Clear returns m marked to go out as it is even on a sealed connection. It
// shares m's bytes.
func (m *Message) Clear() *Message {
	if m.clear {
		return m
	}
	return &Message{
		frame: m.frame, head: m.head, clear: true, own: m.own,
		policy: m.policy, key: m.key, parts: m.parts,
	}
}

// Payload returns the text of a message that consists of one. It must not be
// changed.
func (m *Message) Payload() []byte { return m.frame[m.head:] }

// Size returns how many bytes the message takes on the wire, not compressed.
func (m *Message) Size() int { return len(m.frame) }

// bytes returns the frame to write: the compressed one where compression was
// negotiated and makes it smaller. It is compressed at most once for each window, by
// whoever asks first while others wait, and all get the same bytes. On a sealed
// connection nothing is asked for compressed: sealed text is different for each
// client and looks random.
func (m *Message) bytes(window uint8) []byte {
	size := len(m.frame) - int(m.head)
	if window == 0 || size < deflateMin {
		return m.frame // so are all control frames, which must not be compressed
	}
	if size <= 1<<window {
		window = maxWindow // there is nothing further back
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

// form returns the form for the window, which may still have to be made.
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

// closeFrame returns the frame that begins or answers a close handshake.
func closeFrame(code uint16, reason string) *Message {
	if code == closeNoStatus {
		return control(ws.OpClose, nil)
	}
	return control(ws.OpClose, ws.NewCloseFrameBody(ws.StatusCode(code), cut(reason, maxControl-2)))
}
