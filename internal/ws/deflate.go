package ws

import (
	"errors"
	"io"
	"math"
	"sync"

	"github.com/gobwas/ws"
	"github.com/klauspost/compress/flate"
)

// Compression is permessage-deflate (RFC 7692) without context takeover in either
// direction: every message is compressed by itself. So connections do not need a window
// each (tens of kilobytes on each side), and all recipients of a message get the same
// bytes.

const (
	// deflateMin is the minimum length of a text to be compressed. Measured with the
	// JSON of chats and lists, 128 bytes shrink by 17 to 30 bytes, which is less than
	// the headers of the packet that carries them, and 256 bytes by 75 to 110 bytes.
	// Compressing takes 6 to 8 us, about as long as one send, and the peer must
	// decompress the message as well.
	deflateMin = 256
	// The window, which limits how far back a compressed message can refer, has 2^8 to
	// 2^15 bytes (RFC 7692, section 7.1.2).
	minWindow = 8
	maxWindow = 15
	// rsv1 marks the first frame of a compressed message.
	rsv1 = 0x40
	// flushTail is what a compressor's flushed output ends with. It is not sent.
	flushTail = "\x00\x00\xff\xff"
	// finalTail is flushTail followed by an empty final block, which tells Go's
	// decompressor that the input is complete.
	finalTail = flushTail + "\x01" + flushTail
	// keepBuffer is the maximum size of a buffer that is kept for the next message.
	keepBuffer = 64 << 10
)

// packer compresses messages, one at a time. Its flate.Writer takes 1.1 MB, so packers
// are pooled, and the garbage collector frees unused ones.
type packer struct {
	flate *flate.Writer
	out   []byte
}

// packers holds the unused packers for each window, starting with the smallest.
var packers [maxWindow - minWindow + 1]sync.Pool

// newPacker returns a packer whose messages refer back no further than the window.
// Package compress/flate supports only one window. At its fastest level it takes 10 %
// longer for 1 KB of JSON and 50 % longer for 16 KB, and its output is 8 % and 23 %
// larger.
func newPacker(window uint8) *packer {
	p := new(packer)
	p.flate, _ = flate.NewWriterWindow(p, 1<<window) // fails only for invalid sizes
	return p
}

// Write implements io.Writer for the flate.Writer.
func (p *packer) Write(b []byte) (int, error) {
	p.out = append(p.out, b...)
	return len(b), nil
}

// deflated returns a text frame with the text compressed for window, or nil if it would
// not be smaller than plain bytes.
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

// free returns u to the pool. The result of unpack must not be used afterwards.
func (u *unpacker) free() {
	u.src = packed{}
	if cap(u.out) > keepBuffer {
		u.out = make([]byte, 0, readBufferSize)
	}
	unpackers.Put(u)
}

// unpack returns the message whose compressed payload is b, unless it is larger than
// limit bytes. It decompresses no more than limit bytes; the buffer temporarily takes
// up to one and a half times as many bytes while it grows.
func (u *unpacker) unpack(b []byte, limit int) ([]byte, error) {
	u.src, u.out = packed{b: b}, u.out[:0]
	if len(b) == 0 {
		return u.out, nil // invalid without a block, but the intention is clear
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
		// The peer may have marked a block as final, with or without the tail, and
		// other blocks may follow it (RFC 7692, section 7.2.3.4). The rest of a partly
		// consumed tail is not a block.
		if at := u.src.at; at == len(b) || at == len(b)+len(finalTail) {
			return u.out, nil
		}
	}
}

// A message may consist of several streams, each ended by a final block, and each takes
// at least about a microsecond to decompress. Compressors that end a stream with each
// piece of input stay within these limits.
const (
	maxStreams = 16  // streams of any length
	streamSize = 256 // average size of each further stream, in bytes
)

// errUnpackedLarge reports a message that exceeds the limit when decompressed.
var errUnpackedLarge = &violation{code: closeMessageLarge, text: "message too large"}

// errInflate reports a payload that is not valid compressed data. RFC 7692 defines no
// close code for it, and 1002 does not fit, because the framing is valid.
var errInflate = &violation{code: closeInvalidData, text: "message that cannot be decompressed"}

// readAll appends to u.out until the decompressor reaches a final block.
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

// packed reads a compressed payload followed by finalTail. It is an io.ByteReader so
// that the decompressor reads no more than it needs.
type packed struct {
	b  []byte
	at int // number of bytes read
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
