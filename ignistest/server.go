package ignistest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/bustest"
	"github.com/ignis-go/ignis/wire"
)

// Server is a running server to which clients in the same process can connect.
type Server struct {
	*ignis.Server
	// URL is the address of the server for [client.Dial], with the path /ws. Set NetDial
	// of the [client.Config] to [Server.NetDial]. The path and query may be changed.
	URL string

	listener *listener
}

// NewServer runs a server with the configuration cfg until the test ends. It returns when
// the server is ready. If cfg has no Logger, the server logs to the output of the test.
//
// When the test ends, the server closes its clients and shuts down. The test fails if
// [ignis.Server.Run] returns an error, for example because a callback did not return
// within ShutdownTimeout.
func NewServer(t testing.TB, cfg ignis.Config) *Server {
	t.Helper()
	if cfg.Logger == nil {
		cfg.Logger = logger(t)
	}
	srv, err := ignis.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return Start(t, srv, nil)
}

// Start is like [NewServer] for a server that the application has created but not run.
// Clients connect to the handler h, in which the application has mounted the server, for
// example behind middleware. If h is nil, they connect to srv directly.
func Start(t testing.TB, srv *ignis.Server, h http.Handler) *Server {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ran := make(chan error, 1)
	go func() { ran <- srv.Run(ctx) }()
	select {
	case <-srv.Ready():
	case err := <-ran:
		cancel()
		if err == nil {
			err = errors.New("the server was shut down before Start was called")
		}
		t.Fatal(err)
	}
	if h == nil {
		h = srv
	}
	s := &Server{Server: srv, URL: "ws://" + host + wire.DefaultPath, listener: newListener()}
	web := &http.Server{Handler: h, ErrorLog: slog.NewLogLogger(logger(t).Handler(), slog.LevelWarn)}
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = web.Serve(s.listener)
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-ran; err != nil {
			t.Errorf("Run: %v%s", err, callbacks())
		}
		_ = web.Close()
		<-served
	})
	return s
}

// NewCluster runs n servers with the configuration cfg until the test ends, as [NewServer]
// does. It replaces cfg.Bus with buses that connect the servers. To give the servers
// different callbacks, call NewServer for each bus of [bustest.NewCluster] instead.
func NewCluster(t testing.TB, n int, cfg ignis.Config) []*Server {
	t.Helper()
	servers := make([]*Server, n)
	for i, bus := range bustest.NewCluster(n) {
		cfg.Bus = bus
		servers[i] = NewServer(t, cfg)
	}
	return servers
}

// NetDial connects to the server and ignores the address. It can be used as NetDial of a
// [client.Config] and as DialContext of an [http.Transport].
func (s *Server) NetDial(ctx context.Context, _, _ string) (net.Conn, error) {
	return s.listener.dial(ctx)
}

// logger returns a logger that writes to the output of the test.
func logger(t testing.TB) *slog.Logger {
	return slog.New(slog.NewTextHandler(t.Output(), nil))
}

// callbacks returns the stacks of the goroutines that run callbacks, to show which of them
// have not returned.
func callbacks() string {
	all := make([]byte, 1<<20)
	all = all[:runtime.Stack(all, true)]
	var b strings.Builder
	for stack := range strings.SplitSeq(string(all), "\n\n") {
		if strings.Contains(stack, "ignis.(*Server).call(") {
			fmt.Fprintf(&b, "\n\n%s", stack)
		}
	}
	return b.String()
}
