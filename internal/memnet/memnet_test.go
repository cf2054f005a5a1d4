package memnet_test

import (
	"context"
	"errors"
	"net"
	"testing"

	"github.com/ignis-go/ignis/internal/memnet"
)

func TestListener(t *testing.T) {
	l := memnet.Listen()
	accepted := make(chan net.Conn, 1)
	go func() {
		nc, err := l.Accept()
		if err != nil {
			t.Error(err)
		}
		accepted <- nc
	}()
	client, err := l.Dial(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	server := <-accepted
	go func() { _, _ = client.Write([]byte("x")) }()
	b := make([]byte, 1)
	if _, err := server.Read(b); err != nil || b[0] != 'x' {
		t.Errorf("read %q, %v", b, err)
	}
	_, _ = client.Close(), server.Close()

	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := l.Dial(canceled); !errors.Is(err, context.Canceled) {
		t.Errorf("canceled: %v", err)
	}
	for range 2 {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	}
	if _, err := l.Dial(t.Context()); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Dial after Close: %v", err)
	}
	if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Accept after Close: %v", err)
	}
}
