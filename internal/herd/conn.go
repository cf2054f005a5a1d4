//go:build linux

package herd

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ignis-go/ignis/seal"
)

// phase is the progress of a client's connection.
type phase uint8

const (
	phaseDialing phase = iota
	phaseUpgrading
	phaseEntering // authenticating
	phaseIn
	phaseDeaf // authenticated, but not reading
	phaseGone
)

// conn is a client.
type conn struct {
	fd      int32
	phase   phase
	deaf    bool                // whether it stops reading once it is authenticated
	room    int                 // room that it joins; -1 for none
	stream  int                 // index of the room whose messages it counts
	told    string              // last error message from the server
	rest    []byte              // partially received message
	out     []byte              // data that does not fit into the socket yet
	key     *seal.Key           // nil without encryption
	next    uint32              // number of the next message
	missing map[uint32]struct{} // numbers that were skipped
	heard   []uint32            // in a chat, the number of the next message from each member of the room
}

// inFlight is the number of connections that are established concurrently.
const inFlight = 128

// Connect connects n more clients, waits until all are authenticated, and returns how long that
// took. If rooms is positive, client i joins room i modulo rooms.
func (h *Herd) Connect(ctx context.Context, n, rooms int) (time.Duration, error) {
	began := time.Now()
	h.waiting = n
	left := n
	err := h.run(ctx, 10*time.Second, func() bool {
		for ; left > 0 && h.begun < inFlight; left-- {
			room := -1
			if rooms > 0 {
				room = len(h.conns) % rooms
			}
			if err := h.dial(&conn{room: room}); err != nil {
				h.failures.add(Reason{Text: err.Error()})
				return true
			}
		}
		return h.waiting == 0 || len(h.failures) > 0 && h.begun == 0
	})
	if err == nil && h.waiting > 0 {
		err = errors.New("some clients could not connect")
	}
	if err != nil {
		return 0, h.describe(err)
	}
	return h.now.Sub(began), nil
}

func (h *Herd) dial(c *conn) error {
	fd, err := unix.Socket(h.family, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("socket", err)
	}
	if c.deaf {
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, 4<<10)
	}
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	// Close without TIME_WAIT, so that the next run does not run out of ports.
	_ = unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
	if err := unix.Connect(fd, h.to); err != nil && !errors.Is(err, unix.EINPROGRESS) {
		_ = unix.Close(fd)
		return os.NewSyscallError("connect", err)
	}
	c.fd = int32(fd)
	if c.room >= 0 && c.room < h.cfg.Rooms {
		c.stream = c.room
	}
	h.conns = append(h.conns, c)
	h.byFD[c.fd] = c
	h.begun++
	return h.watch(unix.EPOLL_CTL_ADD, c, unix.EPOLLOUT)
}

func (h *Herd) watch(op int, c *conn, events uint32) error {
	err := unix.EpollCtl(h.epoll, op, int(c.fd), &unix.EpollEvent{Fd: c.fd, Events: events})
	return os.NewSyscallError("epoll_ctl", err)
}

const upgrade = "GET %s%s HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
	"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"

// accept is the answer to the key in upgrade (RFC 6455, section 4.2.2).
const accept = "ICX+Yqv66kxgM0FcWaLWlFLwTAI="

// handle handles epoll events of a client's socket.
func (h *Herd) handle(c *conn, events uint32) {
	if c.phase == phaseDeaf {
		h.gone(c, ended)
		return
	}
	if c.phase == phaseDialing {
		if events&(unix.EPOLLERR|unix.EPOLLHUP) != 0 {
			errno, _ := unix.GetsockoptInt(int(c.fd), unix.SOL_SOCKET, unix.SO_ERROR)
			h.gone(c, "connect: "+unix.Errno(errno).Error())
			return
		}
		query := ""
		if h.cfg.Centrifuge {
			query = "?cf_ws_frame_ping_pong=true" // use regular WebSocket pings
		}
		c.phase = phaseUpgrading
		if err := h.watch(unix.EPOLL_CTL_MOD, c, unix.EPOLLIN); err != nil {
			h.gone(c, err.Error())
			return
		}
		h.write(c, fmt.Appendf(nil, upgrade, cmp.Or(h.cfg.Path, "/ws"), query, cmp.Or(h.cfg.Host, h.cfg.Addr)))
		return
	}
	if events&unix.EPOLLOUT != 0 {
		h.flush(c)
	}
	if events&^unix.EPOLLOUT != 0 && c.phase != phaseGone {
		h.read(c)
	}
}

