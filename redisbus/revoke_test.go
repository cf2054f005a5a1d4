package redisbus_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/client"
	"github.com/ignis-go/ignis/emitter"
	"github.com/ignis-go/ignis/ignistest"
	"github.com/ignis-go/ignis/internal/logtest"
	"github.com/ignis-go/ignis/internal/longtest"
	"github.com/ignis-go/ignis/internal/redistest"
	"github.com/ignis-go/ignis/redisbus"
	"github.com/ignis-go/ignis/wire"
)

// storeKey is the key of the stored commands.
const storeKey = "ignis:{06S}:commands"

// instance is a server on a Redis.
type instance struct {
	*ignistest.Server
	bus *redisbus.Bus
	log *logtest.Log
}

// serveOn runs a server on the Redis of c. Clients are who their credentials say.
func serveOn(t *testing.T, c redisbus.Config) instance {
	t.Helper()
	i := newInstance(t, c)
	i.Server = ignistest.Start(t, i.Server.Server, nil)
	return i
}

// newInstance returns a server that does not run yet.
func newInstance(t *testing.T, c redisbus.Config) instance {
	t.Helper()
	log := &logtest.Log{}
	c.Logger = log.Logger()
	bus, err := redisbus.New(c)
	if err != nil {
		t.Fatal(err)
	}
	s, err := ignis.New(ignis.Config{
		Bus: bus, Logger: c.Logger,
		Authenticate: func(_ context.Context, c ignis.Credentials) (ignis.Identity, error) {
			var who struct{ User, Token string }
			if err := c.Decode(&who); err != nil {
				return ignis.Identity{}, err
			}
			return ignis.Identity{UserID: who.User, TokenID: who.Token, IssuedAt: time.Now()}, nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return instance{&ignistest.Server{Server: s}, bus, log}
}

func who(user, token string) map[string]string {
	return map[string]string{"user": user, "token": token}
}

// refuses checks that a server does not accept a client.
func (i instance) refuses(t *testing.T, user, token string) {
	t.Helper()
	c, err := client.Dial(t.Context(), i.URL, client.Config{Credentials: who(user, token), NetDial: i.NetDial})
	if err == nil {
		_ = c.Close()
		t.Errorf("%s with token %s is accepted", user, token)
	} else if !errors.Is(err, client.ErrAuthentication) {
		t.Errorf("%s with token %s: %v", user, token, err)
	}
}

func (i instance) revoke(t *testing.T, r ignis.Revocation) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), deadline)
	defer cancel()
	if _, err := i.Revoke(ctx, r); err != nil {
		t.Fatal(err)
	}
}

func token(id string) ignis.Revocation {
	return ignis.Revocation{TokenID: id, Until: time.Now().Add(time.Hour)}
}

func TestRevocationReachesAllServers(t *testing.T) {
	t.Parallel()
	for name, start := range map[string]func() string{
		"single":   func() string { return redistest.Start(t).URL() },
		"Sentinel": func() string { return redistest.StartSentinel(t, 1).URL() },
		"Cluster":  func() string { return redistest.StartCluster(t).URL() },
	} {
		t.Run(name, func(t *testing.T) {
			cfg := patient(start())
			a, b := serveOn(t, cfg), serveOn(t, cfg)
			p, q := a.Dial(t, who("ann", "t1")), b.Dial(t, who("ann", "t1"))
			other := b.Dial(t, who("ann", "t2"))
			a.revoke(t, token("t1"))
			began := time.Now()
			p.ExpectClose(4006)
			q.ExpectClose(4006)
			t.Logf("both clients are closed %v after Revoke returned", time.Since(began))
			// A server that starts later knows.
			c := serveOn(t, cfg)
			for _, s := range []instance{a, b, c} {
				s.refuses(t, "ann", "t1")
			}
			late := c.Dial(t, who("ann", "t2"))
			// A worker without a server revokes as well.
			e, err := emitter.New(dial(t, cfg), emitter.Config{})
			if err != nil {
				t.Fatal(err)
			}
			if err := e.Revoke(t.Context(), wire.Revocation{UserID: "ann", Until: time.Now().Add(time.Hour)}); err != nil {
				t.Fatal(err)
			}
			other.ExpectClose(4006)
			late.ExpectClose(4006)
			serveOn(t, cfg).refuses(t, "ann", "t3")
		})
	}
}

