// Command dashboard shows live prices and accepts orders. To try it, open
// http://127.0.0.1:3000 in two windows.
package main

import (
	"context"
	"embed"
	"errors"
	"flag"
	"io/fs"
	"log"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/examples/ignisjs"
	"github.com/ignis-go/ignis/redisbus"
	"github.com/ignis-go/ignis/wire"
)

//go:embed page
var files embed.FS

func main() {
	listen := flag.String("listen", "127.0.0.1:3000", "address to listen on")
	redis := flag.String("redis", "", "redis:// URL that connects several instances; empty: a single instance")
	secret := flag.String("secret", "a secret that everybody can read here", "key that signs the tokens, at least 32 bytes")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *listen, *redis, []byte(*secret)); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, listen, redis string, secret []byte) error {
	tokens, err := NewTokens(secret)
	if err != nil {
		return err
	}
	var bus ignis.Bus
	if redis != "" {
		if bus, err = redisbus.New(redisbus.Config{URL: redis}); err != nil {
			return err
		}
	}
	d, err := NewDashboard(tokens, bus, slog.Default())
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", listen)
	if err != nil {
		return err
	}
	log.Printf("dashboard on http://%s", l.Addr())
	return d.Serve(ctx, l)
}

// Serve serves the dashboard until ctx is done. It then closes all clients with a code
// that makes them reconnect to another instance, and returns when all requests have been
// handled.
func (d *Dashboard) Serve(ctx context.Context, l net.Listener) error {
	ctx, cancel := context.WithCancel(ctx)
	x := exchange{[]string{"AAPL", "GOOG", "MSFT"}, 100 * time.Millisecond}
	x.publishAll(d.Publish) // clients may watch only symbols that have a price
	var feed sync.WaitGroup
	feed.Go(func() { x.follow(ctx, d.Publish) })
	hs := &http.Server{Handler: d.routes(), ReadHeaderTimeout: 5 * time.Second}
	served := make(chan error, 1)
	go func() {
		served <- hs.Serve(l)
		cancel() // without an HTTP server, no client can connect
	}()
	err := d.server.Run(ctx)
	cancel()
	feed.Wait()
	last, done := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer done()
	err = errors.Join(err, hs.Shutdown(last))
	if e := <-served; !errors.Is(e, http.ErrServerClosed) {
		err = errors.Join(err, e)
	}
	return err
}

// routes returns the HTTP handler of the dashboard.
func (d *Dashboard) routes() http.Handler {
	page, err := fs.Sub(files, "page")
	if err != nil {
		panic(err) // the name is valid
	}
	mux := http.NewServeMux()
	mux.Handle(wire.DefaultPath, d.server)
	mux.Handle("POST /login", d.tokens)
	mux.Handle("GET /metrics", &d.metrics)
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if h := d.server.Health(); !h.Ready || h.Bus != nil {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	mux.HandleFunc("/ignis.js", ignisjs.Serve)
	mux.Handle("/", http.FileServerFS(page))
	return mux
}
