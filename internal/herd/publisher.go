//go:build linux

package herd

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/ignis-go/ignis/wire"
)

// publisher publishes on Redis from the herd's thread, without blocking.
type publisher struct {
	fd      int
	epoll   int
	out     []byte // queued commands that were not written yet
	answers int    // outstanding answers
	buf     []byte
}

func dialRedis(addr string, epoll int) (*publisher, error) {
	to, err := netip.ParseAddrPort(addr)
	if err != nil {
		return nil, err
	}
	family, sa := sockaddr(to)
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	if err := unix.Connect(fd, sa); err != nil {
		_ = unix.Close(fd)
		return nil, fmt.Errorf("redis: %w", os.NewSyscallError("connect", err))
	}
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	p := &publisher{fd: fd, epoll: epoll, buf: make([]byte, 64<<10)}
	return p, errors.Join(unix.SetNonblock(fd, true), p.watch(unix.EPOLL_CTL_ADD, unix.EPOLLIN))
}

func (p *publisher) watch(op int, events uint32) error {
	return os.NewSyscallError("epoll_ctl", unix.EpollCtl(p.epoll, op, p.fd, &unix.EpollEvent{Fd: int32(p.fd), Events: events}))
}

// queue queues a message to a room.
func (p *publisher) queue(room, data string) {
	p.out = append(p.out, "*3\r\n$7\r\nPUBLISH\r\n"...)
	p.out = appendBulk(p.out, wire.ToRoom(room).Channel())
	p.out = appendBulk(p.out, `{"serverId":"`+wire.EmitterID+`","type":"room","target":"`+room+`","event":"`+Event+`","data":`, data, `}`)
	p.answers++
}

// flush writes as much as possible. The rest is written when the socket is writable again.
func (p *publisher) flush() error {
	for len(p.out) > 0 {
		n, err := unix.Write(p.fd, p.out[:min(len(p.out), 256<<10)])
		if errors.Is(err, unix.EAGAIN) {
			return p.watch(unix.EPOLL_CTL_MOD, unix.EPOLLIN|unix.EPOLLOUT)
		}
		if err != nil {
			return fmt.Errorf("redis: %w", os.NewSyscallError("write", err))
		}
		p.out = p.out[n:]
	}
	p.out = nil
	return p.watch(unix.EPOLL_CTL_MOD, unix.EPOLLIN)
}

func (p *publisher) handle(events uint32) error {
	if events&unix.EPOLLOUT != 0 {
		if err := p.flush(); err != nil {
			return err
		}
	}
	if events&unix.EPOLLIN == 0 {
		return nil
	}
	n, err := unix.Read(p.fd, p.buf)
	if n == 0 && err == nil {
		err = io.EOF
	}
	if err != nil {
		return fmt.Errorf("redis closed the connection: %w", err)
	}
	if bytes.IndexByte(p.buf[:n], '-') >= 0 { // all regular answers are numbers
		return fmt.Errorf("redis: %.200q", p.buf[:n])
	}
	p.answers -= bytes.Count(p.buf[:n], []byte("\n"))
	return nil
}

// idle reports whether Redis has answered all commands.
func (p *publisher) idle() bool { return p.answers == 0 }

// appendBulk appends a bulk string of the Redis protocol.
func appendBulk(dst []byte, parts ...string) []byte {
	n := 0
	for _, p := range parts {
		n += len(p)
	}
	dst = append(dst, '$')
	dst = strconv.AppendInt(dst, int64(n), 10)
	dst = append(dst, "\r\n"...)
	for _, p := range parts {
		dst = append(dst, p...)
	}
	return append(dst, "\r\n"...)
}
