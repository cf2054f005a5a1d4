package main

import (
	"context"
	"crypto/rand"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/examples/ignisjs"
	"github.com/ignis-go/ignis/wire"
)

//go:embed page
var files embed.FS

// Web is the web application. Users ask for reports in it, and see how far they are.
type Web struct {
	Queue  *Queue
	Inbox  *Inbox
	server *ignis.Server

	mu       sync.Mutex
	sessions map[string]string // users by cookie; a real application keeps them in a database
}

// NewWeb returns an application. Its server is not running yet.
func NewWeb(q *Queue, i *Inbox, bus ignis.Bus) (*Web, error) {
	w := &Web{Queue: q, Inbox: i, sessions: make(map[string]string)}
	var err error
	w.server, err = ignis.New(ignis.Config{
		Bus: bus,
		// Pages of this application connect with its cookie. They need no token.
		Accept: func(r *http.Request) (ignis.Accepted, error) {
			return ignis.Accepted{Value: w.user(r)}, ignis.CheckOrigin(r, nil)
		},
		Authenticate: func(_ context.Context, c ignis.Credentials) (ignis.Identity, error) {
			user, _ := c.Value.(string)
			if user == "" {
				return ignis.Identity{}, fmt.Errorf("%w: there is no session", ignis.ErrUnauthenticated)
			}
			return ignis.Identity{UserID: user}, nil
		},
	})
	return w, err
}

func (w *Web) routes() http.Handler {
	page, err := fs.Sub(files, "page")
	if err != nil {
		panic(err) // the name is valid
	}
	mux := http.NewServeMux()
	mux.Handle(wire.DefaultPath, w.server)
	mux.HandleFunc("POST /login", w.login)
	mux.HandleFunc("POST /reports", w.withUser(w.add))
	mux.HandleFunc("GET /inbox", w.withUser(w.inbox))
	mux.HandleFunc("POST /inbox/read", w.withUser(w.read))
	mux.HandleFunc("/ignis.js", ignisjs.Serve)
	mux.Handle("/", http.FileServerFS(page))
	return mux
}

// login begins a session without a password. The example node-backend checks one.
func (w *Web) login(rw http.ResponseWriter, r *http.Request) {
	user := r.FormValue("user")
	if user != "ann" && user != "ben" {
		http.Error(rw, "the users are ann and ben", http.StatusForbidden)
		return
	}
	cookie := rand.Text()
	w.mu.Lock()
	w.sessions[cookie] = user
	w.mu.Unlock()
	http.SetCookie(rw, &http.Cookie{Name: "session", Value: cookie, Path: "/", HttpOnly: true, SameSite: http.SameSiteStrictMode})
}

// user returns the user whose session a request belongs to, or "".
func (w *Web) user(r *http.Request) string {
	cookie, err := r.Cookie("session")
	if err != nil {
		return ""
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.sessions[cookie.Value]
}

// withUser returns a handler that calls handle for the requests of users, and responds with what it
// returns.
func (w *Web) withUser(handle func(r *http.Request, user string) (any, error)) http.HandlerFunc {
	return func(rw http.ResponseWriter, r *http.Request) {
		user := w.user(r)
		if user == "" {
			http.Error(rw, "log in first", http.StatusUnauthorized)
			return
		}
		answer, err := handle(r, user)
		switch {
		case errors.Is(err, errNoReport):
			http.Error(rw, err.Error(), http.StatusBadRequest)
		case err != nil:
			log.Printf("%s %s: %v", r.Method, r.URL.Path, err)
			http.Error(rw, "this does not work at the moment, try again", http.StatusServiceUnavailable)
		default:
			rw.Header().Set("Content-Type", "application/json")
			_ = json.NewEncoder(rw).Encode(answer)
		}
	}
}

var errNoReport = errors.New("there is no such report")

// add handles POST /reports.
func (w *Web) add(r *http.Request, user string) (any, error) {
	j := Job{ID: fmt.Sprintf("%d-%s", time.Now().UnixMilli(), rand.Text()[:8]), User: user, Report: r.FormValue("report")}
	if !slices.Contains(reports, j.Report) {
		return nil, errNoReport
	}
	s := Status{ID: j.ID, Report: j.Report, State: "waiting", Detail: "waiting for a worker"}
	if err := w.Inbox.SetStatus(r.Context(), user, s); err != nil {
		return nil, err
	}
	// The worker may be faster than this response, so other messages about the job come after this one.
	if err := w.server.Send(r.Context(), ignis.ToUser(user), "job", s); err != nil {
		return nil, err
	}
	return s, w.Queue.Add(r.Context(), j)
}

// inbox handles GET /inbox.
func (w *Web) inbox(r *http.Request, user string) (any, error) {
	jobs, notices, err := w.Inbox.Load(r.Context(), user)
	return map[string]any{"user": user, "reports": reports, "jobs": jobs, "notices": notices}, err
}

// read handles POST /inbox/read. It also clears the bells in the user's other tabs.
func (w *Web) read(r *http.Request, user string) (any, error) {
	if err := w.Inbox.MarkRead(r.Context(), user); err != nil {
		return nil, err
	}
	return struct{}{}, w.server.Send(r.Context(), ignis.ToUser(user), "read", nil)
}
