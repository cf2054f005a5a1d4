package client_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/client"
	"github.com/ignis-go/ignis/wire"
)

// The client and the server of this module understand each other.
func TestWithServer(t *testing.T) {
	messages := make(chan string, 1)
	srv, err := ignis.New(ignis.Config{
		Authenticate: func(_ context.Context, c ignis.Credentials) (ignis.Identity, error) {
			if c.Token != "good" {
				return ignis.Identity{}, ignis.ErrUnauthenticated
			}
			return ignis.Identity{UserID: "ann"}, nil
		},
		ValidateRooms: func(_ context.Context, _ *ignis.Client, rooms []string) ([]string, error) { return rooms, nil },
		OnMessage: func(_ context.Context, c *ignis.Client, m wire.Message) (any, error) {
			messages <- c.ID + " " + m.Event + " " + string(m.Data)
			return nil, nil
		},
		Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	ran := make(chan error)
	go func() { ran <- srv.Run(ctx) }()
	<-srv.Ready()
	s := httptest.NewServer(srv)
	defer s.Close()
	url := "ws" + strings.TrimPrefix(s.URL, "http")

	_, err = client.Dial(ctx, url, client.Config{Credentials: map[string]string{"type": "Bearer", "token": "bad"}})
	if !errors.Is(err, client.ErrAuthentication) || !strings.Contains(err.Error(), wire.ErrorRejected) {
		t.Errorf("Dial with a bad token: %v, want ErrAuthentication", err)
	}
	c := dial(t, url, client.Config{Credentials: map[string]string{"type": "Bearer", "token": "good"}})
	defer time.AfterFunc(time.Minute, func() { _ = c.Close() }).Stop() // rather than hang
	if c.UserID() != "ann" || len(c.ID()) != 36 || c.Connected().Time.IsZero() {
		t.Errorf("connected as %+v", c.Connected())
	}
	if err := join(ctx, c, "lobby"); err != nil {
		t.Fatal(err)
	}
	if err := c.Send(ctx, "chat", "&"); err != nil {
		t.Fatal(err)
	}
	if got, want := <-messages, c.ID()+` chat "&"`; got != want { // after the join
		t.Errorf("the server got %s, want %s", got, want)
	}
	if err := c.Send(ctx, wire.EventAuthenticate, nil); err != nil {
		t.Fatal(err)
	}
	if got, want := receive(t, c), `error {"message":"`+wire.ErrorAuthenticated+`"}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if err := srv.SendLocal(ignis.ToRoom("lobby"), "moved", "<here>"); err != nil {
		t.Fatal(err)
	}
	if got := receive(t, c); got != `moved "<here>"` {
		t.Errorf("got %s", got)
	}
	stop()
	_, err = c.Receive(t.Context())
	var closed *client.CloseError
	if !errors.As(err, &closed) || closed.Code != wire.CloseGoingAway || closed.Reason != wire.CloseReason(wire.CloseGoingAway) {
		t.Errorf("Receive: %v, want 1001", err)
	}
	if err := <-ran; err != nil {
		t.Errorf("Run: %v", err)
	}
}