// While Redis is gone, servers revoke on their own. When it is back, without its data, they tell
// each other.
func TestRevocationSurvivesRedis(t *testing.T) {
	t.Parallel()
	r := redistest.Start(t)
	cfg := impatient(r.URL())
	a, b := serveOn(t, cfg), serveOn(t, cfg)
	a.revoke(t, token("before"))
	here, there := a.Dial(t, who("ann", "during")), b.Dial(t, who("ann", "during"))
	r.Kill()
	redistest.Wait(t, "the outage to be noticed", func() bool { return a.Health().Bus != nil && b.Health().Bus != nil })
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	var failed *ignis.BusError
	if _, err := a.Revoke(ctx, token("during")); !errors.As(err, &failed) || !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, redisbus.ErrUnavailable) {
		t.Errorf("Revoke = %v", err)
	}
	here.ExpectClose(4006)
	a.refuses(t, "ann", "during")
	b.Dial(t, who("ann", "during")) // it cannot know
	r.Restart()
	there.ExpectClose(4006)
	redistest.Wait(t, "Redis to have both again", func() bool { return r.Do("zcard", storeKey) == "2" })
	c := serveOn(t, cfg)
	for _, s := range []instance{a, b, c} {
		s.refuses(t, "ann", "before")
		s.refuses(t, "ann", "during")
	}
}

// Revoke waits for Redis until its context ends.
func TestRevokeWaitsForRedis(t *testing.T) {
	t.Parallel()
	r := redistest.Start(t)
	cfg := impatient(r.URL())
	a, b := serveOn(t, cfg), serveOn(t, cfg)
	q := b.Dial(t, who("ann", "t1"))
	r.Kill()
	done := make(chan error, 1)
	ctx, cancel := context.WithTimeout(t.Context(), deadline)
	defer cancel()
	go func() { _, err := a.Revoke(ctx, token("t1")); done <- err }()
	redistest.Wait(t, "the outage to be noticed", func() bool { return a.Health().Bus != nil })
	r.Restart()
	if err := <-done; err != nil {
		t.Errorf("Revoke = %v", err)
	}
	q.ExpectClose(4006)
}

// A server that was cut off catches up.
func TestRevocationAfterAPartition(t *testing.T) {
	t.Parallel()
	r := redistest.Start(t)
	a := serveOn(t, impatient(r.URL()))
	var cut atomic.Bool
	cfg := impatient("")
	cfg.Option = &rueidis.ClientOption{
		InitAddress: []string{r.Addr()}, ForceSingleClient: true,
		DialCtxFn: func(ctx context.Context, addr string, d *net.Dialer, _ *tls.Config) (net.Conn, error) {
			if cut.Load() {
				return nil, errors.New("the network is cut")
			}
			return d.DialContext(ctx, "tcp", addr)
		},
	}
	b := serveOn(t, cfg)
	q, other := b.Dial(t, who("ann", "t1")), b.Dial(t, who("bob", "t2"))
	cut.Store(true)
	r.Do("client", "kill", "type", "pubsub")
	redistest.Wait(t, "the server to be cut off", func() bool { return errors.Is(b.Health().Bus, redisbus.ErrUnavailable) })
	a.revoke(t, token("t1"))
	b.Dial(t, who("ann", "t1")) // it cannot know
	cut.Store(false)
	q.ExpectClose(4006)
	b.refuses(t, "ann", "t1")
	if err := b.SendLocal(ignis.ToUser("bob"), "x", nil); err != nil {
		t.Error(err)
	}
	other.Expect("x", nil)
}

// After a failover, the successor stores revocations.
func TestRevocationAfterAFailover(t *testing.T) {
	longtest.Mark(t)
	t.Parallel()
	s := redistest.StartSentinel(t, 3)
	cfg := impatient(s.URL())
	a, b := serveOn(t, cfg), serveOn(t, cfg)
	a.revoke(t, token("before"))
	q := b.Dial(t, who("ann", "after"))
	s.Master.Kill()
	a.revoke(t, token("after")) // waits for the successor
	q.ExpectClose(4006)
	redistest.Wait(t, "the successor to have both", func() bool { return s.Replica.Do("zcard", storeKey) == "2" })
	serveOn(t, cfg).refuses(t, "ann", "before")
}

