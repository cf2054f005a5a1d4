package ignis_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/internal/longtest"
	"github.com/ignis-go/ignis/wire"
)

// until waits until a condition becomes true.
func (n *node) until(what string, done func() bool) {
	n.t.Helper()
	deadline := time.After(n.patience)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-tick.C:
		case <-deadline:
			n.t.Fatalf("not reached within %v: %s; %+v", n.patience, what, n.Stats())
		}
	}
}

// onBothPaths runs a test over real sockets with epoll and without.
func onBothPaths(t *testing.T, f func(t *testing.T, plain bool)) {
	for name, plain := range map[string]bool{"polled": false, "plain": true} {
		t.Run(name, func(t *testing.T) { f(t, plain) })
	}
}

// Config.PlainIO and the system determine how clients are read, and Stats reports it.
func TestPlainIO(t *testing.T) {
	onBothPaths(t, func(t *testing.T, plain bool) {
		n := start(t, ignis.Config{PlainIO: plain})
		n.login("a")
		want := 0
		if plain || runtime.GOOS != "linux" {
			want = 1
		}
		if s := n.Stats(); s.WithoutEpoll != want {
			t.Errorf("%d clients are served without epoll, want %d", s.WithoutEpoll, want)
		}
		n.stop()
		<-n.ran
		if s := n.Stats(); s.WithoutEpoll != 0 {
			t.Errorf("%d clients are served without epoll, want none", s.WithoutEpoll)
		}
	})
}

// descriptors returns the number of open files of this process, or 0 if it is unknown.
func descriptors() int {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return 0
	}
	return len(entries)
}

// 2,000 clients connect and disconnect in all ways, over real sockets, while messages are
// sent. Afterwards no client, goroutine or descriptor is left.
func TestChurnLeavesNothingBehind(t *testing.T) {
	longtest.Mark(t)
	onBothPaths(t, testChurn)
}

func testChurn(t *testing.T, plain bool) {
	const clients, together = 2000, 64
	d := &diary{t: t}
	cfg := d.config()
	cfg.PlainIO = plain
	cfg.OnDisconnect = func(_ context.Context, c *ignis.Client, _ ignis.Disconnect) { d.note(c.ID, "disconnect") }
	n := start(t, cfg)
	if err := visit(n, 0); err != nil { // the first client creates the epoll sets
		t.Fatal(err)
	}
	// A client may receive the handshake response before the server counts the connection.
	gone := func(clients uint64) func() bool {
		return func() bool { s := n.Stats(); return s.Connections == clients && s.Clients == 0 }
	}
	n.until("the first client is gone", gone(1))
	before := descriptors()
	stop := make(chan struct{})
	var work sync.WaitGroup
	work.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			case <-time.After(time.Millisecond):
				_ = n.SendLocal(ignis.ToEveryone(), "n", i)
				_ = n.SendLocal(ignis.ToRoom("room"), "n", i)
				_ = n.Send(context.Background(), ignis.ToUser("u1"), "n", i)
			}
		}
	})
	turn := make(chan int)
	var visitors sync.WaitGroup
	for range together {
		visitors.Go(func() {
			for i := range turn {
				if err := visit(n, i); err != nil {
					t.Errorf("client %d: %v", i, err)
				}
			}
		})
	}
	for i := range clients {
		turn <- i
	}
	close(turn)
	visitors.Wait()
	n.until("all clients are gone", gone(1+clients))
	close(stop)
	work.Wait()
	s := n.Stats()
	if s.Authenticated != 0 || s.Users != 0 || s.Rooms != 0 || len(n.Clients()) != 0 {
		t.Errorf("left behind: %+v", s)
	}
	n.until("all descriptors are closed", func() bool { return descriptors() <= before })
	if err := n.Shutdown(context.Background()); err != nil {
		t.Error(err)
	}
	for id, done := range d.done {
		got := strings.Join(done, " ")
		if strings.Count(got, "authenticate") != strings.Count(got, " disconnect") || strings.Contains(got, "disconnect ") {
			t.Errorf("%s: %s", id, got)
		}
	}
	stacks := make([]byte, 4<<20)
	stacks = stacks[:runtime.Stack(stacks, true)]
	for _, of := range []string{"ignis.(*Server).serve", "ignis.(*Server).work", "internal/ws.(*"} {
		if bytes.Contains(stacks, []byte(of)) {
			t.Errorf("a goroutine is left in %s:\n%s", of, stacks)
		}
	}
}

