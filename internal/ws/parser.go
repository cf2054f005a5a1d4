package ws

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"sync/atomic"
	"unicode/utf8"

	"github.com/gobwas/ws"
)

// Close codes of RFC 6455, section 7.4.1.
const (
	closeNormal       uint16 = 1000
	closeProtocol     uint16 = 1002
	closeNoStatus     uint16 = 1005 // never sent
	closeInvalidData  uint16 = 1007
	closeMessageLarge uint16 = 1009
)

// closeTooMany is the Ignis close code for a peer that sends too much.
const closeTooMany uint16 = 4007

// violation reports input that breaks the protocol or exceeds a limit, with the close code
// to answer it with.
type violation struct {
	code  uint16
	text  string
	cause Cause // CauseNone means CauseViolation
}

func (v *violation) Error() string { return fmt.Sprintf("%s (close code %d)", v.text, v.code) }

func breach(text string) error { return &violation{code: closeProtocol, text: text} }

// The work that a peer causes is measured in bytes, so that no peer can monopolize a
// poller by sending many small frames, or little data that decompresses to a lot.
const (
	// turnWork is how much work is done for one connection before others get their
	// turn.
	turnWork = 32 << 10
	// frameWork is the work of a frame, in addition to its payload. Parsing, decoding
	// and queueing an empty frame takes about as long as copying that many bytes.
	frameWork = 512
	// packedWork is the work of each compressed byte. The worst input, hundreds of
	// code tables without text, takes 0.25 us per byte.
	packedWork = 32
	// lightPacked and lightMessage are the maximum sizes in bytes, compressed and
	// decompressed, of a message that is decompressed immediately. For a stranger,
	// lightStranger replaces lightPacked.
	lightPacked   = 1 << 10
	lightStranger = 256
	lightMessage  = 64 << 10
	// maxWork limits the work counted for a single item, so that sums cannot overflow.
	maxWork = 1 << 20
)

// parser parses one peer's bytes, which may arrive in pieces of any size, into
// messages. It keeps only incomplete input.
type parser struct {
	max      int       // maximum message size in bytes, before and after decompression
	pending  []byte    // an incomplete frame, or the input that was left when feed stopped early; otherwise nil
	partial  []byte    // fragments received so far of an incomplete message
	op       ws.OpCode // of the incomplete message; 0 if there is none
	packed   bool      // the incomplete message is compressed
	deflate  bool      // compression was negotiated
	stranger bool      // the number of frames is limited
	turns    bool      // work is done in turns, and large messages are deferred
	skip     bool      // discard data frames, because only the close frame matters
	deferred bool      // partial is a complete message, to be decompressed next
	seen     uint8     // number of frames since the last call of take; a turn has at most 64
	frames   int32     // number of frames that a stranger may still send
	spent    int32     // work done in this turn
	grown    int32     // size in bytes of the messages decompressed since the last call of take

	// kept is the memory in bytes of the input that the parser keeps, for other goroutines.
	kept atomic.Int32
}

// feed consumes data, which it may modify, and calls f with each complete message and
// control frame. The payload is valid only during the call. The error is a *violation,
// which ends the stream, the error that f returned, errTurn when the turn is used up, or
// errHeavy before a message that takes long to decompress. Except after a violation, feed
// keeps the remaining input, however large, and the next call continues with it, with or
// without more data.
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

// take returns the number of frames since the last call, and the size in bytes of the
// messages decompressed since then.
func (p *parser) take() (frames, grown int) {
	frames, grown = int(p.seen), int(p.grown)
	p.seen, p.grown = 0, 0
	return frames, grown
}

// held returns the memory in bytes of the input that the parser keeps.
func (p *parser) held() int32 { return int32(min(cap(p.pending)+cap(p.partial), math.MaxInt32)) }

// onlyClose makes the parser ignore everything but the peer's close frame.
func (p *parser) onlyClose() {
	p.skip, p.turns, p.stranger = true, false, false
	if p.deferred {
		p.deferred, p.op, p.partial = false, 0, nil
	}
}

// append appends data to pending. If pending starts with an incomplete frame, its capacity
// never exceeds the size of that frame by much.
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

// keep stores the remaining input. If kept is set, data is the tail of p.pending.
func (p *parser) keep(data []byte, kept bool) {
	switch {
	case len(data) == 0:
		p.pending = nil
	case kept && len(data) == len(p.pending):
		// No frame was complete. Copying here would make the server do quadratic work
		// for a peer that sends single bytes.
	case kept && cap(p.pending) <= 4*len(data):
		p.pending = append(p.pending[:0], data...)
	default: // for example, a large frame was consumed and little is left
		p.pending = append([]byte(nil), data...)
	}
}

// frame handles the frame at the start of data and returns its length, or 0 if it is
// incomplete.
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
	if p.seen < math.MaxUint8 {
		p.seen++
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

// data handles a data frame: a whole message or a fragment.
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

// unpack delivers a compressed message. It returns errHeavy if the message turns out to be
// large and was not deferred yet.
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
	p.grown += int32(min(len(text), math.MaxInt32-int(p.grown)))
	return give(op, text, f)
}

// tooLarge returns the error for a message larger than p.max.
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

// give checks a message and calls f with it.
func give(op ws.OpCode, payload []byte, f func(ws.OpCode, []byte) error) error {
	if op == ws.OpText && !utf8.Valid(payload) {
		return &violation{code: closeInvalidData, text: "text that is not UTF-8"}
	}
	return f(op, payload)
}

type header struct {
	fin    bool
	packed bool // the message is compressed; set on its first frame only
	op     ws.OpCode
	mask   [4]byte
	size   int // size of the header itself; 0 if incomplete
	length int // length of the payload
}

// header parses and checks the header of a frame from a client. It rejects a frame
// before its payload arrives, so that a peer cannot make the server wait for, or
// keep, a payload that it will reject.
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
		return h, breach("frame not masked")
	case h.op.IsReserved():
		return h, breach("unknown opcode")
	case h.op.IsControl() && !h.fin:
		return h, breach("fragmented control frame")
	case h.op.IsControl() && length > maxControl:
		return h, breach("control frame over 125 bytes")
	case h.op == ws.OpContinuation && p.op == 0:
		return h, breach("continuation frame without a first frame")
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
			return h, breach("length not encoded minimally")
		}
	case 127:
		if size += 8; len(b) < size {
			return h, nil
		}
		if length = binary.BigEndian.Uint64(b[2:]); length <= 0xffff || length>>63 != 0 {
			return h, breach("length not encoded minimally, or too large")
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

// room returns how many more bytes the current message may have on the wire. Compression
// makes incompressible data larger: by a few bytes with most compressors, but by an eighth
// in the worst case of zlib.
func (p *parser) room(packed bool) uint64 {
	limit := uint64(p.max)
	if packed {
		limit = min(limit+limit/8+64, math.MaxInt)
	}
	return limit - uint64(len(p.partial))
}
