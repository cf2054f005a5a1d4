package client

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"unicode/utf8"

	"github.com/gobwas/ws"

	"github.com/ignis-go/ignis/wire"
)

// frameReader assembles messages from the frames of a server.
type frameReader struct {
	r       io.Reader
	max     int              // maximum message size in bytes
	tooLong func(size int64) // called for each larger message, which is skipped; if nil, it is an error

	header  [ws.MaxHeaderSize]byte
	state   ws.State
	partial []byte // fragments received so far
	skipped int64  // bytes of the message being skipped; 0 if none is
	op      ws.OpCode
}

func newFrameReader(r io.Reader, limit int, tooLong func(size int64)) *frameReader {
	return &frameReader{r: r, max: limit, tooLong: tooLong, state: ws.StateClientSide}
}

// next returns the next control frame or complete message; the op of a message is
// OpText or OpBinary. The caller owns the payload. The error is a *failure if the
// server is at fault, and otherwise that of the reader. It is io.EOF only between two
// frames.
func (f *frameReader) next() (ws.OpCode, []byte, error) {
	for {
		h, err := ws.ReadHeaderBuffer(f.r, f.header[:])
		switch {
		case errors.Is(err, ws.ErrHeaderLengthMSB), errors.Is(err, ws.ErrHeaderLengthUnexpected):
			return 0, nil, protocolError(ws.StatusProtocolError, "%w", err)
		case err != nil:
			return 0, nil, err
		}
		if err := ws.CheckHeader(h, f.state); err != nil {
			return 0, nil, protocolError(ws.StatusProtocolError, "%w", err)
		}
		if h.OpCode.IsControl() {
			payload, err := readAppend(nil, f.r, int(h.Length))
			return h.OpCode, payload, err
		}
		if f.skipped > 0 || h.Length > int64(f.max-len(f.partial)) {
			if err := f.skip(h); err != nil {
				return 0, nil, err
			}
			continue
		}
		if f.partial, err = readAppend(f.partial, f.r, int(h.Length)); err != nil {
			return 0, nil, err
		}
		if h.OpCode != ws.OpContinuation {
			f.op = h.OpCode
		}
		if h.Fin {
			message := f.partial
			f.partial, f.state = nil, f.state.Clear(ws.StateFragmented)
			return f.op, message, nil
		}
		f.state = f.state.Set(ws.StateFragmented)
	}
}

// skip discards a frame of a message that exceeds the limit, and the fragments
// received so far.
func (f *frameReader) skip(h ws.Header) error {
	if f.tooLong == nil {
		return protocolError(ws.StatusMessageTooBig,
			"%w: it has more than %d bytes; see Config.MaxMessage", wire.ErrTooLarge, f.max)
	}
	f.skipped += int64(len(f.partial)) + h.Length
	f.partial = nil
	if _, err := io.CopyN(io.Discard, f.r, h.Length); err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return err
	}
	if !h.Fin {
		f.state = f.state.Set(ws.StateFragmented)
		return nil
	}
	f.tooLong(f.skipped)
	f.skipped, f.state = 0, f.state.Clear(ws.StateFragmented)
	return nil
}

// readAppend reads n bytes and appends them to dst. It allocates memory as the bytes
// arrive, because the peer may announce more than it sends.
func readAppend(dst []byte, r io.Reader, n int) ([]byte, error) {
	const step = 64 << 10
	for n > 0 {
		part := min(n, max(step, len(dst)))
		dst = slices.Grow(dst, part)
		read, err := io.ReadFull(r, dst[len(dst):len(dst)+part])
		dst = dst[:len(dst)+read]
		if err != nil {
			return dst, err
		}
		n -= part
	}
	return dst, nil
}

// frame returns a complete frame, masked as required of clients.
func frame(op ws.OpCode, payload []byte) []byte {
	h := ws.Header{Fin: true, OpCode: op, Masked: true, Mask: ws.NewMask(), Length: int64(len(payload))}
	var b bytes.Buffer
	b.Grow(ws.HeaderSize(h) + len(payload))
	_ = ws.WriteHeader(&b, h) // writes to a Buffer never fail
	start := b.Len()
	b.Write(payload)
	ws.Cipher(b.Bytes()[start:], h.Mask, 0)
	return b.Bytes()
}

// parseClose parses the payload of a close frame.
func parseClose(payload []byte) (*CloseError, error) {
	if len(payload) == 0 {
		return &CloseError{Code: uint16(ws.StatusNoStatusRcvd)}, nil
	}
	if len(payload) == 1 {
		return nil, protocolError(ws.StatusProtocolError, "close frame with a one-byte payload")
	}
	code, reason := ws.ParseCloseFrameData(payload)
	switch {
	case !sendable(uint16(code)):
		return nil, protocolError(ws.StatusProtocolError, "close frame with code %d", code)
	case !utf8.ValidString(reason):
		return nil, protocolError(ws.StatusInvalidFramePayloadData, "close frame with invalid UTF-8")
	}
	return &CloseError{Code: uint16(code), Reason: reason}, nil
}

// sendable reports whether code may be sent in a close frame: RFC 6455, section 7.4,
// and 1012 to 1014 of its registry.
func sendable(code uint16) bool {
	switch {
	case code >= 1000 && code <= 1003, code >= 1007 && code <= 1014:
		return true
	}
	return code >= 3000 && code <= 4999
}
