package main

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/ignis-go/ignis"
)

// Notice is the data of a notification or an announcement.
type Notice struct {
	Title string    `json:"title"`
	Body  string    `json:"body"`
	At    time.Time `json:"at"`
}

// Notifications is a service of the application. The server is a dependency like any
// other. Before the server runs, sending returns ignis.ErrNotRunning.
type Notifications struct {
	server *ignis.Server
}

// NewNotifications returns a service that sends through the server.
func NewNotifications(s *ignis.Server) *Notifications { return &Notifications{server: s} }

// NotifyUser sends a notice to all sessions of the user, on any instance.
func (n *Notifications) NotifyUser(ctx context.Context, userID string, notice Notice) error {
	notice.At = time.Now().UTC()
	return n.server.Send(ctx, ignis.ToUser(userID), "notification", notice)
}

// Announce sends a notice to everyone.
func (n *Notifications) Announce(ctx context.Context, notice Notice) error {
	notice.At = time.Now().UTC()
	return n.server.Send(ctx, ignis.ToEveryone(), "announcement", notice)
}

// ServeHTTP is an API for the application's back office. It handles
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
