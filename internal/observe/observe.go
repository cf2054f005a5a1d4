// Package observe serves metrics, probes and profiles over plain HTTP, on an address that clients
// do not use. It works even if clients use all connections of the other addresses.
package observe

import (
	"context"
	"fmt"
	"log"
	"net"
	"net/http"
	"time"

	"github.com/ignis-go/ignis/internal/listen"
)

// The limits.
const (
	maxConns      = 16      // connections at the same time; further ones wait
	maxHeader     = 8 << 10 // size of a request line and header in bytes
	readTimeout   = 5 * time.Second
	answerTimeout = 30 * time.Second // without the duration of a profile
	idleTimeout   = 75 * time.Second // more than Prometheus's default interval of a minute
)

// Config configures a [Server].
type Config struct {
	// Address is the host:port to listen on. Port 0 picks a free port.
	Address string
	// Handlers are the handlers of paths such as /metrics. They get only GET and HEAD requests.
	Handlers map[string]http.Handler
	// Profiles serves package net/http/pprof below /debug/pprof/. Address must then be a
	// loopback address.
	Profiles bool
	// ErrorLog receives errors of the HTTP server, as in [http.Server].
	ErrorLog *log.Logger
}

// Check returns an error if the address is malformed, or is not a loopback address although
// there are profiles.
func (c Config) Check() error {
	host, _, err := net.SplitHostPort(c.Address)
	if err != nil {
		return fmt.Errorf("expected host:port such as 127.0.0.1:9464, but got %q", c.Address)
	}
	if c.Profiles && !listen.IsLoopback(host) {
		return profilesError(c.Address)
	}
	return nil
}

func profilesError(address string) error {
	return fmt.Errorf("profiles reveal what is in the memory of the process, so they are served only on a loopback address such as 127.0.0.1:9464, not on %s", address)
}

// Server is a running HTTP server.
type Server struct {
	http     *http.Server
	listener net.Listener
	done     chan struct{} // closed when Serve has returned
}

// Start validates the configuration, listens, and serves until Close is called.
func Start(ctx context.Context, c Config) (*Server, error) {
	if err := c.Check(); err != nil {
		return nil, err
	}
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", c.Address)
	if err != nil {
		return nil, err
	}
	if addr, ok := l.Addr().(*net.TCPAddr); c.Profiles && ok && !addr.IP.IsLoopback() { // a name such as localhost can resolve to any address
		_ = l.Close()
		return nil, profilesError(addr.String())
	}
	s := &Server{listener: newLimitedListener(l), done: make(chan struct{})}
	s.http = &http.Server{
		Handler:           c.handler(),
		ReadHeaderTimeout: readTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      answerTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeader - 4<<10, // net/http adds the size of its buffer
		ErrorLog:          c.ErrorLog,
	}
	go func() {
		defer close(s.done)
		_ = s.http.Serve(s.listener) // returns an error only after Close, or if the listener is broken
	}()
	return s, nil
}

// URL returns the address as http://host:port.
func (s *Server) URL() string { return "http://" + s.listener.Addr().String() }

// Close stops listening and closes all connections. Requests in progress have a second to
// complete.
func (s *Server) Close() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if s.http.Shutdown(ctx) != nil {
		_ = s.http.Close()
	}
	<-s.done
}

// handler routes requests by their exact path.
func (c Config) handler() http.Handler {
	mux := http.NewServeMux()
	for path, h := range c.Handlers {
		mux.Handle("GET "+path, h)
	}
	if c.Profiles {
		mountProfiles(mux)
	}
	return mux
}
