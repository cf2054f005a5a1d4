package client_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/client"
	"github.com/ignis-go/ignis/wire"
)

// The client works with this module's server.
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

// serveIgnis runs this module's server for the test, and returns it and its URL.
func serveIgnis(t *testing.T, cfg ignis.Config) (*ignis.Server, string) {
	t.Helper()
	cfg.Logger = slog.New(slog.DiscardHandler)
	srv, err := ignis.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ran := make(chan error)
	go func() { ran <- srv.Run(ctx) }()
	<-srv.Ready()
	s := httptest.NewServer(srv)
	t.Cleanup(func() {
		stop()
		if err := <-ran; err != nil {
			t.Errorf("Run: %v", err)
		}
		s.Close()
	})
	return srv, "ws" + strings.TrimPrefix(s.URL, "http")
}

// application adds numbers, and lets clients send messages to a room.
func application(server <-chan *ignis.Server) ignis.Config {
	return ignis.Config{
		Encryption:       ignis.EncryptionOptional,
		HeartbeatTimeout: 20 * time.Second,
		MaxPayload:       5000,
		Software:         "test/1",
		Authenticate: func(_ context.Context, c ignis.Credentials) (ignis.Identity, error) {
			return ignis.Identity{UserID: c.Token}, nil
		},
		ValidateRooms: func(_ context.Context, _ *ignis.Client, rooms []string) ([]string, error) {
			return slices.DeleteFunc(rooms, func(r string) bool { return r == "secret" }), nil
		},
		OnMessage: func(ctx context.Context, c *ignis.Client, m wire.Message) (any, error) {
			switch m.Event {
			case "add":
				var n []int
				if err := m.Decode(&n); err != nil {
					return nil, &ignis.Error{Code: wire.CodeInvalid, Message: "numbers, please"}
				}
				return n[0] + n[1], nil
			case "say":
				return nil, (<-server).Send(ctx, ignis.ToRoom(m.Room), "said", m.Data, ignis.From(c))
			}
			return nil, errors.New("a secret of the application")
		},
	}
}

// checkAnswers sends requests that application supports and some that it does not.
func checkAnswers(t *testing.T, c *client.Conn) {
	t.Helper()
	var sum int
	if m, err := c.Request(t.Context(), "add", []int{2, 3}); err != nil || m.Decode(&sum) != nil || sum != 5 {
		t.Errorf("add: %+v, %v", m, err)
	}
	for _, row := range []struct {
		event string
		data  any
		code  wire.ErrorCode
		text  string
	}{
		{"add", "?", wire.CodeInvalid, "numbers, please"},
		{"fail", nil, wire.CodeInternal, ""},
	} {
		var got *client.Error
		_, err := c.Request(t.Context(), row.event, row.data)
		if !errors.As(err, &got) || got.Code != row.code || !strings.Contains(got.Message, row.text) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v, want %s %s", row.event, err, row.code, row.text)
		}
	}
}

// Tests requests, rooms and senders in protocol 2, unencrypted and encrypted.
func TestProtocol2WithServer(t *testing.T) {
	for name, encrypt := range map[string]bool{"unencrypted": false, "encrypted": true} {
		t.Run(name, func(t *testing.T) {
			server := make(chan *ignis.Server, 1)
			srv, url := serveIgnis(t, application(server))
			server <- srv
			as := func(user string) *client.Conn {
				c := dial(t, url, client.Config{Encrypt: encrypt, Credentials: map[string]string{"token": user}})
				t.Cleanup(func() { _ = c.Close() })
				return c
			}
			ann, bob := as("ann"), as("bob")
			if v := ann.Connected(); v.Protocol != 2 || v.Heartbeat != 20*time.Second || v.MaxPayload != 5000 || v.Server != "test/1" || !v.Expires.IsZero() {
				t.Errorf("connected as %+v", v)
			}
			for _, c := range []*client.Conn{ann, bob} {
				var refused *client.JoinError
				joined, err := c.Join(t.Context(), "lobby", "secret")
				if !errors.As(err, &refused) || len(refused.Refused) != 1 || refused.Refused[0].Room != "secret" ||
					len(joined.Rooms) != 1 || joined.Rooms[0].Room != "lobby" {
					t.Fatalf("Join: %+v, %v", joined, err)
				}
			}
			checkAnswers(t, ann)
			if m, err := ann.RequestMessage(t.Context(), wire.Message{Event: "say", Room: "lobby", Data: []byte(`{"text":"hi"}`)}); err != nil || m.Data != nil {
				t.Errorf("say: %+v, %v", m, err)
			}
			m, err := bob.Receive(t.Context())
			if err != nil || m.Event != "said" || m.Room != "lobby" || m.From != (wire.Sender{ID: ann.ID(), UserID: "ann"}) {
				t.Errorf("bob received %+v, %v", m, err)
			}
			if err := bob.Leave(t.Context(), "lobby"); err != nil || srv.InRoom(bob.ID(), "lobby") {
				t.Errorf("Leave: %v", err)
			}
			if err := ann.Send(t.Context(), "x", strings.Repeat("x", 5000)); !errors.Is(err, wire.ErrTooLarge) {
				t.Errorf("a large message: %v, want ErrTooLarge", err)
			}
			if _, err := ann.Refresh(t.Context(), map[string]string{"token": "bob"}); err == nil {
				t.Error("ann's session was refreshed with bob's credentials")
			}
			if at, err := ann.Refresh(t.Context(), map[string]string{"token": "ann"}); err != nil || !at.IsZero() {
				t.Errorf("Refresh: %v, %v", at, err)
			}
		})
	}
}

