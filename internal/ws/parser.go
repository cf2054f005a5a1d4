package ws

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"unicode/utf8"

	"github.com/gobwas/ws"
)

// Close codes of RFC 6455, section 7.4.1.
const (
	closeNormal       uint16 = 1000
	closeProtocol     uint16 = 1002
	closeNoStatus     uint16 = 1005 // never on the wire
	closeInvalidData  uint16 = 1007
	closeMessageLarge uint16 = 1009
)

// closeTooMany is the protocol's close code for a peer that sends too much.
const closeTooMany uint16 = 4007

// violation is input that breaks the protocol or a limit, with the close code
// that answers it.
type violation struct {
	code  uint16
	text  string
	cause Cause // CauseNone stands for CauseViolation
}

func (v *violation) Error() string { return fmt.Sprintf("%s (close code %d)", v.text, v.code) }

func breach(text string) error { return &violation{code: closeProtocol, text: text} }

// What a peer makes the server do is measured in bytes, so that no peer can keep a
// poller to itself by sending much that is small, or little that becomes large.
const (
	// turnWork is how much is done for one connection before others have their
	// turn.
	turnWork = 32 << 10
	// frameWork is what a frame counts beside its payload. Parsing, decoding and
	// queueing an empty one takes about as long as copying so many bytes.
	frameWork = 512
	// packedWork is what a byte counts that is to be decompressed. The worst input,
	// hundreds of tables of codes without a text, takes 0.25 us for each.
	packedWork = 32
	// lightPacked and lightMessage are the sizes, compressed and decompressed, up
	// to which a message is decompressed at once; lightStranger is lightPacked for a
	// stranger.
	lightPacked   = 1 << 10
	lightStranger = 256
	lightMessage  = 64 << 10
	// maxWork is what one thing counts at most, so that a sum cannot overflow.
	maxWork = 1 << 20
)

// parser takes the bytes of one peer, in whatever pieces they come, and gives
// out its messages. It keeps only what is incomplete.
type parser struct {
	max      int       // bytes of one message, also when it is decompressed
	pending  []byte    // an incomplete frame, or what f stopped before; else nil
	partial  []byte    // the fragments so far of an incomplete message
	op       ws.OpCode // of the incomplete message; 0 when there is none
	packed   bool      // the incomplete message is compressed
	deflate  bool      // compression was negotiated: messages may be compressed
	stranger bool      // only so many frames may come
	turns    bool      // the work is done in turns, and large messages are deferred
	skip     bool      // data frames are thrown away: only the close frame matters
	deferred bool      // partial is a complete message, to be decompressed next
	frames   int32     // that may still come from a stranger
	spent    int32     // work done in this turn
}

// feed consumes data, which it may change, and calls f with each complete
// message and control frame. The payload is f's only during the call. The error
// is a *violation, which ends the stream, what f returned, errTurn when enough
// work is done for a turn, or errHeavy before a message that takes long to
// decompress. Unless the stream has ended, what comes behind is kept, however
// much it is, and feed goes on with it when it is called again, with or without
// more.
func (p *parser) feed(data []byte, f func(op ws.OpCode, payload []byte) error) error {
	kept := p.pending != nil
	if kept {
		p.append(data)
		data = p.pending
	}
	var err error
	if p.deferred {
		err = p.unpack(p.op, p.partial, f)
	}
	for err == nil && len(data) > 0 {
		if p.turns && p.spent >= turnWork {
			err = errTurn
			break
		}
		var n int
		if n, err = p.frame(data, f); n == 0 {
			break
		}
		data = data[n:]
	}
	p.keep(data, kept)
	return err
}

// onlyClose makes the parser look for nothing but the peer's close frame.
func (p *parser) onlyClose() {
	p.skip, p.turns, p.stranger = true, false, false
	if p.deferred {
		p.deferred, p.op, p.partial = false, 0, nil
	}
}

