//go:build !linux || 386 || s390x

package ws

import (
	"errors"
	"net"
)

// On this system, all connections are plain.

func pollable(net.Conn) bool { return false }

func hungUp(net.Conn) bool { return false }

func (*Conn) query(func(fd int) (int, error)) (int, bool) { return 0, false }

func unsentBy(int) (int, error)   { return 0, errors.ErrUnsupported }
func bufferedBy(int) (int, error) { return 0, errors.ErrUnsupported }
func incomingOf(int) (int, error) { return 0, errors.ErrUnsupported }

type socket struct{ poller *poller }

func (*socket) send([]byte) (int, error) { return 0, errors.ErrUnsupported }
func (*socket) recv([]byte) (int, error) { return 0, errors.ErrUnsupported }
func (*socket) await(*Conn)              {}
func (*socket) setSendBuffer(int)        {}
func (*socket) closeWrite()              {}
func (*socket) close(bool)               {}

type poller struct{}

func newPoller() (*poller, error) { return nil, errors.ErrUnsupported }
func (*poller) adopt(*Conn)       {}
func (*poller) push(*Conn)        {}
func (*poller) run()              {}
func (*poller) stop()             {}