// If the credentials disable protocol 2, both sides speak protocol 1.
func TestProtocol1WithServer(t *testing.T) {
	handled := make(chan struct{})
	srv, url := serveIgnis(t, ignis.Config{
		Authenticate:  func(context.Context, ignis.Credentials) (ignis.Identity, error) { return ignis.Identity{}, nil },
		ValidateRooms: func(_ context.Context, _ *ignis.Client, rooms []string) ([]string, error) { return rooms, nil },
		OnMessage:     func(context.Context, *ignis.Client, wire.Message) (any, error) { close(handled); return nil, nil }, //nolint:nilnil // no answer
	})
	c := dial(t, url, client.Config{Credentials: map[string]int{"protocol": 1}})
	if v := c.Connected(); v.Protocol != 1 || v.Heartbeat != 0 || v.MaxPayload != 0 {
		t.Errorf("connected as %+v", v)
	}
	if joined, err := c.Join(t.Context(), "lobby"); err != nil || joined.Rooms != nil {
		t.Errorf("Join: %+v, %v", joined, err)
	}
	if err := c.Send(t.Context(), "hello", nil); err != nil {
		t.Fatal(err)
	}
	<-handled // and so is the join before it
	if err := c.Send(t.Context(), wire.EventAuthenticate, nil); err != nil {
		t.Fatal(err)
	}
	if got := receive(t, c); got != `error {"message":"`+wire.ErrorAuthenticated+`"}` {
		t.Errorf("received %s", got)
	}
	if !srv.InRoom(c.ID(), "lobby") {
		t.Error("the client is not in the room")
	}
}

// A session ends unless Config.Refresh brings new credentials.
func TestSessionsWithServer(t *testing.T) {
	end := time.Now().Add(3 * time.Second)
	const later = 24 * time.Hour
	_, url := serveIgnis(t, ignis.Config{
		Authenticate: func(_ context.Context, c ignis.Credentials) (ignis.Identity, error) {
			if c.Token == "long" {
				return ignis.Identity{UserID: "ann", Expires: end.Add(later)}, nil
			}
			return ignis.Identity{UserID: "ann", Expires: end}, nil
		},
	})
	credentials := map[string]string{"token": "short"}
	kept := dial(t, url, client.Config{Credentials: credentials, Refresh: func(context.Context) (any, error) {
		return map[string]string{"token": "long"}, nil
	}})
	lost := dial(t, url, client.Config{Credentials: credentials})
	if at := lost.Connected().Expires; at.Sub(end).Abs() > time.Second {
		t.Errorf("expires %v, want %v", at, end)
	}
	if m, err := lost.Receive(t.Context()); err != nil || m.Event != wire.EventExpiring {
		t.Errorf("received %+v, %v", m, err)
	}
	_, err := lost.Receive(t.Context())
	var closed *client.CloseError
	if !errors.As(err, &closed) || closed.Code != wire.CloseExpired || !closed.NeedsCredentials() {
		t.Errorf("Receive: %v, want 4005", err)
	}
	if _, err := kept.Join(t.Context(), "lobby"); err != nil && !errors.As(err, new(*client.JoinError)) {
		t.Errorf("the session that was refreshed: %v", err)
	}
	if at := kept.Connected().Expires; at.Sub(end) < later-time.Second {
		t.Errorf("expires %v, want %v", at, end.Add(later))
	}
}
