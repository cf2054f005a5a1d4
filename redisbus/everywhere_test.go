package redisbus_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/emitter"
	"github.com/ignis-go/ignis/internal/redistest"
	"github.com/ignis-go/ignis/wire"
)

// Commands that are not stored reach the other servers through Redis, and leave nothing there.
func TestCommandsOverRedis(t *testing.T) {
	t.Parallel()
	r := redistest.Start(t)
	cfg := patient(r.URL())
	a, b := serveOn(t, cfg), serveOn(t, cfg)
	p, q := a.Dial(t, who("ann", "t1")), b.Dial(t, who("ann", "t1"))
	e, err := emitter.New(dial(t, cfg), emitter.Config{})
	if err != nil {
		t.Fatal(err)
	}
	if n, err := a.JoinAll(t.Context(), ignis.ToUser("ann"), "x", "y"); n != 1 || err != nil {
		t.Fatalf("JoinAll = %d, %v", n, err)
	}
	redistest.Wait(t, "ann to join on the other server", func() bool { return b.InRoom(q.ID(), "y") })
	if err := e.LeaveAll(t.Context(), wire.ToUser("ann"), "x"); err != nil {
		t.Fatal(err)
	}
	redistest.Wait(t, "ann to leave on both servers", func() bool { return !a.InRoom(p.ID(), "x") && !b.InRoom(q.ID(), "x") })
	if !a.InRoom(p.ID(), "y") || !b.InRoom(q.ID(), "y") {
		t.Error("ann has left a room that was not named")
	}
	if err := e.DisconnectAll(t.Context(), wire.ToClient(p.ID()), wire.CloseDisconnected, "bye"); err != nil {
		t.Fatal(err)
	}
	p.ExpectClose(wire.CloseDisconnected)
	redistest.Wait(t, "the first client to be gone", func() bool { return len(a.Clients()) == 0 })
	if n, err := a.DisconnectAll(t.Context(), ignis.ToRoom("y"), 4100, ""); n != 0 || err != nil {
		t.Errorf("DisconnectAll = %d, %v", n, err)
	}
	q.ExpectClose(4100)
	if n := r.Do("exists", storeKey); n != "0" {
		t.Errorf("commands are stored: exists %s", n)
	}
	for _, s := range []instance{a, b} {
		if st := s.Stats(); st.BadCommands+st.UnknownCommands+st.RepeatedCommands != 0 {
			t.Errorf("stats %+v", st)
		}
	}
}

// Without Redis, a command is executed on its own server, and the error says so.
func TestCommandsWithoutRedis(t *testing.T) {
	t.Parallel()
	r := redistest.Start(t)
	a := serveOn(t, impatient(r.URL()))
	p := a.Dial(t, who("ann", "t1"))
	r.Kill()
	redistest.Wait(t, "the outage to be noticed", func() bool { return a.Health().Bus != nil })
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	var failed *ignis.BusError
	if n, err := a.DisconnectAll(ctx, ignis.ToUser("ann"), 4100, ""); n != 1 || !errors.As(err, &failed) {
		t.Errorf("DisconnectAll = %d, %v", n, err)
	}
	p.ExpectClose(4100)
}
