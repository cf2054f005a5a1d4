//go:build linux

package herd

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// maxFrame is the maximum size of a received frame.
const maxFrame = 256 << 10

// Opcodes.
const (
	opText  = 1
	opClose = 8
	opPing  = 9
	opPong  = 10
)

// closeNormal is the close code of an endpoint that has finished (RFC 6455, section 7.4.1).
const closeNormal = 1000

func (h *Herd) frame(c *conn, op byte, payload []byte) {
	switch {
	case op == opText && (c.phase == phaseIn || c.phase == phaseEntering):
		h.message(c, payload)
	case op == opPing:
		h.write(c, appendFrame(nil, opPong, payload))
	case op == opClose:
		why := Reason{Text: cmp.Or(c.told, "closed by the server")}
		if len(payload) >= 2 {
			why.Code = binary.BigEndian.Uint16(payload)
			why.Text = strings.TrimSpace(fmt.Sprintf("closed with %d %.100q %s", why.Code, payload[2:], c.told))
		}
		h.goneFor(c, why)
	}
}

// send sends a text message.
func (h *Herd) send(c *conn, text []byte) { h.write(c, appendFrame(nil, opText, text)) }

// appendFrame appends a client's frame, masked with zeros.
func appendFrame(dst []byte, op byte, payload []byte) []byte {
	dst = append(dst, 0x80|op)
	switch n := len(payload); {
	case n < 126:
		dst = append(dst, 0x80|byte(n))
	case n <= math.MaxUint16:
		dst = append(dst, 0x80|126)
		dst = binary.BigEndian.AppendUint16(dst, uint16(n))
	default:
		dst = append(dst, 0x80|127)
		dst = binary.BigEndian.AppendUint64(dst, uint64(n))
	}
	dst = append(dst, 0, 0, 0, 0)
	return append(dst, payload...)
}

// Limits on the data that waits for a full socket, in bytes.
const (
	fullOut = 256 << 10 // above this limit, the client stops publishing
	maxOut  = 4 << 20   // above this limit, the herd gives up on the client
)

// write writes to a client's socket. The part that does not fit is written later. In the meantime
// the client continues to read, because otherwise it and the server might wait for each other.
func (h *Herd) write(c *conn, text []byte) {
	if len(c.out) == 0 {
		n, err := put(c.fd, text)
		if text = text[n:]; err == nil && len(text) > 0 {
			err = h.watch(unix.EPOLL_CTL_MOD, c, unix.EPOLLIN|unix.EPOLLOUT)
		}
		if err != nil {
			h.gone(c, err.Error())
			return
		}
	}
	if c.out = append(c.out, text...); len(c.out) > maxOut {
		h.gone(c, "the server does not read")
	}
}

// flush writes the waiting data.
func (h *Herd) flush(c *conn) {
	n, err := put(c.fd, c.out)
	if c.out = c.out[n:]; err == nil && len(c.out) == 0 {
		c.out = nil
		err = h.watch(unix.EPOLL_CTL_MOD, c, unix.EPOLLIN)
	}
	if err != nil {
		h.gone(c, err.Error())
	}
}

// put writes as much as fits into the socket.
func put(fd int32, text []byte) (int, error) {
	n, err := unix.Write(int(fd), text)
	if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EINTR) {
		err = nil
	}
	return max(n, 0), os.NewSyscallError("write", err)
}

// say sends a text, sealed if the client is encrypted.
func (h *Herd) say(c *conn, text []byte) {
	if c.key != nil {
		text = c.key.AppendFrame(nil, text, nil)
	}
	h.send(c, text)
}
