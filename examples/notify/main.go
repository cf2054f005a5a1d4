// Command notify is an application with a service that sends notifications to its users:
//
//	ignis listen ws://127.0.0.1:8082/ws --token ann-secret
//	curl -d '{"title":"Report","body":"It is ready."}' http://127.0.0.1:8082/notifications/ann
package main

import (
	"context"
	"errors"
	"flag"
	"log"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/redisbus"
	"github.com/ignis-go/ignis/wire"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:8082", "address to listen on")
	redis := flag.String("redis", "", "redis:// URL that connects several instances; empty: a single instance")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *listen, *redis); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, listen, redis string) error {
	srv, err := newServer(redis)
	if err != nil {
		return err
	}
	hs := &http.Server{
		Addr:              listen,
		Handler:           routes(srv, NewNotifications(srv)),
		ReadHeaderTimeout: 5 * time.Second,
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		if err := hs.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
			log.Print(err)
			cancel()
		}
	}()
	log.Printf("listening on http://%s", listen)
	return errors.Join(srv.Run(ctx), hs.Close())
}

// tokens stands in for the application's sessions: user IDs by token.
var tokens = map[string]string{"ann-secret": "ann", "bob-secret": "bob"}

func newServer(redis string) (*ignis.Server, error) {
	cfg := ignis.Config{
		Authenticate: func(_ context.Context, c ignis.Credentials) (ignis.Identity, error) {
			user, ok := tokens[c.Token]
			if !ok {
				return ignis.Identity{}, ignis.ErrUnauthenticated
			}
			return ignis.Identity{UserID: user}, nil
		},
	}
	if redis != "" {
		bus, err := redisbus.New(redisbus.Config{URL: redis})
		if err != nil {
			return nil, err
		}
		cfg.Bus = bus
	}
	return ignis.New(cfg)
}

func routes(srv *ignis.Server, notifications *Notifications) http.Handler {
	mux := http.NewServeMux()
	mux.Handle(wire.DefaultPath, srv)
	mux.Handle("POST /notifications/{user}", notifications)
	mux.Handle("POST /announcements", notifications)
	return mux
}
