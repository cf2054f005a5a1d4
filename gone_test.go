package ignis_test

import (
	"context"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gobwas/ws"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/internal/longtest"
	"github.com/ignis-go/ignis/wire"
)

// A client that disconnects while reading is paused is released immediately: the context
// of its callback ends, and the waiting messages are dropped.
func TestHangUpWhileCallbacksAreBehind(t *testing.T) {
	longtest.Mark(t)
	for name, leave := range map[string]func(net.Conn){
		"hangs up": func(c net.Conn) { _ = c.Close() },
		"resets": func(c net.Conn) {
			_ = c.(*net.TCPConn).SetLinger(0)
			_ = c.Close()
		},
		"closes its side": func(c net.Conn) { _ = c.(*net.TCPConn).CloseWrite() },
	} {
		t.Run(name, func(t *testing.T) {
			onBothPaths(t, func(t *testing.T, plain bool) { testHangUp(t, plain, leave) })
		})
	}
}

func testHangUp(t *testing.T, plain bool, leave func(net.Conn)) {
	const clients = 20
	var calls, disconnects atomic.Int64
	n := start(t, ignis.Config{
		PlainIO: plain,
		OnMessage: func(ctx context.Context, _ *ignis.Client, _ wire.Message) (any, error) {
			calls.Add(1)
			return nil, hang(ctx)
		},
		OnDisconnect: func(context.Context, *ignis.Client, ignis.Disconnect) { disconnects.Add(1) },
	})
	var all []*peer
	for range clients {
		p := n.login("ann")
		p.bytes([]byte(strings.Repeat(string(encode(ws.NewTextFrame([]byte(`{"event":"x"}`)))), 70)))
		all = append(all, p)
	}
	// For each client one message is being handled and 64 wait; the others are not read.
	n.until("all callbacks are behind", func() bool { return calls.Load() == clients && n.Stats().Received >= clients*65 })
	for _, p := range all {
		leave(p.conn)
	}
	n.until("all clients are gone", func() bool {
		return n.Stats().Disconnects["connection lost"] == clients && disconnects.Load() == clients
	})
	if s := n.Stats(); s.Clients != 0 || s.Messages != clients || s.Unhandled != s.Received-2*clients {
		t.Errorf("counted %+v", s)
	}
}

// A client whose callbacks do not return in time is closed, which ends their context.
func TestBehindForTooLong(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var ended atomic.Bool
		release := make(chan struct{})
		n := startMem(t, ignis.Config{OnMessage: func(ctx context.Context, _ *ignis.Client, _ wire.Message) (any, error) {
			<-release
			ended.Store(ctx.Err() != nil)
			return nil, nil
		}})
		p, _ := stuffed(n)
		time.Sleep(59 * time.Second)
		synctest.Wait()
		if n.Stats().Clients != 1 {
			t.Fatal("disconnected too early")
		}
		time.Sleep(10 * time.Second)
		p.only(tooMany, "<end>")
		close(release)
		synctest.Wait()
		if !ended.Load() {
			t.Error("the context has not ended")
		}
		if s := n.Stats(); s.Disconnects["callbacks behind"] != 1 || s.Unhandled != 64 {
			t.Errorf("counted %+v", s)
		}
	})
}

// A client that reads nothing is cut off even if little is waiting for it and it
// continues to send. A client that reads a little now and then is not.
func TestWriteTimeout(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n := startMem(t, ignis.Config{})
		stuck, slow := n.raw(), n.raw()
		for _, p := range []*peer{stuck, slow} {
			p.text(authenticate)
			synctest.Wait()
			p.frame() // the connected event only
		}
		for range 10 {
			_ = n.SendLocal(ignis.ToEveryone(), "x", strings.Repeat("x", 60<<10))
		}
		for range 4 {
			time.Sleep(20 * time.Second)
			stuck.text(`{"event":"heartbeat"}`)
			slow.text(`{"event":"heartbeat"}`)
			slow.frame()
		}
		synctest.Wait()
		if s := n.Stats(); s.Disconnects["write timeout"] != 1 || s.Clients != 1 {
			t.Errorf("counted %+v", s)
		}
		if n.log.Count("does not read what is waiting for it") != 1 {
			t.Errorf("log: %s", n.log)
		}
	})
}
