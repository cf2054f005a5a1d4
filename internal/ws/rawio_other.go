//go:build !linux || 386 || s390x

package ws

import (
	"errors"
	"net"
	"syscall"
)

// rawConn returns nil: here every connection is read and written by goroutines
// of its own.
func rawConn(net.Conn) syscall.RawConn { return nil }

type sender struct{}

func newSender() *sender { return nil }

func (s *sender) send(syscall.RawConn, []byte) (int, error) { return 0, errors.ErrUnsupported }

func readSocket(syscall.RawConn, func([]byte) error) error { return errors.ErrUnsupported }
