package client

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"testing/iotest"

	"github.com/gobwas/ws"
)

// No input makes the frame reader panic, return more than its limit, or fail with an
// error that has no close code. The result does not depend on how the input is split.
func FuzzFrameReader(f *testing.F) {
	f.Add([]byte("\x81\x02{}\x89\x00\x8a\x01x\x88\x02\x03\xe8"))
	f.Add([]byte("\x01\x01a\x89\x01p\x00\x01b\x80\x01c\x82\x00"))
	f.Add([]byte("\x81\x7e\x00\x05hello"))
	f.Add([]byte("\x81\x7f\x00\x00\x00\x00\x00\x00\x00\x05hello"))
	f.Add([]byte("\x81\x7f\x80\x00\x00\x00\x00\x00\x00\x05hello"))
	f.Add([]byte("\x81\x85\x01\x02\x03\x04hello"))
	f.Add([]byte("\x88\x01x"))
	const limit = 1 << 10
	f.Fuzz(func(t *testing.T, in []byte) {
		whole, err := readAll(t, bytes.NewReader(in), limit)
		pieces, err2 := readAll(t, iotest.OneByteReader(bytes.NewReader(in)), limit)
		if !bytes.Equal(whole, pieces) || err.Error() != err2.Error() {
			t.Errorf("in one piece: %q, %v\nin many: %q, %v", whole, err, pieces, err2)
		}
		// The messages that were read, written again as whole frames, read the same.
		again, err := readAll(t, bytes.NewReader(whole), limit)
		if !bytes.Equal(again, whole) || !errors.Is(err, io.EOF) {
			t.Errorf("read again: %q, %v, want %q", again, err, whole)
		}
	})
}

// readAll reads messages and control frames until an error, and returns them as
// unfragmented frames.
func readAll(t *testing.T, r io.Reader, limit int) ([]byte, error) {
	f := newFrameReader(r, limit, nil)
	var out bytes.Buffer
	for {
		op, payload, err := f.next()
		if err != nil {
			var fault *failure
			switch {
			case errors.As(err, &fault):
				if !sendable(fault.code) || !errors.Is(err, ErrProtocol) {
					t.Errorf("error %v with code %d", err, fault.code)
				}
			case !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF):
				t.Errorf("error %v", err)
			}
			return out.Bytes(), err
		}
		if len(payload) > limit || op == ws.OpContinuation || op.IsReserved() {
			t.Errorf("opcode %x with %d bytes", op, len(payload))
		}
		if op == ws.OpClose {
			closed, err := parseClose(payload)
			if (closed == nil) == (err == nil) || closed != nil && closed.Code != 1005 && !sendable(closed.Code) {
				t.Errorf("parseClose(%q) = %v, %v", payload, closed, err)
			}
		}
		if err := ws.WriteFrame(&out, ws.NewFrame(op, true, payload)); err != nil {
			t.Fatal(err)
		}
	}
}

// The length in a header allocates no memory before the bytes arrive.
func TestFrameReaderTrustsNoLength(t *testing.T) {
	huge := []byte("\x81\x7f\x00\x00\x00\x00\x3f\xff\xff\xffabc")
	f := newFrameReader(bytes.NewReader(huge), 1<<30, nil)
	_, _, err := f.next()
	if !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("error %v, want an unexpected end", err)
	}
	if got := cap(f.partial); got > 128<<10 {
		t.Errorf("took %d bytes of memory for 3 bytes", got)
	}
}

func TestFrameIsMasked(t *testing.T) {
	for _, n := range []int{0, 1, 125, 126, 65535, 65536} {
		payload := bytes.Repeat([]byte("x"), n)
		b := frame(ws.OpText, payload)
		h, err := ws.ReadHeader(bytes.NewReader(b))
		if err != nil || !h.Fin || !h.Masked || h.OpCode != ws.OpText || h.Length != int64(n) {
			t.Fatalf("%d bytes: header %+v, %v", n, h, err)
		}
		got := bytes.Clone(b[ws.HeaderSize(h):])
		ws.Cipher(got, h.Mask, 0)
		if !bytes.Equal(got, payload) {
			t.Errorf("%d bytes: payload differs", n)
		}
	}
	if bytes.Equal(frame(ws.OpText, make([]byte, 16)), frame(ws.OpText, make([]byte, 16))) {
		t.Error("two frames with the same mask")
	}
}

// The codes that may be sent in a close frame, at their limits.
func TestSendable(t *testing.T) {
	for _, row := range []struct {
		from, to uint16
		want     bool
	}{
		{0, 999, false},
		{1000, 1003, true},
		{1004, 1006, false},
		{1007, 1014, true},
		{1015, 2999, false},
		{3000, 4999, true},
		{5000, 65534, false},
	} {
		for code := row.from; code <= row.to; code++ {
			if sendable(code) != row.want {
				t.Errorf("%d: %v", code, !row.want)
			}
		}
	}
}
