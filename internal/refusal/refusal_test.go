package refusal_test

import (
	"context"
	"testing"

	"github.com/ignis-go/ignis/internal/refusal"
)

func TestRooms(t *testing.T) {
	refusal.Note(t.Context(), "a") // nobody collects
	ctx, rooms := refusal.Collect(t.Context())
	_, other := refusal.Collect(t.Context())
	ctx, cancel := context.WithCancel(ctx) // as an application may do
	refusal.Note(ctx, "a")
	cancel()
	refusal.Note(ctx, "b")
	for name, want := range map[string]bool{"a": true, "b": true, "c": false} {
		if rooms.Has(name) != want || other.Has(name) || (*refusal.Rooms)(nil).Has(name) {
			t.Errorf("%s: %t, want %t; %t for another request", name, rooms.Has(name), want, other.Has(name))
		}
	}
}
