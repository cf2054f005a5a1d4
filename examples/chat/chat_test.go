package main

import (
	"errors"
	"testing"
	"testing/synctest"

	"github.com/ignis-go/ignis/client"
	"github.com/ignis-go/ignis/ignistest"
	"github.com/ignis-go/ignis/wire"
)

func TestChat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		app, err := newServer(NewChat(map[string][]string{"staff": {"ann", "bob"}}), "")
		if err != nil {
			t.Fatal(err)
		}
		srv := ignistest.Start(t, app, handler(app))
		enter := func(name string) *ignistest.Client { return srv.Dial(t, map[string]string{"token": name}) }
		ann, bob, eve := enter("Ann"), enter("Bob"), enter("Eve")
		ann.Join("staff")
		bob.Join("staff", "lobby")

		// Users who are not listed cannot join the private room.
		_, err = eve.Conn.Join(t.Context(), "staff", "lobby")
		var refused *client.JoinError
		if !errors.As(err, &refused) || len(refused.Refused) != 1 || refused.Refused[0].Room != "staff" {
			t.Errorf("Eve joins the private room: %v, want a refusal", err)
		}
		// Only members can say something in a room, even in an open one.
		for who, room := range map[*ignistest.Client]string{eve: "staff", ann: "lobby"} {
			if err := who.RequestError("say", line{Room: room, Text: "let me in"}); err.Code != wire.CodeForbidden {
				t.Errorf("%s: %v, want forbidden", room, err)
			}
		}
		if err := ann.RequestError("say", 7); err.Code != wire.CodeInvalid {
			t.Errorf("a number: %v, want invalid", err)
		}
		if err := ann.RequestError("shout", nil); err.Code != wire.CodeUnknownEvent {
			t.Errorf("another event: %v, want unknown_event", err)
		}

		// Bob receives what Ann says with her real name, regardless of the name that she sent.
		ann.Request("say", line{Room: "staff", Text: "hello", From: "the boss"}, nil)
		var got line
		if bob.Expect("said", &got); got.Text != "hello" || got.From != "Ann" || got.At.IsZero() {
			t.Errorf("Bob received %+v, want what Ann said", got)
		}
		for _, c := range []*ignistest.Client{ann, bob, eve} {
			c.ExpectNothing()
		}
	})
}
