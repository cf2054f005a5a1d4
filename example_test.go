package ignis_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"net/http"
	"os/signal"
	"syscall"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/wire"
)

// A chat in which a user gives a name, may join any room, and writes to rooms that it is
// in.
func ExampleServer() {
	var srv *ignis.Server
	srv, err := ignis.New(ignis.Config{
		Authenticate: func(_ context.Context, c ignis.Credentials) (ignis.Identity, error) {
			if c.Token == "" {
				return ignis.Identity{}, ignis.ErrUnauthenticated
			}
			return ignis.Identity{UserID: c.Token}, nil
		},
		ValidateRooms: func(_ context.Context, _ *ignis.Client, rooms []string) ([]string, error) {
			return rooms, nil
		},
		OnMessage: func(ctx context.Context, c *ignis.Client, m wire.Message) (any, error) {
			var chat struct{ Room, Text string }
			if err := m.Decode(&chat); err != nil {
				return nil, err
			}
			if !srv.InRoom(c.ID, chat.Room) {
				return nil, &ignis.Error{Code: wire.CodeForbidden, Message: "join the room first"}
			}
			return nil, srv.Send(ctx, ignis.ToRoom(chat.Room), "chat", c.UserID+": "+chat.Text, ignis.Except(c.ID))
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	http.Handle(wire.DefaultPath, srv)
	go func() { log.Print(http.ListenAndServe("127.0.0.1:8080", nil)) }()
	if err := srv.Run(ctx); err != nil {
		log.Fatal(err)
	}
}

// A service that receives the server and sends notifications.
func ExampleServer_Send() {
	type Order struct {
		ID    int    `json:"id"`
		State string `json:"state"`
	}
	srv, err := ignis.New(ignis.Config{
		Authenticate: func(context.Context, ignis.Credentials) (ignis.Identity, error) {
			return ignis.Identity{UserID: "42"}, nil
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error)
	order := Order{7, "shipped"}

	// Too early, because the server is not running yet.
	err = srv.Send(ctx, ignis.ToUser("42"), "order", order)
	fmt.Println(errors.Is(err, ignis.ErrNotRunning))

	go func() { ended <- srv.Run(ctx) }()
	<-srv.Ready()
	// To all sessions of the user, on any instance.
	fmt.Println(srv.Send(ctx, ignis.ToUser("42"), "order", order))
	// To a room except the client that caused it. Existing JSON is sent unchanged.
	fmt.Println(srv.Send(ctx, ignis.ToRoom("orders"), "order", json.RawMessage(`{"id":7}`), ignis.Except("its id")))

	stop()
	fmt.Println(<-ended)
	// Output:
	// true
	// <nil>
	// <nil>
	// <nil>
}

// Applications can decode their own credentials into a type.
func ExampleCredentials_Decode() {
	authenticate := func(_ context.Context, c ignis.Credentials) (ignis.Identity, error) {
		var who struct {
			User   string `json:"user"`
			Device string `json:"device"`
		}
		if err := c.Decode(&who); err != nil || who.User == "" {
			return ignis.Identity{}, ignis.ErrUnauthenticated
		}
		return ignis.Identity{UserID: who.User, Metadata: who.Device}, nil
	}
	who, err := authenticate(context.Background(), ignis.Credentials{Raw: []byte(`{"user":"ann","device":"phone"}`)})
	fmt.Println(who.UserID, who.Metadata, err)
	_, err = authenticate(context.Background(), ignis.Credentials{Raw: []byte(`["ann"]`)})
	fmt.Println(err)
	// Output:
	// ann phone <nil>
	// unauthenticated
}

// Callbacks get the metadata that Authenticate returned, with its type.
func ExampleMetadataOf() {
	type Account struct{ Plan string }
	c := &ignis.Client{ID: "c1", Metadata: Account{Plan: "free"}} // as passed to callbacks

	account, err := ignis.MetadataOf[Account](c)
	fmt.Println(account.Plan, err)
	_, err = ignis.MetadataOf[string](c)
	fmt.Println(err)
	// Output:
	// free <nil>
	// ignis: metadata of client c1 is a ignis_test.Account, not a string
}