// append appends data to pending. When that begins with an incomplete frame,
// there is never room for much more than the frame.
func (p *parser) append(data []byte) {
	need := len(p.pending) + len(data)
	if need > cap(p.pending) {
		room := 2 * need
		if h, err := p.header(p.pending); err == nil && h.size > 0 {
			room = min(room, max(need, h.size+h.length))
		}
		p.pending = append(make([]byte, 0, room), p.pending...)
	}
	p.pending = append(p.pending, data...)
}

// keep keeps what is incomplete; kept says that it is the end of p.pending.
func (p *parser) keep(data []byte, kept bool) {
	switch {
	case len(data) == 0:
		p.pending = nil
	case kept && len(data) == len(p.pending):
		// Nothing was complete. Copying here would cost a peer that sends byte by
		// byte little and the server the square of it.
	case kept && cap(p.pending) <= 4*len(data):
		p.pending = append(p.pending[:0], data...)
	default: // also where a large frame has gone and little is left
		p.pending = append([]byte(nil), data...)
	}
}

// frame handles the frame that data starts with and returns its length, or 0
// when it is incomplete.
func (p *parser) frame(data []byte, f func(ws.OpCode, []byte) error) (int, error) {
	h, err := p.header(data)
	if err != nil || h.size == 0 || len(data)-h.size < h.length {
		return 0, err
	}
	if p.stranger {
		if p.frames == 0 {
			return 0, &violation{closeTooMany, "Too many messages", CauseStranger}
		}
		p.frames--
	}
	p.spent += int32(min(frameWork+h.length, maxWork))
	payload := data[h.size : h.size+h.length]
	ws.Cipher(payload, h.mask, 0)
	if h.op.IsControl() {
		err = f(h.op, payload)
	} else {
		err = p.data(h, payload, f)
	}
	return h.size + h.length, err
}

// data handles a data frame: a whole message or a fragment of one.
func (p *parser) data(h header, payload []byte, f func(ws.OpCode, []byte) error) error {
	op, packed := h.op, h.packed
	if p.skip {
		payload = nil
	}
	if op == ws.OpContinuation {
		op, packed = p.op, p.packed
		payload = append(p.partial, payload...)
		p.partial = payload
	} else if !h.fin {
		p.partial = append([]byte(nil), payload...)
	}
	if !h.fin {
		p.op, p.packed = op, packed
		return nil
	}
	owned := p.partial != nil
	p.op, p.packed, p.partial = 0, false, nil
	switch {
	case p.skip:
		return nil
	case !packed:
		return give(op, payload, f)
	case p.turns && (len(payload) > lightPacked || p.stranger && len(payload) > lightStranger):
		return p.postpone(op, payload, owned)
	}
	err := p.unpack(op, payload, f)
	if errors.Is(err, errHeavy) {
		return p.postpone(op, payload, owned)
	}
	return err
}

// postpone keeps a compressed message for the next call of feed.
func (p *parser) postpone(op ws.OpCode, payload []byte, owned bool) error {
	if !owned {
		payload = append([]byte(nil), payload...)
	}
	p.deferred, p.op, p.partial = true, op, payload
	return errHeavy
}

// unpack gives out a compressed message: a large one only if it was deferred.
func (p *parser) unpack(op ws.OpCode, payload []byte, f func(ws.OpCode, []byte) error) error {
	limit := p.max
	if p.turns && !p.deferred {
		limit = min(limit, lightMessage)
	}
	if p.deferred {
		p.deferred, p.op, p.partial = false, 0, nil
	}
	p.spent += int32(min(packedWork*len(payload), maxWork))
	u := unpackers.Get().(*unpacker)
	defer u.free()
	text, err := u.unpack(payload, limit)
	switch {
	case isTooLarge(err) && limit < p.max:
		return errHeavy
	case isTooLarge(err):
		return p.tooLarge()
	case err != nil:
		return err
	}
	p.spent += int32(min(len(text), maxWork))
	return give(op, text, f)
}

// tooLarge returns what ends a stream with a message over p.max.
func (p *parser) tooLarge() error {
	v := &violation{code: closeMessageLarge, text: fmt.Sprintf("message over %d bytes", p.max)}
	if p.stranger {
		v.cause = CauseStranger
	}
	return v
}

