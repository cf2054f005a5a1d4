package emitter_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/bustest"
	"github.com/ignis-go/ignis/emitter"
	"github.com/ignis-go/ignis/ignistest"
	"github.com/ignis-go/ignis/wire"
)

// messagesOnly is a Publisher that carries no commands.
type messagesOnly struct{ emitter.Publisher }

func TestRevoke(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bus := bustest.NewCluster(1)[0]
		s := ignistest.NewServer(t, ignis.Config{
			Bus: bus,
			Authenticate: func(context.Context, ignis.Credentials) (ignis.Identity, error) {
				return ignis.Identity{UserID: "ann"}, nil
			},
		})
		p := s.Dial(t, nil)
		e, err := emitter.New(bustest.Publisher{Bus: bus}, emitter.Config{})
		if err != nil {
			t.Fatal(err)
		}
		until := time.Now().Add(time.Hour)
		for _, r := range []wire.Revocation{{}, {UserID: "ann"}, {UserID: "ann", TokenID: "t", Until: until}, {UserID: "ann", Until: time.Now()}} {
			if err := e.Revoke(t.Context(), r); !errors.Is(err, emitter.ErrMessage) {
				t.Errorf("%+v: %v", r, err)
			}
		}
		p.ExpectNothing()
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		if err := e.Revoke(ended, wire.Revocation{UserID: "ann", Until: until}); !errors.Is(err, context.Canceled) {
			t.Errorf("with an ended context: %v", err)
		}
		p.ExpectNothing()
		if err := e.Revoke(t.Context(), wire.Revocation{UserID: "ann", Until: until}); err != nil {
			t.Error(err)
		}
		p.ExpectClose(4006)
		e, err = emitter.New(messagesOnly{bustest.Publisher{Bus: bus}}, emitter.Config{})
		if err != nil {
			t.Fatal(err)
		}
		if err := e.Revoke(t.Context(), wire.Revocation{UserID: "ann", Until: until}); err == nil {
			t.Error("a Publisher without commands has no error")
		}
		if err := e.JoinAll(t.Context(), wire.ToUser("ann"), "lobby"); err == nil {
			t.Error("JoinAll with a Publisher without commands has no error")
		}
	})
}
