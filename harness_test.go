package ignis_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/internal/logtest"
	"github.com/ignis-go/ignis/internal/memnet"
)

func TestMain(m *testing.M) {
	if what := os.Getenv(crowdVariable); what != "" {
		var address string
		var clients int
		_, err := fmt.Sscan(what, &address, &clients)
		if err := errors.Join(err, beCrowd(address, clients)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(m)
}

// secret is part of tokens and payloads. It must not appear in any log.
const secret = "s3cr3t"

// node is a running server that clients can connect to. It is shut down when the test
// ends.
type node struct {
	*ignis.Server
	t        testing.TB
	patience time.Duration // limits every wait; fake time in a bubble
	bubble   bool          // the server runs in a bubble
	dial     func(ctx context.Context, network, addr string) (net.Conn, error)
	log      *logtest.Log
	stop     context.CancelFunc // ends Run
	ran      chan error         // what Run returned
}

// newNode creates a server, prepares it, and runs it. If Authenticate is nil, it uses anyone.
func newNode(t testing.TB, cfg ignis.Config, prepare ...func(*ignis.Server)) *node {
	t.Helper()
	n := &node{t: t, patience: 2 * time.Minute, log: &logtest.Log{}, ran: make(chan error, 1)}
	if cfg.Authenticate == nil {
		cfg.Authenticate = anyone
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.NewTextHandler(n.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	if cfg.MemoryLimit == 0 {
		cfg.MemoryLimit = -1 // must not depend on where the tests run
	}
	var err error
	if n.Server, err = ignis.New(cfg); err != nil {
		t.Fatal(err)
	}
	for _, f := range prepare {
		f(n.Server)
	}
	ctx, stop := context.WithCancel(context.Background())
	n.stop = stop
	finished := make(chan struct{})
	go func() {
		defer close(finished)
		n.ran <- n.Run(ctx)
	}()
	t.Cleanup(func() {
		stop()
		<-finished
		if n.log.Has(secret) {
			t.Error("a token or payload is in the log")
		}
	})
	return n
}

// start runs a server behind a real TCP listener.
func start(t testing.TB, cfg ignis.Config, prepare ...func(*ignis.Server)) *node {
	t.Helper()
	n := newNode(t, cfg, prepare...)
	<-n.Ready()
	s := httptest.NewServer(n.Server)
	t.Cleanup(s.Close)
	n.dial = func(context.Context, string, string) (net.Conn, error) {
		return net.Dial("tcp", s.Listener.Addr().String())
	}
	return n
}

// startMem runs a server behind a listener of pipes, for bubbles. Time is fake there, so
// waiting costs nothing.
func startMem(t testing.TB, cfg ignis.Config, prepare ...func(*ignis.Server)) *node {
	t.Helper()
	n := newNode(t, cfg, prepare...)
	n.patience, n.bubble = 24*time.Hour, true
	n.listen()
	<-n.Ready()
	return n
}

// Stats returns the statistics of the server. In a bubble, it first waits until the server has
// nothing to do, because a client may receive a message before the server counts it.
func (n *node) Stats() ignis.Stats {
	if n.bubble {
		synctest.Wait()
	}
	return n.Server.Stats()
}

// listen makes n reachable through pipes.
func (n *node) listen() {
	l := memnet.Listen()
	s := &http.Server{Handler: n.Server}
	go func() { _ = s.Serve(l) }()
	n.t.Cleanup(func() { _ = s.Close() })
	n.dial = func(ctx context.Context, _, _ string) (net.Conn, error) { return l.Dial(ctx) }
}

// bubble runs a test in fake time.
func bubble(t *testing.T, f func(t *testing.T)) { t.Helper(); synctest.Test(t, f) }

// anyone accepts clients as the user that they name, unless their token is "bad".
func anyone(_ context.Context, c ignis.Credentials) (ignis.Identity, error) {
	var who struct{ User string }
	if err := c.Decode(&who); err != nil || c.Token == "bad" {
		return ignis.Identity{}, errors.Join(ignis.ErrUnauthenticated, err)
	}
	return ignis.Identity{UserID: who.User}, nil
}

// allRooms is a validator that allows everything.
func allRooms(_ context.Context, _ *ignis.Client, rooms []string) ([]string, error) {
	return rooms, nil
}
