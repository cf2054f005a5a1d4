// Command ignis is a server for the comparison that uses this library as an application
// would. It accepts everyone, allows every room, and relays the messages of clients to the
// rooms that they name.
package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/bench/internal/host"
	"github.com/ignis-go/ignis/httpapi"
	"github.com/ignis-go/ignis/redisbus"
	"github.com/ignis-go/ignis/wire"
)

func main() {
	c := host.Flags()
	host.Run(c, func(ctx context.Context) error { return run(ctx, c) })
}

func run(ctx context.Context, c host.Config) error {
	var bus ignis.Bus
	var redis *redisbus.Bus
	if c.Redis != "" {
		var err error
		if redis, err = redisbus.New(redisbus.Config{URL: c.Redis}); err != nil {
			return err
		}
		bus = redis
	}
	var relay chat
	encryption := ignis.EncryptionOff
	if c.Encrypt {
		encryption = ignis.EncryptionRequired
	}
	var hooks ignis.Hooks
	var onRequest func(httpapi.RequestInfo)
	observe := func(context.Context, *ignis.Server, *redisbus.Bus) {}
	if c.Metrics {
		hooks, onRequest, observe = metrics()
	}
	srv, err := ignis.New(ignis.Config{
		Hooks: hooks,
		Authenticate: func(_ context.Context, c ignis.Credentials) (ignis.Identity, error) {
			return ignis.Identity{}, nil
		},
		ValidateRooms: func(_ context.Context, _ *ignis.Client, rooms []string) ([]string, error) {
			return rooms, nil
		},
		OnMessage:  relay.onMessage,
		Encryption: encryption,
		Bus:        bus,
		// An idle herd may send only answers to pings for minutes.
		HeartbeatTimeout: time.Hour,
		// In some workloads, a client sends as fast as it can.
		MessageRate: 1e9, MessageBurst: 1e9, ByteRate: 1e9, ByteBurst: 1e9,
	})
	if err != nil {
		return err
	}
	relay.srv = srv
	h, err := handler(srv, c, onRequest)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go observe(ctx, srv, redis)
	failed := make(chan error, 1)
	go func() {
		defer cancel()
		select {
		case <-srv.Ready():
			failed <- host.Serve(ctx, c.Listen, h)
		case <-ctx.Done():
			failed <- nil
		}
	}()
	err = srv.Run(ctx)
	cancel()
	return errors.Join(err, <-failed)
}

// chat relays messages to the rooms that they name.
type chat struct{ srv *ignis.Server }

func (c *chat) onMessage(ctx context.Context, _ *ignis.Client, m wire.Message) (any, error) {
	var data struct {
		Room string `json:"room"`
	}
	if err := m.Decode(&data); err != nil {
		return nil, err
	}
	if data.Room == "" {
		return nil, errors.New("the message names no room")
	}
	return nil, c.srv.Send(ctx, ignis.ToRoom(data.Room), m.Event, m.Data)
}

// handler returns a handler for the server that also answers GET /waiting with the number
// of clients that have a backlog, and, with a key, serves the HTTP API.
func handler(srv *ignis.Server, c host.Config, onRequest func(httpapi.RequestInfo)) (http.Handler, error) {
	mux := http.NewServeMux()
	mux.Handle(wire.DefaultPath, srv)
	mux.HandleFunc("GET /waiting", func(w http.ResponseWriter, _ *http.Request) {
		n := 0
		for _, c := range srv.Clients() {
			if c.SlowReader {
				n++
			}
		}
		_, _ = fmt.Fprintln(w, n)
	})
	if c.APIKey == "" {
		return mux, nil
	}
	id, _, _ := strings.Cut(c.APIKey, ".")
	api, err := httpapi.New(httpapi.Config{
		Server: srv, Prefix: "/api", Logger: host.Logger(), OnRequest: onRequest,
		Keys: []httpapi.Key{{
			ID: id, Hashes: []string{httpapi.HashKey(c.APIKey)}, Scopes: []httpapi.Scope{httpapi.ScopePublish},
			Rate: -1, // the workload publishes as fast as it can
		}},
	})
	if err != nil {
		return nil, err
	}
	mux.Handle("/api/", api)
	return mux, nil
}
