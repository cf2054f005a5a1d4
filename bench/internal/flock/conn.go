package flock

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// phase is how far a client has come.
type phase uint8

const (
	phaseDialing phase = iota
	phaseUpgrading
	phaseEntering // authenticates
	phaseIn
	phaseDeaf // in, and reads no more
	phaseGone
)

// conn is one client.
type conn struct {
	fd      int32
	phase   phase
	deaf    bool // will read no more when it is in
	room    int  // -1: none of its own
	rest    []byte
	next    uint32              // number of the next message
	missing map[uint32]struct{} // numbers that were skipped
	heard   []uint32            // chat: the next number of each member of the room
}

// inFlight is how many connections are made at a time.
const inFlight = 128

// Connect adds n clients and returns when all are in, and how long it took.
// With rooms, client i joins the room i modulo rooms.
func (f *Flock) Connect(ctx context.Context, n, rooms int) (time.Duration, error) {
	began := time.Now()
	f.waiting = n
	left := n
	err := f.run(ctx, 10*time.Second, func() bool {
		for ; left > 0 && f.begun < inFlight; left-- {
			room := -1
			if rooms > 0 {
				room = len(f.conns) % rooms
			}
			if err := f.dial(&conn{room: room}); err != nil {
				fmt.Fprintln(os.Stderr, err)
				return true
			}
		}
		return f.waiting == 0
	})
	if err == nil && f.waiting > 0 {
		err = errors.New("not all could connect")
	}
	if err != nil {
		return 0, f.describe(err)
	}
	return f.now.Sub(began), nil
}

func (f *Flock) dial(c *conn) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("socket", err)
	}
	if c.deaf {
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, 4<<10)
	}
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	// Closed at once, without waiting: thousands of ports would be in the way of the next run.
	_ = unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
	if err := unix.Connect(fd, &f.to); err != nil && !errors.Is(err, unix.EINPROGRESS) {
		_ = unix.Close(fd)
		return os.NewSyscallError("connect", err)
	}
	c.fd = int32(fd)
	f.conns = append(f.conns, c)
	f.byFD[c.fd] = c
	f.begun++
	return f.watch(unix.EPOLL_CTL_ADD, c, unix.EPOLLOUT)
}

func (f *Flock) watch(op int, c *conn, events uint32) error {
	err := unix.EpollCtl(f.epoll, op, int(c.fd), &unix.EpollEvent{Fd: c.fd, Events: events})
	return os.NewSyscallError("epoll_ctl", err)
}

const upgrade = "GET /ws%s HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
	"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"

// handle handles what the kernel says of a client's socket.
func (f *Flock) handle(c *conn, events uint32) {
	if c.phase == phaseDeaf {
		f.gone(c)
		return
	}
	if c.phase == phaseDialing {
		if events&(unix.EPOLLERR|unix.EPOLLHUP) != 0 {
			f.gone(c)
			return
		}
		query := ""
		if f.cfg.Centrifuge {
			query = "?cf_ws_frame_ping_pong=true" // pings as everyone's
		}
		c.phase = phaseUpgrading
		f.write(c, fmt.Appendf(nil, upgrade, query, f.cfg.Addr))
		if err := f.watch(unix.EPOLL_CTL_MOD, c, unix.EPOLLIN); err != nil {
			f.gone(c)
		}
		return
	}
	f.read(c)
}

func (f *Flock) read(c *conn) {
	kept := copy(f.buf, c.rest)
	n, err := unix.Read(int(c.fd), f.buf[kept:])
	switch {
	case errors.Is(err, unix.EAGAIN), errors.Is(err, unix.EINTR):
		return
	case err != nil, n == 0:
		f.gone(c)
		return
	}
	f.now = time.Now()
	f.last = f.now
	rest := f.parse(c, f.buf[:kept+n])
	if c.phase == phaseGone {
		return
	}
	if len(rest) == 0 {
		c.rest = nil // an idle client keeps nothing
	} else {
		c.rest = append(c.rest[:0], rest...)
	}
}

