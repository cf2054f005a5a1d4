package ignis_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/wire"
)

// A callback that stops because its client has disconnected has not failed, and its rooms were not
// refused. Other errors count even then.
func TestCallbacksOfClientsThatLeft(t *testing.T) {
	for name, row := range map[string]struct {
		result func(ctx context.Context) error
		errors uint64
	}{
		"canceled": {func(ctx context.Context) error { return fmt.Errorf("asking: %w", ctx.Err()) }, 0},
		"undecided": {func(ctx context.Context) error {
			return &ignis.PartialError{Err: fmt.Errorf("%w: %w", &ignis.Error{Code: wire.CodeUnavailable}, ctx.Err())}
		}, 0},
		"another error": {func(context.Context) error { return fmt.Errorf("no luck") }, 1},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				wait := func(ctx context.Context) error { <-ctx.Done(); return row.result(ctx) }
				n := startMem(t, ignis.Config{
					OnMessage: func(ctx context.Context, _ *ignis.Client, _ wire.Message) (any, error) { return nil, wait(ctx) },
					ValidateRooms: func(ctx context.Context, _ *ignis.Client, _ []string) ([]string, error) {
						return nil, wait(ctx)
					},
				})
				p, q := n.login("ann"), n.login("bob")
				p.text(`{"event":"x"}`)
				q.text(`{"event":"join","data":{"rooms":["a"]}}`)
				synctest.Wait()
				_, _ = p.conn.Close(), q.conn.Close()
				time.Sleep(time.Minute)
				s := n.Stats()
				want := 2 * row.errors
				if name == "undecided" {
					want = 0 // OnMessage returns an *Error, which is a refusal
				}
				if s.CallbackErrors != want || s.RefusedJoins["not allowed by the application"] != row.errors {
					t.Errorf("%d errors, want %d; refused joins: %v", s.CallbackErrors, want, s.RefusedJoins)
				}
				if got := n.log.Count("level=WARN"); got != int(want) {
					t.Errorf("%d warnings, want %d:\n%s", got, want, n.log)
				}
			})
		})
	}
}

// An error of a callback counts if it is context.Canceled although the client is still connected.
func TestCanceledCallbackOfConnectedClient(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n := startMem(t, ignis.Config{
			OnMessage: func(context.Context, *ignis.Client, wire.Message) (any, error) { return nil, context.Canceled },
		})
		p := n.login("ann")
		p.text(`{"event":"x"}`)
		synctest.Wait()
		if got := n.Stats().CallbackErrors; got != 1 {
			t.Errorf("%d errors, want 1", got)
		}
	})
}
