package main

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/client"
	"github.com/ignis-go/ignis/wire"
)

func TestNotify(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	srv, err := newServer("")
	if err != nil {
		t.Fatal(err)
	}
	service := NewNotifications(srv)
	if err := service.NotifyUser(ctx, "ann", Notice{}); !errors.Is(err, ignis.ErrNotRunning) {
		t.Errorf("before the server runs: %v, want ErrNotRunning", err)
	}

	running, stop := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { done <- srv.Run(running) }()
	defer func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}()
	<-srv.Ready()
	hs := httptest.NewServer(routes(srv, service))
	defer hs.Close()

	dial := func(token string) (*client.Conn, error) {
		url := "ws" + strings.TrimPrefix(hs.URL, "http") + wire.DefaultPath
		return client.Dial(ctx, url, client.Config{Credentials: map[string]string{"token": token}})
	}
	if _, err := dial("stolen"); !errors.Is(err, client.ErrAuthentication) {
		t.Errorf("an unknown token: %v, want ErrAuthentication", err)
	}
	var sessions []*client.Conn
	for range 2 {
		c, err := dial("ann-secret")
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		sessions = append(sessions, c)
	}

	post(t, hs.URL+"/notifications/ann", `{"title":"Report","body":"It is ready."}`, http.StatusAccepted)
	post(t, hs.URL+"/notifications/ann", `{`, http.StatusBadRequest)
	for i, c := range sessions {
		m, err := c.Receive(ctx)
		if err != nil {
			t.Fatal(err)
		}
		var n Notice
		if err := m.Decode(&n); err != nil || m.Event != "notification" || n.Title != "Report" {
			t.Errorf("session %d got %s %+v (%v)", i, m.Event, n, err)
		}
	}
}

func post(t *testing.T, url, body string, want int) {
	t.Helper()
	resp, err := http.Post(url, "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != want {
		t.Errorf("POST %s: %s, want %d", url, resp.Status, want)
	}
}