// visit runs one client from connecting to disconnecting. What it does depends on i.
func visit(n *node, i int) error {
	ctx, cancel := context.WithTimeout(context.Background(), n.patience)
	defer cancel()
	conn, br, _, err := ws.Dialer{NetDial: n.dial}.Dial(ctx, "ws://server/ws")
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(n.patience))
	if br != nil {
		return errors.New("the server sent data first")
	}
	if i%10 == 0 {
		return nil // before it authenticates
	}
	write := func(text string) { _, _ = conn.Write(encode(ws.NewTextFrame([]byte(text)))) }
	write(fmt.Sprintf(`{"event":"authenticate","data":{"user":"u%d"}}`, i%20))
	if i%10 == 1 {
		return nil // perhaps while it is being authenticated
	}
	_, text, err := readFrame(conn)
	if err != nil || !strings.HasPrefix(string(text), `{"event":"connected"`) {
		return fmt.Errorf("received %q, %v", text, err)
	}
	write(`{"event":"join","data":{"rooms":["room","room` + fmt.Sprint(i%7) + `"]}}`)
	for range 3 {
		write(`{"event":"chat","data":"hello"}`)
	}
	for range 2 {
		if _, _, err := readFrame(conn); err != nil {
			return err
		}
	}
	switch i % 10 {
	case 2: // without a close frame
	case 3: // by a reset
		_ = conn.(*net.TCPConn).SetLinger(0)
	case 4: // by a protocol violation
		_, _ = conn.Write([]byte{0xff, 0xff, 0xff})
	default: // with a close handshake
		_, _ = conn.Write(encode(ws.NewCloseFrame(ws.NewCloseFrameBody(1000, ""))))
		for {
			h, _, err := readFrame(conn)
			if err != nil {
				return err
			}
			if h.OpCode == ws.OpClose {
				return nil
			}
		}
	}
	return nil
}

// A client that stops reading is cut off at the limit, without affecting others.
func TestSlowReaderIsCutOff(t *testing.T) { onBothPaths(t, testSlowReader) }

func testSlowReader(t *testing.T, plain bool) {
	n := start(t, ignis.Config{PlainIO: plain})
	stuck := n.raw()
	stuck.text(authenticate)
	others := []*peer{n.login("a"), n.login("b")}
	n.until("three clients are authenticated", func() bool { return n.Stats().Authenticated == 3 })
	for _, p := range others { // stuck may have received more, but has been connected since then
		for len(p.lines) > 0 {
			<-p.lines
		}
	}
	data := strings.Repeat("a", 64<<10)
	sent := 0
	for ; n.Stats().Disconnects["backpressure"] == 0; sent++ {
		if sent == 2000 { // 128 MB: more than any socket buffers
			t.Fatal("the client that does not read is still there")
		}
		if err := n.SendLocal(ignis.ToEveryone(), "x", data); err != nil {
			t.Fatal(err)
		}
		for _, p := range others {
			p.expect(`{"event":"x","data":"` + data + `"}`)
		}
	}
	_ = n.SendLocal(ignis.ToEveryone(), "last", 1)
	for _, p := range others {
		p.expect(`{"event":"last","data":1}`)
	}
	if s := n.Stats(); s.Dropped["backpressure"] != 1 || s.Clients != 2 {
		t.Errorf("counted %+v", s)
	}
}

