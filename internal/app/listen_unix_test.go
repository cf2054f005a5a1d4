//go:build unix

package app

import (
	"net"
	"syscall"
	"testing"
	"time"
)

// TCP keep-alive is off if the server sends pings.
func TestKeepAlive(t *testing.T) {
	for idle, want := range map[time.Duration]bool{0: false, time.Minute: false, -1: true} {
		c := development()
		c.Server.IdleTimeout = idle
		a, err := New(c)
		if err != nil {
			t.Fatal(err)
		}
		if err := a.listen(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := keepAlive(t, a.listeners.All()[0]); got != want {
			t.Errorf("IdleTimeout %v: keep-alive is %v", idle, got)
		}
	}
}

// keepAlive closes ln and returns whether a connection from it has keep-alive.
func keepAlive(t *testing.T, ln net.Listener) bool {
	t.Helper()
	defer ln.Close()
	peer, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer peer.Close()
	conn, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	raw, err := conn.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	on := 0
	controlErr := raw.Control(func(fd uintptr) {
		on, err = syscall.GetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_KEEPALIVE)
	})
	if controlErr != nil || err != nil {
		t.Fatal(controlErr, err)
	}
	return on != 0
}
