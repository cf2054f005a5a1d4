// Package host is what the Go servers of the comparison have around the library
// that is compared: flags, an HTTP server, the subscription to Redis, and, for
// libraries without rooms, who is in which.
//
// The subscription is this project's own bus, so that what is compared is the
// way from there to the sockets.
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

// Deliver hands a message, ready as the payload of a frame, to the members of a
// room, or with no room to everyone. The payload is the callee's to keep.
type Deliver func(room string, payload []byte)

// Main runs a server until SIGTERM. Build returns what serves its HTTP and what
// messages from Redis go to, or an error.
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

// receive turns an envelope from Redis into what clients get.
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

// Config is what every server is told.
type Config struct {
	Listen  string // address
	Redis   string // URL
	Encrypt bool   // all clients; not every server can
}

// Flags reads the command line.
func Flags() Config {
	var c Config
	flag.StringVar(&c.Listen, "listen", "127.0.0.1:0", "address to listen on")
	flag.StringVar(&c.Redis, "redis", "redis://127.0.0.1:6379", "redis:// URL")
	flag.BoolVar(&c.Encrypt, "encrypt", false, "encrypt what each client gets")
	flag.Parse()
	return c
}

// Run calls run with a context that ends with SIGTERM, and the process with it.
func Run(c Config, run func(ctx context.Context) error) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// Serve serves HTTP until ctx ends. It says on standard output where, as soon as
// connections are accepted.
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

// Logger logs what goes wrong; anything else would be measured too.
func Logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
}

// Event is the event of the messages that are measured.
const Event = herd.Event