// Combines hostile clients and envelopes with callbacks that are slow, fail or panic. A
// well-behaved client still receives all its messages, and the server shuts down
// gracefully.
func TestHostility(t *testing.T) {
	longtest.Mark(t)
	trouble := func(ctx context.Context, user string) error {
		switch n := rand.IntN(8); {
		case user == "good":
		case n == 0:
			panic("no luck")
		case n == 1:
			return errors.New("no luck")
		case n == 2:
			return hang(ctx)
		}
		return nil
	}
	b := newFakeBus()
	n := start(t, ignis.Config{
		Bus: b, MaxPayload: 4096, BackpressureLimit: 256 << 10, AuthTimeout: 200 * time.Millisecond,
		HeartbeatInterval: 10 * time.Millisecond, CloseTimeout: 100 * time.Millisecond,
		Authenticate: func(ctx context.Context, c ignis.Credentials) (ignis.Identity, error) {
			who, err := anyone(ctx, c)
			return who, errors.Join(err, trouble(ctx, who.UserID))
		},
		ValidateRooms: func(ctx context.Context, c *ignis.Client, rooms []string) ([]string, error) {
			return rooms, trouble(ctx, c.UserID)
		},
		OnConnect: func(ctx context.Context, c *ignis.Client) { _ = trouble(ctx, c.UserID) },
		OnMessage: func(ctx context.Context, c *ignis.Client, _ wire.Message) (any, error) {
			return nil, trouble(ctx, c.UserID)
		},
		OnDisconnect: func(context.Context, *ignis.Client, ignis.Disconnect) { panic("no luck either") },
	})
	good := n.login("good")
	var evil sync.WaitGroup
	for range 16 {
		evil.Go(func() {
			for range 40 {
				attack(n)
			}
		})
	}
	evil.Go(func() {
		for i := range 2000 {
			b.in <- []byte(pick(`{`, `[]`, `{"serverId":"s","type":"room","target":"lobby","event":"x","data":[[[[1]]]]}`,
				`{"serverId":"s","type":"user","target":"evil","event":"x","data":1,"exclude":[1]}`, "\xff",
				fmt.Sprintf(`{"serverId":"s","type":"user","target":"evil","event":"x","data":%d}`, i)))
		}
	})
	const messages = 1000
	evil.Go(func() {
		for i := range messages {
			_ = n.Send(context.Background(), ignis.ToUser("good"), "n", i)
			_ = n.SendLocal(ignis.ToEveryone(), "noise", strings.Repeat("a", rand.IntN(1000)), ignis.Except(good.id))
		}
	})
	for i := range messages {
		good.expect(fmt.Sprintf(`{"event":"n","data":%d}`, i))
	}
	evil.Wait()
	n.until("only the good client is left", func() bool { return n.Stats().Clients == 1 })
	good.text("x")
	good.expect(failure(wire.ErrorFormat))
	if err := n.Shutdown(context.Background()); err != nil {
		t.Error(err)
	}
	if err := <-n.ran; err != nil {
		t.Errorf("Run: %v", err)
	}
	n.ran <- nil
	if s := n.Stats(); s.CallbackPanics == 0 || s.BusMalformed == 0 || s.Clients != 0 || s.Users != 0 || s.Rooms != 0 {
		t.Errorf("counted %+v", s)
	}
}

func pick(texts ...string) string { return texts[rand.IntN(len(texts))] }

// attack is a client that sends arbitrary data and disconnects without a close frame.
func attack(n *node) {
	conn, _, _, err := ws.Dialer{NetDial: n.dial}.Dial(context.Background(), "ws://server/ws")
	if err != nil {
		n.t.Error(err)
		return
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(n.patience))
	_, _ = conn.Write(encode(ws.NewTextFrame([]byte(`{"event":"authenticate","data":{"user":"evil"}}`))))
	for range rand.IntN(100) {
		f := ws.NewTextFrame([]byte(pick("", "{", "[]", `{"event":"x"}`, `{"event":5}`, nested(600), `{"event":"encrypted"}`,
			`{"event":"join","data":{"rooms":["lobby",5,"ws:x"]}}`, `{"event":"leave","data":{"rooms":["lobby"]}}`,
			`{"event":"authenticate","data":{"user":"good"}}`, `{"event":"error"}`, `{"event":"x","data":`+nested(500)+`}`)))
		switch rand.IntN(200) {
		case 0:
			f = ws.NewCloseFrame(ws.NewCloseFrameBody(ws.StatusCode(rand.IntN(6000)), "\xff"))
		case 1:
			f.Header.Rsv = 7
		case 2:
			f.Header.OpCode = ws.OpCode(rand.IntN(16))
		case 3:
			f = ws.NewPingFrame(make([]byte, rand.IntN(200)))
		case 4:
			f = ws.NewBinaryFrame(make([]byte, 5000))
		}
		raw := encode(f)
		if rand.IntN(100) == 0 {
			raw = raw[:rand.IntN(len(raw))]
		}
		if _, err := conn.Write(raw); err != nil {
			return
		}
	}
	for range rand.IntN(10) {
		if _, err := ws.ReadHeader(conn); err != nil {
			return
		}
	}
}
