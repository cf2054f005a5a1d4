package ws

import (
	"errors"
	"io"
	"math"
	"sync"

	"github.com/gobwas/ws"
	"github.com/klauspost/compress/flate"
)

// Compression is permessage-deflate of RFC 7692, always without context
// takeover, in both directions: every message is compressed by itself. So no
// connection owns a window (tens of kilobytes on each side), and all that get a
// message get the same bytes.

const (
	// deflateMin is the length from which a text is compressed. Measured with the
	// JSON of chats and of lists: 128 bytes shrink by 17 to 30, which is less than
	// the headers of the packet that carries them, 256 bytes by 75 to 110. It costs
	// 6 to 8 us, about as much as one send; the peer has to decompress it as well.
	deflateMin = 256
	// The window, how far a compressed message refers back to itself, has 2 to the power of
	// 8 to 15 bytes: RFC 7692, section 7.1.2.
	minWindow = 8
	maxWindow = 15
	// rsv1 marks the first frame of a compressed message.
	rsv1 = 0x40
	// flushTail ends what a compressor has flushed. It is left out on the wire.
	flushTail = "\x00\x00\xff\xff"
	// finalTail is flushTail and an empty final block, by which Go's decompressor
	// knows that it has read everything.
	finalTail = flushTail + "\x01" + flushTail
	// keepBuffer is how large a buffer may be to be kept for the next message.
	keepBuffer = 64 << 10
)

// packer compresses messages, one at a time. Its flate.Writer takes 1.1 MB, so
// there are only as many as are at work at once, and the unused ones are the
// garbage collector's.
type packer struct {
	flate *flate.Writer
	out   []byte
}

// packers are the unused ones for each window, from the smallest on.
var packers [maxWindow - minWindow + 1]sync.Pool

// newPacker returns a packer whose messages refer back to themselves no further than
// the window. Compress/flate, which has one window only, takes a tenth longer for 1 KB
// of JSON at its fastest level and half as long again for 16 KB, and what it makes is 8
// and 23 % larger.
func newPacker(window uint8) *packer {
	p := new(packer)
	p.flate, _ = flate.NewWriterWindow(p, 1<<window) // fails for other sizes only
	return p
}

// Write is for the flate.Writer.
func (p *packer) Write(b []byte) (int, error) {
	p.out = append(p.out, b...)
	return len(b), nil
}

// deflated returns a text frame with the text compressed for a window, or nil if that
// would not be smaller than plain.
func deflated(text []byte, window uint8, plain int) []byte {
	pool := &packers[window-minWindow]
	p, ok := pool.Get().(*packer)
	if !ok {
		p = newPacker(window)
	}
	p.flate.Reset(p)
	_, err := p.flate.Write(text)
	err = errors.Join(err, p.flate.Flush())
	var frame []byte
	n := len(p.out) - len(flushTail)
	if head := headerSize(n); err == nil && head+n < plain {
		frame = make([]byte, head+n)
		putHeader(frame, ws.OpText, n)
		frame[0] |= rsv1
		copy(frame[head:], p.out)
	}
	if p.out = p.out[:0]; cap(p.out) > keepBuffer {
		p.out = nil
	}
	pool.Put(p)
	return frame
}

// unpacker decompresses messages, one at a time. It takes 50 KB.
type unpacker struct {
	src   packed
	flate io.Reader
	out   []byte
}

var unpackers = sync.Pool{New: func() any {
	return &unpacker{flate: flate.NewReader(nil), out: make([]byte, 0, readBufferSize)}
}}

// free gives u back. What unpack has returned is not to be used any more.
func (u *unpacker) free() {
	u.src = packed{}
	if cap(u.out) > keepBuffer {
		u.out = make([]byte, 0, readBufferSize)
	}
	unpackers.Put(u)
}

// unpack returns the message whose compressed payload is b, if it has at most
// limit bytes. More is not decompressed; while the buffer grows there are one and
// a half times as many.
func (u *unpacker) unpack(b []byte, limit int) ([]byte, error) {
	u.src, u.out = packed{b: b}, u.out[:0]
	if len(b) == 0 {
		return u.out, nil // not even a block, but no doubt what is meant
	}
	for streams := 0; ; streams++ {
		if streams > maxStreams+len(b)/streamSize {
			return nil, errInflate
		}
		if err := u.flate.(flate.Resetter).Reset(&u.src, nil); err != nil {
			return nil, err
		}
		if err := u.readAll(limit); err != nil {
			return nil, err
		}
		// The peer may have marked a block as the last one, with the tail or without,
		// and others may follow it: RFC 7692, section 7.2.3.4. What is left of a tail
		// that was read as something else is no block.
		if at := u.src.at; at == len(b) || at == len(b)+len(finalTail) {
			return u.out, nil
		}
	}
}

// A message may consist of several streams, each ended by a final block, and each
// costs about a microsecond however short it is. Compressors that end one with
// each piece they are given stay below these bounds.
const (
	maxStreams = 16  // of any length
	streamSize = 256 // bytes of each further one, on average
)

// errUnpackedLarge is for a message that is over the limit when it is decompressed.
var errUnpackedLarge = &violation{code: closeMessageLarge, text: "message too large"}

// errInflate has the code that is for payload that is not what it says it is.
// RFC 7692 names none; the framing, which 1002 is for, is in order.
var errInflate = &violation{code: closeInvalidData, text: "message that cannot be decompressed"}

// readAll appends to u.out until the decompressor has met a final block.
func (u *unpacker) readAll(limit int) error {
	most := min(limit, math.MaxInt-1) + 1
	for {
		if len(u.out) == cap(u.out) {
			u.out = append(make([]byte, 0, min(2*cap(u.out), most)), u.out...)
		}
		n, err := u.flate.Read(u.out[len(u.out):min(cap(u.out), most)])
		u.out = u.out[:len(u.out)+n]
		switch {
		case len(u.out) == most:
			return errUnpackedLarge
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return errInflate
		}
	}
}

// packed reads a compressed payload and finalTail. It is an io.ByteReader so that
// the decompressor takes no more of it than it needs.
type packed struct {
	b  []byte
	at int // how much of both was read
}

func (p *packed) Read(dst []byte) (int, error) {
	n := 0
	if p.at < len(p.b) {
		n = copy(dst, p.b[p.at:])
	} else if n = copy(dst, finalTail[p.at-len(p.b):]); n == 0 && len(dst) > 0 {
		return 0, io.EOF
	}
	p.at += n
	return n, nil
}

func (p *packed) ReadByte() (byte, error) {
	at := p.at
	switch {
	case at < len(p.b):
		p.at++
		return p.b[at], nil
	case at < len(p.b)+len(finalTail):
		p.at++
		return finalTail[at-len(p.b)], nil
	}
	return 0, io.EOF
}
