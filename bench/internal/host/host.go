// Package host contains what the Go servers of the comparison need besides their
// libraries: flags, an HTTP server, the subscription to Redis, and, for libraries without
// rooms, room membership.
//
// The servers receive messages through the bus of this project, so the comparison
// measures the path from there to the sockets.
package host

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/ignis-go/ignis/internal/herd"
	"github.com/ignis-go/ignis/redisbus"
	"github.com/ignis-go/ignis/wire"
)

// Deliver delivers a message to the members of a room, or to everyone if room is empty.
// It may keep payload, which is the payload of a WebSocket frame.
type Deliver func(room string, payload []byte)

// Main runs a server until SIGINT or SIGTERM. build returns the HTTP handler and the
// function that delivers messages from Redis.
func Main(build func() (http.Handler, Deliver, error)) {
	c := Flags()
	Run(c, func(ctx context.Context) error {
		h, deliver, err := build()
		if err != nil {
			return err
		}
		bus, err := redisbus.New(redisbus.Config{URL: c.Redis, Logger: Logger()})
		if err != nil {
			return err
		}
		ready := func() {
			go func() {
				if err := Serve(ctx, c.Listen, h); err != nil {
					fmt.Fprintln(os.Stderr, err)
					os.Exit(1)
				}
			}()
		}
		return bus.Run(ctx, ready, func(envelopes ...[]byte) {
			for _, e := range envelopes {
				receive(e, deliver)
			}
		})
	})
}

// receive decodes an envelope from Redis and delivers its message.
func receive(envelope []byte, deliver Deliver) {
	e, err := wire.DecodeEnvelope(envelope)
	if err != nil {
		return
	}
	m := wire.Message{Event: e.Event, Data: e.Data}
	payload := wire.AppendMessage(make([]byte, 0, wire.MessageSize(m)), m)
	switch e.To.Type {
	case wire.TypeRoom:
		deliver(e.To.Name, payload)
	case wire.TypeBroadcast:
		deliver("", payload)
	}
}

// Config contains the settings of a server.
type Config struct {
	Listen  string // address to listen on
	Redis   string // URL
	Encrypt bool   // whether to require encryption; only Ignis supports it
	APIKey  string // key of the HTTP API, which is off without one; only Ignis has it
	Metrics bool   // whether to record metrics; only Ignis built with the tag metrics supports it
}

// Flags parses the command line.
func Flags() Config {
	var c Config
	flag.StringVar(&c.Listen, "listen", "127.0.0.1:0", "address to listen on")
	flag.StringVar(&c.Redis, "redis", "redis://127.0.0.1:6379", "URL of Redis")
	flag.BoolVar(&c.Encrypt, "encrypt", false, "require encryption; only Ignis supports it")
	flag.BoolVar(&c.Metrics, "metrics", false, "record metrics; only Ignis built with the tag metrics supports it")
	flag.StringVar(&c.APIKey, "api-key", "", "serve the HTTP API, with this key; only Ignis has it")
	flag.Parse()
	return c
}

// Run calls run with a context that SIGINT or SIGTERM cancels. If run fails, Run prints the
// error and exits.
func Run(c Config, run func(ctx context.Context) error) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// Serve serves HTTP until ctx is done. It prints the address on standard output once it
// accepts connections.
func Serve(ctx context.Context, address string, h http.Handler) error {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	fmt.Printf("listening on http://%s\n", l.Addr())
	hs := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}
	defer context.AfterFunc(ctx, func() { _ = hs.Close() })()
	if err := hs.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// Logger returns a logger that writes only warnings and errors, because the time for any
// other logging would be measured as well.
func Logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
}

// Event is the event name of the measured messages.
const Event = herd.Event
