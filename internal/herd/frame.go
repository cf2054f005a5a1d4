//go:build linux

package herd

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"math"
	"strings"

	"golang.org/x/sys/unix"
)

// maxFrame is the size of the largest frame that the buffer has room for.
const maxFrame = 256 << 10

// Opcodes.
const (
	opText  = 1
	opClose = 8
	opPing  = 9
	opPong  = 10
)

func (h *Herd) frame(c *conn, op byte, payload []byte) {
	switch {
	case op == opText && (c.phase == phaseIn || c.phase == phaseEntering):
		h.message(c, payload)
	case op == opPing:
		h.write(c, appendFrame(nil, opPong, payload))
	case op == opClose:
		why := cmp.Or(c.told, "closed by the server")
		if len(payload) >= 2 {
			why = strings.TrimSpace(fmt.Sprintf("closed with %d %.100q %s", binary.BigEndian.Uint16(payload), payload[2:], c.told))
		}
		h.gone(c, why)
	}
}

// send sends a text message.
func (h *Herd) send(c *conn, text []byte) { h.write(c, appendFrame(nil, opText, text)) }

// appendFrame appends a frame as clients send it, masked with zeros.
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

// write writes to a socket that is never full: clients send little.
func (h *Herd) write(c *conn, text []byte) {
	if n, err := unix.Write(int(c.fd), text); err != nil || n != len(text) {
		h.gone(c, "the server does not read")
	}
}

// say sends a text, sealed where that was agreed.
func (h *Herd) say(c *conn, text []byte) {
	if c.key != nil {
		text = c.key.AppendFrame(nil, text, nil)
	}
	h.send(c, text)
}
