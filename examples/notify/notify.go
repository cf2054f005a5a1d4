package main

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/ignis-go/ignis"
)

// Notice is what a user is told.
type Notice struct {
	Title string    `json:"title"`
	Body  string    `json:"body"`
	At    time.Time `json:"at"`
}

// Notifications is a service of the application. It gets the server like any
// other dependency; before the server runs, sending returns an error that says
// so.
type Notifications struct {
	server *ignis.Server
}

// NewNotifications returns the service.
func NewNotifications(s *ignis.Server) *Notifications { return &Notifications{server: s} }

// NotifyUser reaches all sessions of the user, on whatever instance they are.
func (n *Notifications) NotifyUser(ctx context.Context, userID string, notice Notice) error {
	notice.At = time.Now().UTC()
	return n.server.Send(ctx, ignis.ToUser(userID), "notification", notice)
}

// Announce reaches everyone.
func (n *Notifications) Announce(ctx context.Context, notice Notice) error {
	notice.At = time.Now().UTC()
	return n.server.Send(ctx, ignis.ToEveryone(), "announcement", notice)
}

// ServeHTTP makes the service an API for the application's back office:
// POST /notifications/{user} and POST /announcements.
func (n *Notifications) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var notice Notice
	body := http.MaxBytesReader(w, r.Body, 16<<10)
	if err := json.NewDecoder(body).Decode(&notice); err != nil || notice.Title == "" {
		http.Error(w, `want {"title":"…","body":"…"}`, http.StatusBadRequest)
		return
	}
	var err error
	if user := r.PathValue("user"); user != "" {
		err = n.NotifyUser(r.Context(), user, notice)
	} else {
		err = n.Announce(r.Context(), notice)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	w.WriteHeader(http.StatusAccepted)
}
