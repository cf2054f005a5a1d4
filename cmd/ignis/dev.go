package main

import (
	"context"
	"embed"
	"encoding/json"
	"html/template"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/internal/loglimit"
	"github.com/ignis-go/ignis/wire"
)

//go:embed dev
var devFiles embed.FS

// devPrefix is where the page's own files are.
const devPrefix = "/dev/"

func isDevPath(p string) bool { return p == "/" || strings.HasPrefix(p, devPrefix) }

// contentPolicy lets the page load its own files and talk to its own server,
// and nothing else. Not every browser takes 'self' for ws:// too.
const contentPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; " +
	"connect-src 'self' ws://localhost:* ws://127.0.0.1:*; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// devMode is a server to try things with: it believes everybody, so it only
// talks to this machine.
type devMode struct {
	server *ignis.Server // set before the first client
	path   string        // of the WebSocket endpoint
	page   *template.Template
	log    *slog.Logger
	limit  *loglimit.Limiter // of what anybody can cause at will
}

func newDevMode(path string, log *slog.Logger, limit *loglimit.Limiter) *devMode {
	return &devMode{path: path, page: template.Must(template.ParseFS(devFiles, "dev/index.html")), log: log, limit: limit}
}

// authenticate takes anybody for who they say they are.
func (d *devMode) authenticate(_ context.Context, c ignis.Credentials) (ignis.Identity, error) {
	var data map[string]any
	_ = c.Decode(&data) // credentials of any other shape name nobody
	if id, ok := data["userId"].(string); ok && id != "" {
		return ignis.Identity{UserID: id}, nil
	}
	return ignis.Identity{UserID: c.Token}, nil
}

// validateRooms allows every room.
func (d *devMode) validateRooms(_ context.Context, _ *ignis.Client, rooms []string) ([]string, error) {
	return rooms, nil
}

// relay sends a message whose data names a room on to that room, if its sender
// is in it. Who the sender is, the server says.
func (d *devMode) relay(ctx context.Context, c *ignis.Client, m wire.Message) (any, error) {
	room := m.Room
	if room == "" {
		room = dataRoom(m.Data)
	}
	if room == "" {
		d.limit.Log(slog.LevelInfo, "message not relayed: its data names no room", "client", c.ID)
		return nil, nil
	}
	info, ok := d.server.Client(c.ID)
	if !ok {
		return nil, nil // it has just gone
	}
	if !slices.Contains(info.Rooms, room) {
		d.limit.Log(slog.LevelWarn, "message not relayed: its sender is not in the room", "client", c.ID)
		return nil, nil
	}
	return nil, d.server.Send(ctx, ignis.ToRoom(room), m.Event, m.Data, ignis.From(c))
}

// dataRoom returns the room that the data of a message names, where clients of protocol
// 1 put it, or "".
func dataRoom(data json.RawMessage) (room string) {
	_ = wire.EachField(data, func(key, value []byte) { // it has been checked
		if string(key) == "room" { // of a key that comes twice the last counts
			room = ""
			_ = json.Unmarshal(value, &room) // anything but a string names none
		}
	})
	return room
}

// guard serves the page and lets nothing in that another site could have made a
// browser send: not with the site's name for this machine's address, either.
func (d *devMode) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !isLoopbackHost(r.Host) {
			d.limit.Log(slog.LevelWarn, "request refused: development mode answers to localhost and loopback addresses alone", "host", r.Host)
			http.Error(w, "Development mode answers to localhost and loopback addresses alone.", http.StatusForbidden)
			return
		}
		if isDevPath(r.URL.Path) && r.URL.Path != d.path {
			d.servePage(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
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

// isLoopbackHost is isLoopback for a host with or without a port.
func isLoopbackHost(hostport string) bool {
	if host, _, err := net.SplitHostPort(hostport); err == nil {
		return isLoopback(host)
	}
	return isLoopback(hostport)
}

// servePage serves the page and its files.
func (d *devMode) servePage(w http.ResponseWriter, r *http.Request) {
	if !onlyGet(w, r) {
		return
	}
	h := w.Header()
	h.Set("Content-Security-Policy", contentPolicy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-cache")
	if r.URL.Path == "/" {
		h.Set("Content-Type", "text/html; charset=utf-8")
		if err := d.page.Execute(w, struct{ Path string }{d.path}); err != nil {
			d.log.Debug("page not sent", "error", err)
		}
		return
	}
	name := strings.TrimPrefix(r.URL.Path, devPrefix)
	text, err := devFiles.ReadFile(path.Join("dev", name))
	if err != nil || strings.Contains(name, "/") || name == "index.html" {
		http.NotFound(w, r)
		return
	}
	h.Set("Content-Type", contentTypes[path.Ext(name)])
	if _, err := w.Write(text); err != nil {
		d.log.Debug("file not sent", "error", err)
	}
}

// contentTypes does not ask the system, which may have other ideas.
var contentTypes = map[string]string{
	".css": "text/css; charset=utf-8",
	".js":  "text/javascript; charset=utf-8",
	".svg": "image/svg+xml",
}
