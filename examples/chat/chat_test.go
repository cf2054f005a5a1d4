package main

import (
	"context"
	"errors"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/ignis-go/ignis/client"
	"github.com/ignis-go/ignis/wire"
)

func TestChat(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	srv, err := newServer(chatWithStaff(), "")
	if err != nil {
		t.Fatal(err)
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
	hs := httptest.NewServer(handler(srv))
	defer hs.Close()
	url := "ws" + strings.TrimPrefix(hs.URL, "http") + wire.DefaultPath

	enter := func(name string, rooms ...string) (*client.Conn, error) {
		c, err := client.Dial(ctx, url, client.Config{Credentials: map[string]string{"token": name}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		_, err = c.Join(ctx, rooms...)
		return c, err
	}
	ann, err1 := enter("Ann", "staff")
	bob, err2 := enter("Bob", "staff")
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	eve, err := enter("Eve", "staff", "lobby")
	var refused *client.JoinError
	if !errors.As(err, &refused) || len(refused.Refused) != 1 || refused.Refused[0].Room != "staff" {
		t.Errorf("Eve is told %v, want that the private room refuses her", err)
	}
	if n := len(srv.ClientsInRoom("staff")); n != 2 {
		t.Errorf("%d clients in the private room, want 2: Eve is not on its list", n)
	}

	// Eve is not in the room, so what she says there goes nowhere; what Ann says
	// comes to Bob with her name, whatever she claims.
	say(t, ctx, eve, map[string]string{"room": "staff", "text": "let me in"})
	say(t, ctx, ann, map[string]string{"room": "staff", "text": "hello", "from": "the boss"})
	m, err := bob.Receive(ctx)
	if err != nil {
		t.Fatal(err)
	}
	var got line
	if err := m.Decode(&got); err != nil {
		t.Fatal(err)
	}
	if m.Event != "said" || got.Text != "hello" || got.From != "Ann" {
		t.Errorf("Bob heard %s %+v, want what Ann said", m.Event, got)
	}
}

func chatWithStaff() *Chat { return NewChat(map[string][]string{"staff": {"ann", "bob"}}) }

func say(t *testing.T, ctx context.Context, c *client.Conn, data any) {
	t.Helper()
	if err := c.Send(ctx, "say", data); err != nil {
		t.Fatal(err)
	}
}
