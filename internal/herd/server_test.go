//go:build linux

package herd

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http/httptest"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/internal/redistest"
	"github.com/ignis-go/ignis/redisbus"
	"github.com/ignis-go/ignis/wire"
)

// server runs a server that relays messages to the room that they name, and returns its address. It
// accepts two tokens.
func server(t *testing.T, cfg ignis.Config) (s *ignis.Server, addr string) {
	t.Helper()
	cfg.Logger = slog.New(slog.DiscardHandler)
	cfg.Authenticate = func(_ context.Context, c ignis.Credentials) (ignis.Identity, error) {
		if c.Type != "Bearer" || c.Token != "t" && c.Token != "other" {
			return ignis.Identity{}, ignis.ErrUnauthenticated
		}
		return ignis.Identity{UserID: c.Token}, nil
	}
	cfg.ValidateRooms = func(_ context.Context, _ *ignis.Client, rooms []string) ([]string, error) { return rooms, nil }
	cfg.OnMessage = func(ctx context.Context, _ *ignis.Client, m wire.Message) (any, error) {
		var data struct{ Room string }
		if err := m.Decode(&data); err != nil {
			return nil, err
		}
		return nil, s.SendLocal(ignis.ToRoom(data.Room), m.Event, m.Data)
	}
	var err error
	if s, err = ignis.New(cfg); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	ran := make(chan error, 1)
	go func() { ran <- s.Run(ctx) }()
	<-s.Ready()
	web := httptest.NewServer(s)
	t.Cleanup(func() {
		stop()
		<-ran
		web.Close()
	})
	return s, web.Listener.Addr().String()
}

// newHerd connects clients and waits until they are in their rooms.
func newHerd(t *testing.T, s *ignis.Server, c Config, clients, rooms int) *Herd {
	t.Helper()
	h, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.Close)
	took, err := h.Connect(t.Context(), clients, rooms)
	if live, closed := h.Live(); err != nil || took <= 0 || live != clients || closed != 0 {
		t.Fatalf("connected %d, closed %d in %v: %v", live, closed, took, err)
	}
	pump(t, h, "all to be in their rooms", func() bool {
		in := 0
		for i := range rooms {
			in += len(s.ClientsInRoom(roomName(i)))
		}
		return rooms == 0 || in == clients
	})
	return h
}

// pump runs a herd until a condition holds.
func pump(t *testing.T, h *Herd, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !done(); {
		if err := h.Pump(t.Context(), 10*time.Millisecond); err != nil || time.Now().After(end) {
			t.Fatalf("waiting for %s: %v", what, err)
		}
	}
}

// check checks that the given number of messages was published, and that each was delivered to
// the given number of clients.
func check(t *testing.T, h *Herd, messages, each int64) {
	t.Helper()
	if h.Published() != messages || h.Deliveries != messages*each || h.Reordered+h.Repeated+h.Lost() != 0 || h.Expected() != 0 {
		t.Errorf("%d published, %+v, %d expected; want %d for %d", h.Published(), h.Tally, h.Expected(), messages, each)
	}
}

// With a real server, every message arrives exactly once, for all ways of publishing and all kinds of
// clients.
func TestWithServer(t *testing.T) {
	r := redistest.Start(t)
	bus, err := redisbus.New(redisbus.Config{URL: r.URL()})
	if err != nil {
		t.Fatal(err)
	}
	withBus := ignis.Config{Bus: bus, Encryption: ignis.EncryptionOptional}
	s, addr := server(t, withBus)
	ctx := t.Context()
	ticks := 0
	for name, row := range map[string]struct {
		c    Config
		each int64 // number of clients that receive a message
	}{
		"by clients":           {Config{}, 12},
		"by clients, rooms":    {Config{Rooms: 3, Token: "other"}, 4},
		"by clients, sealed":   {Config{Encrypt: true, TimeBursts: true}, 12},
		"Redis":                {Config{Redis: r.Addr(), Heartbeat: time.Second, Tick: func() { ticks++ }}, 12},
		"Redis, rooms":         {Config{Redis: r.Addr(), Rooms: 3}, 4},
		"Redis, rooms, sealed": {Config{Redis: r.Addr(), Rooms: 3, Encrypt: true, TimeBursts: true}, 4},
		"by the caller": {Config{Publish: func(room, data string) error {
			return s.SendLocal(ignis.ToRoom(room), Event, json.RawMessage(data))
		}}, 12},
		"by the caller, rooms": {Config{Rooms: 3, Publish: func(room, data string) error {
			return s.SendLocal(ignis.ToRoom(room), Event, json.RawMessage(data))
		}}, 4},
	} {
		t.Run(name, func(t *testing.T) {
			row.c.Addr = addr
			h := newHerd(t, s, row.c, 12, row.c.Rooms)
			if err := h.Steady(ctx, 10*time.Millisecond, 300*time.Millisecond, 200); err != nil {
				t.Fatal(err)
			}
			check(t, h, 30, row.each)
			if n := h.Latency.Count(); n != 30*row.each {
				t.Errorf("%d latencies of %d deliveries", n, 30*row.each)
			}
			h.Reset()
			for _, window := range []int{0, 10, 1000} {
				took, err := h.Burst(ctx, 90, 3000, window)
				if err != nil || took <= 0 {
					t.Fatalf("window %d: %v, %v", window, took, err)
				}
			}
			h.Deliveries += 30 * row.each // Reset has cleared them, but not the number of published messages
			check(t, h, 300, row.each)
			if n := h.Latency.Count(); (n > 0) != row.c.TimeBursts || n > 0 && n != 270*row.each {
				t.Errorf("%d latencies of bursts", n)
			}
			if live, closed := h.Live(); live != 12 || closed != 0 || h.Closes() != "" {
				t.Errorf("%d clients, %d closed: %s", live, closed, h.Closes())
			}
			for _, c := range s.Clients() { // so that the next test starts without clients
				_ = s.Disconnect(c.ID, 4000, "")
			}
			pump(t, h, "all to be gone", func() bool { return s.Stats().Clients == 0 })
		})
	}
	if ticks == 0 {
		t.Error("Tick was never called")
	}
}