func (h *Herd) read(c *conn) {
	kept := copy(h.buf, c.rest)
	n, err := unix.Read(int(c.fd), h.buf[kept:])
	switch {
	case errors.Is(err, unix.EAGAIN), errors.Is(err, unix.EINTR):
		return
	case err != nil, n == 0:
		h.gone(c, cmp.Or(c.told, ended))
		return
	}
	h.now = time.Now()
	rest := h.parse(c, h.buf[:kept+n])
	if c.phase == phaseGone {
		return
	}
	if len(rest) == 0 {
		c.rest = nil // idle clients hold no memory
	} else {
		c.rest = append(c.rest[:0], rest...)
	}
}

// parse handles all complete frames and returns the rest.
func (h *Herd) parse(c *conn, text []byte) []byte {
	if c.phase == phaseUpgrading {
		head, rest, ok := bytes.Cut(text, []byte("\r\n\r\n"))
		if !ok {
			return text
		}
		if why, refused := refusal(head); refused {
			h.goneFor(c, why)
			return nil
		}
		text = rest
		h.last = h.now
		c.phase = phaseEntering
		if h.send(c, h.greeting()); c.phase == phaseGone {
			return nil
		}
	}
	for len(text) >= 2 {
		if text[0]&0x70 != 0 || text[1]&0x80 != 0 { // reserved bits or a masked frame
			return h.broken(c)
		}
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
			return h.broken(c)
		}
		if len(text) < header+size {
			return text
		}
		h.frame(c, text[0]&0x0f, text[header:header+size])
		text = text[header+size:]
		if c.phase == phaseGone {
			return nil
		}
	}
	return text
}

// broken gives up on a client because the server has violated the protocol.
func (h *Herd) broken(c *conn) []byte {
	h.gone(c, "the server sent an invalid or very large WebSocket frame")
	return nil
}

// in is called when the server has authenticated a client.
func (h *Herd) in(c *conn) {
	h.last = h.now
	h.begun--
	h.waiting--
	c.next = h.rooms[c.stream].next
	c.phase = phaseIn
	c.told = ""
	if c.room >= 0 {
		h.send(c, fmt.Appendf(nil, `{"event":"join","data":{"rooms":[%q]}}`, roomName(c.room)))
	}
	if c.deaf {
		c.phase = phaseDeaf
		if err := h.watch(unix.EPOLL_CTL_MOD, c, unix.EPOLLRDHUP); err != nil { // report only the end of the connection
			h.gone(c, err.Error())
		}
		return
	}
	h.live++
	h.rooms[c.stream].live++
}

// ended is the reason for a closed connection without a close frame.
const ended = "the server closed the connection"

// gone removes a client whose connection has ended, and counts the reason.
func (h *Herd) gone(c *conn, why string) { h.goneFor(c, Reason{Text: why}) }

// goneFor is like gone with a detailed reason.
func (h *Herd) goneFor(c *conn, why Reason) {
	if c.phase == phaseGone {
		return
	}
	switch c.phase {
	case phaseIn:
		h.live--
		h.rooms[c.stream].live--
		h.expected -= int64(h.rooms[c.stream].next-c.next) + int64(len(c.missing))
		h.closed++
		h.closes.add(why)
	case phaseDeaf:
		h.closed++
		h.closes.add(why)
	default:
		h.begun--
		h.failures.add(why)
	}
	c.phase, c.rest, c.out, c.missing = phaseGone, nil, nil, nil
	delete(h.byFD, c.fd)
	_ = unix.Close(int(c.fd))
}