// The node that owns slot 0 stores commands. A bus on another node finds it.
func TestCommandsInACluster(t *testing.T) {
	t.Parallel()
	c := redistest.StartCluster(t)
	if slot := c.Nodes[1].Do("cluster", "keyslot", storeKey); slot != "0" {
		t.Errorf("the key is in slot %s", slot)
	}
	var reach atomic.Bool
	cfg := cutOff(c, c.Nodes[0].Addr(), &reach)
	cfg.ProbeInterval = time.Minute // so that the bus does not move
	n := run(t, cfg, nil)
	if addr := n.Stats().Addr; addr == c.Nodes[0].Addr() {
		t.Fatalf("the bus uses %s, which it cannot reach", addr)
	}
	command := wire.EncodedCommand{Text: []byte("x"), Until: time.Now().Add(time.Hour)}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := n.SendCommands(ctx, command); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "MOVED") {
		t.Errorf("SendCommands without the owner: %v", err)
	}
	stored := make(chan int, 10)
	received, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- n.ReceiveCommands(received, func(list ...[]byte) { stored <- len(list) }, func(...[]byte) {})
	}()
	redistest.Wait(t, "the bus to try to read", func() bool { return n.log.Count("stored commands cannot be read") > 0 })
	reach.Store(true)
	if got := <-stored; got != 0 {
		t.Errorf("%d commands are stored", got)
	}
	if err := n.SendCommands(t.Context(), command); err != nil {
		t.Error(err)
	}
	if got := c.Nodes[0].Do("zcard", storeKey); got != "1" {
		t.Errorf("the owner of slot 0 stores %s commands", got)
	}
	if addr := n.Stats().Addr; addr == c.Nodes[0].Addr() {
		t.Errorf("the bus has moved to %s", addr)
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// Redis forgets commands by itself.
func TestStoredCommandsExpire(t *testing.T) {
	t.Parallel()
	r := redistest.Start(t)
	n := run(t, impatient(r.URL()), nil)
	send := func(text string, until time.Duration) {
		t.Helper()
		if err := n.SendCommands(t.Context(), wire.EncodedCommand{Text: []byte(text), Until: time.Now().Add(until)}); err != nil {
			t.Fatal(err)
		}
	}
	send("long", time.Hour)
	send("short", time.Minute)
	if ttl := r.Do("ttl", storeKey); ttl != "3600" && ttl != "3599" {
		t.Errorf("the key expires in %s s, want the longest time", ttl)
	}
	r.Do("del", storeKey)
	send("short", 50*time.Millisecond)
	redistest.Wait(t, "the key to expire", func() bool { return r.Do("exists", storeKey) == "0" })
}

func TestTooManyStoredCommands(t *testing.T) {
	t.Parallel()
	r := redistest.Start(t)
	cfg := impatient(r.URL())
	cfg.MaxStoredCommands = 300
	n := run(t, cfg, nil)
	var list []wire.EncodedCommand
	for i := range 301 {
		list = append(list, wire.EncodedCommand{Text: fmt.Append(nil, i), Until: time.Now().Add(time.Hour)})
	}
	if err := n.SendCommands(t.Context(), list[:300]...); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := n.SendCommands(t.Context(), list[300]); !errors.Is(err, redisbus.ErrTooManyCommands) {
			t.Errorf("one more: %v", err)
		}
	}
	if err := n.SendCommands(t.Context(), list[7]); err != nil {
		t.Errorf("one that is stored: %v", err)
	}
	if err := n.SendCommands(t.Context(), wire.EncodedCommand{Text: []byte("not stored")}); err != nil {
		t.Errorf("one that is not to be stored: %v", err)
	}
	if got := r.Do("zcard", storeKey); got != "300" {
		t.Errorf("%s are stored", got)
	}
	// A bus reads as many, and says if there are more.
	for _, more := range []int{0, 1} {
		ctx, cancel := context.WithCancel(t.Context())
		read := 0
		if err := n.ReceiveCommands(ctx, func(list ...[]byte) { read = len(list); cancel() }, func(...[]byte) {}); err != nil || read != 300 {
			t.Errorf("%d commands were read, %v", read, err)
		}
		if n.log.Count("redis stores more commands") != more {
			t.Errorf("with %d more, the log is:\n%s", more, n.log)
		}
		r.Do("zadd", storeKey, "1", "one more")
	}
	if err := n.SendCommands(t.Context(), wire.EncodedCommand{Text: make([]byte, wire.MaxCommand+1)}); err == nil {
		t.Error("a command that is too large has no error")
	}
}