// In a chat, all members of a room send messages to each other.
func TestChat(t *testing.T) {
	s, addr := server(t, ignis.Config{})
	h := newHerd(t, s, Config{Addr: addr}, 12, 3)
	lost, err := h.Chat(t.Context(), 120*time.Millisecond, 360*time.Millisecond, 100, 3)
	if err != nil || lost != 0 || h.Reordered != 0 || h.Deliveries != 12*3*4 || h.Latency.Count() != 12*3*4 {
		t.Errorf("%+v, %d lost, %d latencies, %v", h.Tally, lost, h.Latency.Count(), err)
	}
}

// Await counts messages that someone else sends to everyone.
func TestAwait(t *testing.T) {
	s, addr := server(t, ignis.Config{})
	h := newHerd(t, s, Config{Addr: addr}, 3, 0)
	for i := range uint32(5) {
		if err := s.SendLocal(ignis.ToEveryone(), Event, json.RawMessage(Data(i, time.Now(), 0, "", 100))); err != nil {
			t.Fatal(err)
		}
	}
	if err := h.Await(t.Context(), 5); err != nil {
		t.Error(err)
	}
	check(t, h, 5, 3)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for what, err := range map[string]error{
		"Await": h.Await(ctx, 1), "Pump": h.Pump(ctx, time.Hour), "Steady": h.Steady(ctx, time.Hour, 2*time.Hour, 1),
	} {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s did not end with its context: %v", what, err)
		}
	}
}

// Clients that connect later do not miss earlier messages.
func TestLaterClients(t *testing.T) {
	s, addr := server(t, ignis.Config{})
	h := newHerd(t, s, Config{Addr: addr}, 3, 0)
	for range 2 {
		if _, err := h.Burst(t.Context(), 5, 100, 0); err != nil {
			t.Fatal(err)
		}
		if _, err := h.Connect(t.Context(), 2, 0); err != nil {
			t.Fatal(err)
		}
	}
	if live, _ := h.Live(); live != 7 || h.Deliveries != 5*3+5*5 || h.Lost() != 0 {
		t.Errorf("%d clients, %+v", live, h.Tally)
	}
}

// AddDeaf fills the connections of clients until the server cannot write to them. When the server
// closes them, they are counted separately.
func TestDeaf(t *testing.T) {
	r := redistest.Start(t)
	bus, err := redisbus.New(redisbus.Config{URL: r.URL()})
	if err != nil {
		t.Fatal(err)
	}
	s, addr := server(t, ignis.Config{Bus: bus, BackpressureLimit: 64 << 20})
	h := newHerd(t, s, Config{Addr: addr, Redis: r.Addr()}, 2, 0)
	if err := h.AddDeaf(t.Context(), 2); err != nil {
		t.Fatal(err)
	}
	if live, closed := h.Live(); live != 2 || closed != 0 || s.Stats().Authenticated != 4 {
		t.Errorf("%d live, %d closed of %d", live, closed, s.Stats().Authenticated)
	}
	stuck := 0
	for _, c := range s.ClientsInRoom(roomName(deafRoom)) {
		if c.SlowReader {
			stuck++
		}
	}
	if stuck != 2 {
		t.Errorf("%d of 2 are stuck", stuck)
	}
	if _, err := h.Burst(t.Context(), 10, 100, 0); err != nil {
		t.Fatal(err)
	}
	check(t, h, 10, 2)
	for _, c := range s.ClientsInRoom(roomName(deafRoom)) {
		_ = s.Disconnect(c.ID, 4000, "")
	}
	pump(t, h, "the deaf clients to be gone", func() bool { _, closed := h.Live(); return closed == 2 })
	if h.Closes() != "2 times: "+ended {
		t.Errorf("closed: %s", h.Closes())
	}
}

