// Command chat is a chat server with a web page. To try it, open http://127.0.0.1:3000 in
// two windows.
package main

import (
	"context"
	_ "embed"
	"errors"
	"flag"
	"log"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/examples/ignisjs"
	"github.com/ignis-go/ignis/redisbus"
	"github.com/ignis-go/ignis/wire"
)

//go:embed page.html
var page []byte

func main() {
	listen := flag.String("listen", "127.0.0.1:3000", "address to listen on")
	redis := flag.String("redis", "", "redis:// URL that connects several instances; empty: a single instance")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *listen, *redis); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, listen, redis string) error {
	chat := NewChat(map[string][]string{"staff": {"ann", "bob"}})
	srv, err := newServer(chat, redis)
	if err != nil {
		return err
	}
	hs := &http.Server{Addr: listen, Handler: handler(srv), ReadHeaderTimeout: 5 * time.Second}
	failed := make(chan error, 1)
	go func() { failed <- hs.ListenAndServe() }()
	log.Printf("chat on http://%s", listen)

	// Run returns when ctx is done and all clients have been closed.
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		if err := <-failed; !errors.Is(err, http.ErrServerClosed) {
			log.Print(err)
			cancel()
		}
	}()
	err = srv.Run(ctx)
	return errors.Join(err, hs.Close())
}

func newServer(chat *Chat, redis string) (*ignis.Server, error) {
	cfg := ignis.Config{
		Authenticate:  chat.Authenticate,
		ValidateRooms: chat.MayJoin,
		OnMessage:     chat.OnMessage,
	}
	if redis != "" {
		bus, err := redisbus.New(redisbus.Config{URL: redis})
		if err != nil {
			return nil, err
		}
		cfg.Bus = bus
	}
	srv, err := ignis.New(cfg)
	if err != nil {
		return nil, err
	}
	chat.Attach(srv)
	return srv, nil
}

func handler(srv *ignis.Server) http.Handler {
	mux := http.NewServeMux()
	mux.Handle(wire.DefaultPath, srv)
	mux.HandleFunc("GET /ignis.js", ignisjs.Serve)
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write(page)
	})
	return mux
}
