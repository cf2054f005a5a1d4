package main

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"github.com/ignis-go/ignis/client"
	"github.com/ignis-go/ignis/webhook"
	"github.com/ignis-go/ignis/wire"
)

// joinCode returns the code with which a room is refused, or "" if the client joins it.
func joinCode(t *testing.T, c *client.Conn, room string) wire.ErrorCode {
	t.Helper()
	_, err := c.Join(withTimeout(t), room)
	var refused *client.JoinError
	if err != nil && !errors.As(err, &refused) {
		t.Fatal(err)
	}
	if err == nil {
		return ""
	}
	return refused.Refused[0].Code
}

// While the webhook fails, and later while its circuit is open, clients can do what the rules
// alone allow, and keep what they have. Nothing that the webhook decides is allowed.
func TestWebhookOutage(t *testing.T) {
	t.Parallel()
	secret := webhook.NewSecret()
	var down atomic.Bool
	v, err := webhook.NewVerifier(webhook.VerifierConfig{Secrets: []string{secret}})
	if err != nil {
		t.Fatal(err)
	}
	application := httptest.NewServer(v.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var q struct {
			Type string
			Data struct{ Rooms []string }
		}
		if err := json.NewDecoder(r.Body).Decode(&q); err != nil || down.Load() {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		if q.Type == "join" {
			_ = json.NewEncoder(w).Encode(map[string]any{"rooms": q.Data.Rooms})
			return
		}
		_, _ = io.WriteString(w, `{"user":"ann","grants":{"teams":["red"]}}`)
	})))
	defer application.Close()
	file := writeFile(t, "ignis.yaml", "webhook: {url: '"+application.URL+"', secret_files: "+writeFile(t, "secret", secret)+", authenticate: true}\n"+`
rooms:
  - {match: "team-{team}", join: {claim: teams}, send: {events: [say]}}
  - {match: "quiz-*", join: webhook, send: {events: [say]}}
  - {match: "both", join: anyone, send: {events: [say], to: both}}
`)
	_, address := serve(t, nil, "--config", file)
	c := dial(t, address, map[string]string{"token": "x"})
	for _, room := range []string{"team-red", "quiz-1", "both"} {
		if code := joinCode(t, c, room); code != "" {
			t.Fatalf("joining %s: %s", room, code)
		}
	}
	down.Store(true)
	for range 12 { // the circuit opens after 10
		if code := joinCode(t, c, "quiz-2"); code != wire.CodeUnavailable {
			t.Errorf("a room that the webhook decides about: %q", code)
		}
		if code := say(t, c, "say", "both"); code != wire.CodeUnavailable {
			t.Errorf("a message that the webhook may refuse: %q", code)
		}
		var refused *client.Error
		if _, err := c.Refresh(withTimeout(t), map[string]string{"token": "x"}); !errors.As(err, &refused) || refused.Code != wire.CodeUnavailable {
			t.Errorf("refresh: %v", err)
		}
		if accepted(t, address, map[string]string{"token": "x"}) {
			t.Error("a client was accepted")
		}
	}
	for _, room := range []string{"quiz-1", "team-red"} {
		if code := say(t, c, "say", room); code != "" {
			t.Errorf("a message to %s: %s", room, code)
		}
		if m := receive(t, c); m.Room != room {
			t.Errorf("received %+v", m)
		}
	}
}

// A refresh takes away the rooms that the new grants of the webhook do not allow.
func TestWebhookTakesGrantsAway(t *testing.T) {
	t.Parallel()
	secret := webhook.NewSecret()
	var fewer atomic.Bool
	v, err := webhook.NewVerifier(webhook.VerifierConfig{Secrets: []string{secret}})
	if err != nil {
		t.Fatal(err)
	}
	application := httptest.NewServer(v.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if fewer.Load() {
			_, _ = io.WriteString(w, `{"user":"ann","grants":{"teams":["blue"]}}`)
			return
		}
		_, _ = io.WriteString(w, `{"user":"ann","grants":{"teams":["red","blue"]}}`)
	})))
	defer application.Close()
	file := writeFile(t, "ignis.yaml", "webhook: {url: '"+application.URL+"', secret_files: "+writeFile(t, "secret", secret)+", authenticate: true}\n"+
		"rooms: [{match: 'team-{team}', join: {claim: teams}, send: {events: [say]}}]\n")
	_, address := serve(t, nil, "--config", file)
	c := dial(t, address, map[string]string{"token": "x"})
	if !joins(t, c, "team-red") || !joins(t, c, "team-blue") {
		t.Fatal("not joined")
	}
	fewer.Store(true)
	if _, err := c.Refresh(withTimeout(t), map[string]string{"token": "x"}); err != nil {
		t.Fatal(err)
	}
	if code := say(t, c, "say", "team-red"); code != wire.CodeForbidden {
		t.Errorf("a message to a room that was taken away: %q", code)
	}
	if code := say(t, c, "say", "team-blue"); code != "" || joins(t, c, "team-red") {
		t.Errorf("a message to a room that stays: %q", code)
	}
}