// If Redis refuses messages, the measurement fails.
func TestRedisRefuses(t *testing.T) {
	r := redistest.StartWith(t, redistest.Config{Password: "hunter2"})
	s, addr := server(t, ignis.Config{})
	h := newHerd(t, s, Config{Addr: addr, Redis: r.Addr()}, 1, 0)
	if _, err := h.Burst(t.Context(), 3, 100, 0); err == nil || !strings.Contains(err.Error(), "NOAUTH") {
		t.Errorf("Burst: %v", err)
	}
	r.Kill()
	if err := h.Steady(t.Context(), time.Millisecond, time.Minute, 100); err == nil || !strings.Contains(err.Error(), "redis") {
		t.Errorf("Steady without a Redis: %v", err)
	}
}

// TestSockaddr checks the address family of IPv4 and IPv6 addresses.
func TestSockaddr(t *testing.T) {
	for text, want := range map[string]int{"127.0.0.1:80": unix.AF_INET, "[::ffff:127.0.0.1]:80": unix.AF_INET, "[::1]:80": unix.AF_INET6} {
		family, sa := sockaddr(netip.MustParseAddrPort(text))
		port := 0
		switch a := sa.(type) {
		case *unix.SockaddrInet4:
			port = a.Port
		case *unix.SockaddrInet6:
			port = a.Port
		}
		if family != want || port != 80 {
			t.Errorf("%s: family %d, port %d", text, family, port)
		}
	}
}

// The herd reports why connections failed or were closed.
func TestReasons(t *testing.T) {
	s, addr := server(t, ignis.Config{Encryption: ignis.EncryptionRequired})
	for want, c := range map[string]Config{
		`closed with 4003 "Authentication failed" {"event":"error","data":{"message":"Authentication failed"}}`: {Addr: addr, Token: "bad"},
		`closed with 4004 "Encryption required"`:                   {Addr: addr},
		"connect: connection refused":                              {Addr: "127.0.0.1:1"},
		`the server refused the upgrade: "HTTP/1.1 404 Not Found"`: {Addr: httpServer(t)},
	} {
		h, err := New(c)
		if err != nil {
			t.Fatal(err)
		}
		_, err = h.Connect(t.Context(), 2, 0)
		if why := h.Failed(); err == nil || !strings.Contains(err.Error(), "2 times: "+why.Text) {
			t.Errorf("%v, but Failed returned %+v", err, why)
		}
		if err == nil || !strings.Contains(err.Error(), "0 of 2 clients are connected") || !strings.Contains(err.Error(), "times: "+want) {
			t.Errorf("%v, want %s", err, want)
		}
		h.Close()
	}
	h := newHerd(t, s, Config{Addr: addr, Encrypt: true}, 3, 0)
	for _, c := range s.Clients()[:2] {
		_ = s.Disconnect(c.ID, 4321, "enough")
	}
	pump(t, h, "two to be closed", func() bool { _, closed := h.Live(); return closed == 2 })
	if why := (Reason{Text: `closed with 4321 "enough"`, Code: 4321}); h.Closed() != why || h.Failed() != (Reason{}) {
		t.Errorf("closed for %+v, failed for %+v", h.Closed(), h.Failed())
	}
	if live, closed := h.Live(); live != 1 || closed != 2 || h.Closes() != `2 times: closed with 4321 "enough"` {
		t.Errorf("%d live, %d closed: %s", live, closed, h.Closes())
	}
	if _, err := New(Config{Addr: "nowhere"}); err == nil {
		t.Error("an invalid address is accepted")
	}
	if _, err := New(Config{Addr: addr, Redis: "127.0.0.1:1"}); err == nil {
		t.Error("a Redis that is not running is accepted")
	}
}

func httpServer(t *testing.T) string {
	web := httptest.NewServer(nil)
	t.Cleanup(web.Close)
	return web.Listener.Addr().String()
}

// Clients send heartbeats in turn, even if nothing else happens.
func TestHeartbeats(t *testing.T) {
	s, addr := server(t, ignis.Config{})
	h := newHerd(t, s, Config{Addr: addr, Heartbeat: 100 * time.Millisecond}, 4, 0)
	before := s.Stats().Received
	if err := h.Pump(t.Context(), 2500*time.Millisecond); err != nil {
		t.Fatal(err)
	}
	if n := s.Stats().Received - before; n < 40 {
		t.Errorf("%d heartbeats", n)
	}
}

// TestProcess reads the CPU time and the memory of this process.
func TestProcess(t *testing.T) {
	before, err := CPUTime(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	for n, end := 0, time.Now().Add(20*time.Millisecond); time.Now().Before(end); n++ {
	}
	after, err := CPUTime(os.Getpid())
	if err != nil || after <= before || after-before > time.Minute {
		t.Errorf("CPU time %v and then %v, %v", before, after, err)
	}
	if size, err := ResidentSize(os.Getpid()); err != nil || size < 1<<20 || size > 1<<35 {
		t.Errorf("%v bytes, %v", size, err)
	}
	for _, key := range []string{"Nothing:", ""} {
		if _, err := Keyed("/proc/self/status", key); err == nil {
			t.Errorf("Keyed found %q", key)
		}
	}
	if _, err := CPUTime(1 << 22); err == nil {
		t.Error("CPUTime of a nonexistent process returned no error")
	}
}
