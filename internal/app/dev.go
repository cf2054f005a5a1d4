package app

import (
	"context"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/docs"
	"github.com/ignis-go/ignis/internal/docsite"
	"github.com/ignis-go/ignis/internal/listen"
	"github.com/ignis-go/ignis/internal/loglimit"
	"github.com/ignis-go/ignis/wire"
)

// devMode implements development mode, which is for experiments. It trusts every client,
// so it serves only this machine.
type devMode struct {
	server *ignis.Server // set before the first client connects
	path   string        // path of the WebSocket endpoint
	script *script       // the client for browsers
	log    *slog.Logger
	limit  *loglimit.Limiter // for log lines that any peer can cause

	terminal Terminal
	docs     func() (*docsite.Site, error) // renders the documentation once
}

func newDevMode(a *App) *devMode {
	version := strings.TrimPrefix(a.cfg.Server.Software, "ignis/")
	return &devMode{
		docs: sync.OnceValues(func() (*docsite.Site, error) { return docsite.New(docs.Files, version) }),
		path: a.cfg.Path, script: a.script,
		log: a.log, limit: a.limit, terminal: a.cfg.Terminal,
	}
}

// authenticate accepts every client as the user that it names.
func (d *devMode) authenticate(_ context.Context, c ignis.Credentials) (ignis.Identity, error) {
	var data map[string]any
	_ = c.Decode(&data) // on failure, the credentials do not name a user
	if id, ok := data["userId"].(string); ok && id != "" {
		return ignis.Identity{UserID: id}, nil
	}
	return ignis.Identity{UserID: c.Token}, nil
}

// validateRooms allows every room.
func (d *devMode) validateRooms(_ context.Context, _ *ignis.Client, rooms []string) ([]string, error) {
	return rooms, nil
}

// relay forwards a message to the room that it names, if the sender is in that room. The
// server adds the identity of the sender.
func (d *devMode) relay(ctx context.Context, c *ignis.Client, m wire.Message) (any, error) {
	room := m.Room
	if room == "" {
		room = wire.DataRoom(m.Data)
	}
	switch {
	case room == "":
		d.limit.Log(slog.LevelInfo, "message not relayed: it names no room", "client", c.ID)
		return nil, &ignis.Error{Code: wire.CodeInvalid, Message: "name a room"}
	case !d.server.InRoom(c.ID, room):
		d.limit.Log(slog.LevelWarn, "message not relayed: its sender is not in the room", "client", c.ID)
		return nil, &ignis.Error{Code: wire.CodeForbidden, Message: "join the room first"}
	}
	return nil, d.server.Send(ctx, ignis.ToRoom(room), m.Event, m.Data, ignis.From(c))
}

// accept accepts pages from this machine, and programs that are not browsers.
func (d *devMode) accept(r *http.Request) (ignis.Accepted, error) {
	var local []string
	for _, origin := range r.Header.Values("Origin") {
		if u, err := url.Parse(origin); err == nil && (u.Scheme == "http" || u.Scheme == "https") && isLoopbackHost(u.Host) {
			local = append(local, origin)
		}
	}
	return ignis.Accepted{}, ignis.CheckOrigin(r, local)
}

// isLoopback reports whether host, a name or an address without a port, can only be this
// machine.
func isLoopback(host string) bool { return listen.IsLoopback(host) }

// isLoopbackHost is like isLoopback, for a host with or without a port.
func isLoopbackHost(hostport string) bool { return listen.IsLoopbackHost(hostport) }