// parse handles all that has come completely, and returns the rest.
func (f *Flock) parse(c *conn, text []byte) []byte {
	if c.phase == phaseUpgrading {
		head, rest, ok := bytes.Cut(text, []byte("\r\n\r\n"))
		if !ok {
			return text
		}
		if !bytes.HasPrefix(head, []byte("HTTP/1.1 101 ")) {
			fmt.Fprintf(os.Stderr, "upgrade refused: %.80q\n", head)
			f.gone(c)
			return nil
		}
		text = rest
		c.phase = phaseEntering
		f.send(c, f.greeting())
	}
	for len(text) >= 2 {
		size, header := int(text[1]&0x7f), 2
		switch {
		case size == 126 && len(text) >= 4:
			size, header = int(binary.BigEndian.Uint16(text[2:])), 4
		case size == 127 && len(text) >= 10:
			size, header = int(binary.BigEndian.Uint64(text[2:])), 10
		case size >= 126:
			return text
		}
		if size < 0 || size > maxFrame {
			f.gone(c)
			return nil
		}
		if len(text) < header+size {
			return text
		}
		f.frame(c, text[0]&0x0f, text[header:header+size])
		text = text[header+size:]
		if c.phase == phaseGone {
			return nil
		}
	}
	return text
}

// maxFrame is the size of the largest frame that the buffer has room for.
const maxFrame = 256 << 10

// Opcodes.
const (
	opText  = 1
	opClose = 8
	opPing  = 9
	opPong  = 10
)

func (f *Flock) frame(c *conn, op byte, payload []byte) {
	switch {
	case op == opText && (c.phase == phaseIn || c.phase == phaseEntering):
		f.message(c, payload)
	case op == opPing:
		f.write(c, appendFrame(nil, opPong, payload))
	case op == opClose:
		f.gone(c)
	}
}

// send sends a text message.
func (f *Flock) send(c *conn, text []byte) { f.write(c, appendFrame(nil, opText, text)) }

// appendFrame appends a frame as clients send it, masked with zeros.
func appendFrame(dst []byte, op byte, payload []byte) []byte {
	dst = append(dst, 0x80|op)
	if len(payload) < 126 {
		dst = append(dst, 0x80|byte(len(payload)))
	} else {
		dst = append(dst, 0x80|126)
		dst = binary.BigEndian.AppendUint16(dst, uint16(len(payload)))
	}
	dst = append(dst, 0, 0, 0, 0)
	return append(dst, payload...)
}

// write writes to a socket that is never full: clients send little.
func (f *Flock) write(c *conn, text []byte) {
	if n, err := unix.Write(int(c.fd), text); err != nil || n != len(text) {
		f.gone(c)
	}
}

// in is called when the server has let a client in.
func (f *Flock) in(c *conn) {
	f.begun--
	f.waiting--
	c.next = f.next
	c.phase = phaseIn
	if c.room >= 0 {
		f.send(c, fmt.Appendf(nil, `{"event":"join","data":{"rooms":[%q]}}`, roomName(c.room)))
	}
	if c.deaf {
		c.phase = phaseDeaf
		if err := f.watch(unix.EPOLL_CTL_MOD, c, unix.EPOLLRDHUP); err != nil { // only its end
			f.gone(c)
		}
		return
	}
	f.live++
}

// gone forgets a client whose connection has ended.
func (f *Flock) gone(c *conn) {
	if c.phase == phaseGone {
		return
	}
	switch c.phase {
	case phaseIn:
		f.live--
		f.expected -= int64(f.next-c.next) + int64(len(c.missing))
		f.closed++
	case phaseDeaf:
		f.closed++
	default:
		f.begun--
	}
	c.phase, c.rest, c.missing = phaseGone, nil, nil
	delete(f.byFD, c.fd)
	_ = unix.Close(int(c.fd))
}