func isTooLarge(err error) bool {
	var v *violation
	return errors.As(err, &v) && v.code == closeMessageLarge
}

// give calls f with a message.
func give(op ws.OpCode, payload []byte, f func(ws.OpCode, []byte) error) error {
	if op == ws.OpText && !utf8.Valid(payload) {
		return &violation{code: closeInvalidData, text: "text that is not UTF-8"}
	}
	return f(op, payload)
}

type header struct {
	fin    bool
	packed bool // compressed: only of the first frame of a message
	op     ws.OpCode
	mask   [4]byte
	size   int // of the header itself; 0: incomplete
	length int // of the payload
}

// header reads and checks the header of a frame from a client. What it refuses
// it refuses before the payload is there, so that a peer cannot make the server
// wait for, or keep, what it will not take.
func (p *parser) header(b []byte) (header, error) {
	var h header
	if len(b) < 2 {
		return h, nil
	}
	h.fin, h.packed, h.op = b[0]&0x80 != 0, b[0]&rsv1 != 0, ws.OpCode(b[0]&0x0f)
	startsMessage := h.op == ws.OpText || h.op == ws.OpBinary
	length := uint64(b[1] & 0x7f)
	switch {
	case b[0]&(0x70&^rsv1) != 0 || h.packed && !(p.deflate && startsMessage):
		return h, breach("reserved bits set")
	case b[1]&0x80 == 0:
		return h, breach("frame without a mask")
	case h.op.IsReserved():
		return h, breach("unknown opcode")
	case h.op.IsControl() && !h.fin:
		return h, breach("fragmented control frame")
	case h.op.IsControl() && length > maxControl:
		return h, breach("control frame over 125 bytes")
	case h.op == ws.OpContinuation && p.op == 0:
		return h, breach("continuation of nothing")
	case startsMessage && p.op != 0:
		return h, breach("new message within a fragmented one")
	}
	size := 2
	switch length {
	case 126:
		if size += 2; len(b) < size {
			return h, nil
		}
		if length = uint64(binary.BigEndian.Uint16(b[2:])); length < 126 {
			return h, breach("length not in its shortest form")
		}
	case 127:
		if size += 8; len(b) < size {
			return h, nil
		}
		if length = binary.BigEndian.Uint64(b[2:]); length <= 0xffff || length>>63 != 0 {
			return h, breach("length not in its shortest form, or negative")
		}
	}
	if !h.op.IsControl() && length > p.room(h.packed || p.packed) {
		return h, p.tooLarge()
	}
	if len(b) < size+4 {
		return h, nil
	}
	copy(h.mask[:], b[size:])
	h.size, h.length = size+4, int(length)
	return h, nil
}

// room returns how many more bytes a message may have, as they are sent. What
// cannot be compressed grows by it: by a few bytes in most compressors, but by an
// eighth in the worst case of zlib.
func (p *parser) room(packed bool) uint64 {
	limit := uint64(p.max)
	if packed {
		limit = min(limit+limit/8+64, math.MaxInt)
	}
	return limit - uint64(len(p.partial))
}

// closeStatus reads the payload of a close frame: the code, closeNoStatus when
// there is none, and the reason.
func closeStatus(payload []byte) (uint16, string, error) {
	if len(payload) == 0 {
		return closeNoStatus, "", nil
	}
	if len(payload) == 1 {
		return 0, "", breach("close frame of one byte")
	}
	code, reason := binary.BigEndian.Uint16(payload), payload[2:]
	if !validCloseCode(code) {
		return 0, "", breach("close code that may not be sent")
	}
	if !utf8.Valid(reason) {
		return 0, "", &violation{code: closeInvalidData, text: "close reason that is not UTF-8"}
	}
	return code, string(reason), nil
}

// validCloseCode reports whether a peer may send code: those of RFC 6455 and
// the registry that go over the wire, and the ranges for libraries and
// applications.
func validCloseCode(code uint16) bool {
	switch {
	case code >= 3000 && code <= 4999:
		return true
	case code >= 1000 && code <= 1014:
		return code != 1004 && code != 1005 && code != 1006
	}
	return false
}
