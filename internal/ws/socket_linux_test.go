//go:build linux && !386 && !s390x

package ws

import (
	"errors"
	"fmt"
	"net"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/ignis-go/ignis/internal/longtest"
)

// While a goroutine uses a descriptor, close does not release its number.
func TestDescriptorOutlivesItsUse(t *testing.T) {
	opts := defaults()
	opts.Engine = newEngine(t, EngineConfig{})
	server, client := tcpPair(t)
	defer func() { _ = client.Close() }()
	c := NewConn(server, 0, &opts)
	s := &c.sock
	if !s.acquire() {
		t.Fatal("the descriptor cannot be used")
	}
	open := func() bool {
		var st syscall.Stat_t
		return syscall.Fstat(int(s.fd), &st) == nil
	}
	s.close(false)
	if !open() {
		t.Error("closed while in use")
	}
	if _, err := s.send([]byte("x")); err != nil {
		t.Errorf("while in use: %v", err)
	}
	s.release()
	if open() {
		t.Error("still open")
	}
	if s.acquire() {
		t.Error("can be used after it was closed")
	}
	if _, err := s.send([]byte("x")); !errors.Is(err, net.ErrClosed) {
		t.Errorf("after it was closed: %v", err)
	}
}

// Connections open and close as fast as possible, so that every descriptor is reused
// immediately, while workers write to closing connections. No peer ever gets data meant for
// another.
func TestDataReachesOnlyItsPeer(t *testing.T) {
	longtest.Mark(t)
	const lanes, each = 8, 100
	opts := defaults()
	opts.Engine = newEngine(t, EngineConfig{Threads: 2})
	opts.CloseTimeout = time.Millisecond
	opts.BackpressureLimit = 200_000
	var all sync.WaitGroup
	for lane := range lanes {
		all.Go(func() {
			for i := range each {
				visitAndLeave(t, &opts, fmt.Sprintf("%d-%d ", lane, i), i)
			}
		})
	}
	all.Wait()
}

func visitAndLeave(t *testing.T, opts *Options, name string, i int) {
	server, client := tcpPair(t)
	c := NewConn(server, 0, opts)
	l := begin(c, nil, ignore)
	// The messages differ, so that joining them takes time and they are being written
	// when the connection ends.
	var ms [7]*Message
	for k := range ms {
		ms[k] = text(name+strings.Repeat("x", 500*k)).Under(DropNewest, "")
	}
	var sender sync.WaitGroup
	sender.Go(func() {
		for k := 0; c.Enqueue(ms[k%len(ms)]) != closing; k++ {
			runtime.Gosched()
		}
	})
	for n := 0; ; n++ {
		_ = client.SetReadDeadline(time.Now().Add(patience))
		f, err := readFrame(client)
		if err != nil {
			break
		}
		if !strings.HasPrefix(f.Payload, name) && f.Op != 8 {
			t.Errorf("%sgot %.20q", name, f.Payload)
		}
		switch {
		case n == i%5 && i%2 == 0:
			c.Abort(CauseAborted)
		case n == i%5:
			_ = client.Close()
		}
	}
	_ = client.Close()
	sender.Wait()
	wait(t, l.finished)
}
