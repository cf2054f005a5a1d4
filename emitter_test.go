package ignis_test

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/bustest"
	"github.com/ignis-go/ignis/emitter"
)

// sender is implemented by servers and emitters, so that code can send through either.
type sender interface {
	Send(ctx context.Context, to ignis.Address, event string, data any, options ...ignis.SendOption) error
}

// A server and an emitter reach the same clients with the same call.
func TestServerAndEmitterSendAlike(t *testing.T) {
	bubble(t, func(t *testing.T) {
		bus := bustest.NewCluster(1)[0]
		c := newCrowd(t, bus)
		e, err := emitter.New(bustest.Publisher{Bus: bus}, emitter.Config{})
		if err != nil {
			t.Fatal(err)
		}
		for name, s := range map[string]sender{"server": c.Server, "emitter": e} {
			for _, row := range []struct {
				to     ignis.Address
				except string
				want   string
			}{
				{ignis.ToRoom("lobby"), c.bob.id, "ann1"},
				{ignis.ToEveryone(), c.none.id, "ann1 ann2 bob"},
				{ignis.ToUser("ann"), c.ann2.id, "ann1 ann2"}, // Except does not apply to users
				{ignis.ToClient(c.bob.id), "", "bob"},
			} {
				if err := s.Send(t.Context(), row.to, "x", 1, ignis.Except(row.except), ignis.Key("k")); err != nil {
					t.Errorf("%s to %v: %v", name, row.to, err)
				}
				synctest.Wait()
				if got := c.reached(line); got != row.want {
					t.Errorf("%s to %v reached %q, want %q", name, row.to, got, row.want)
				}
			}
		}
	})
}
