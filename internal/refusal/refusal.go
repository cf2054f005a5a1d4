// Package refusal lets access rules tell the server which rooms they do not allow. The rules log
// these with the rule that decided, so the server does not log them again, and does not count them as
// refused by the application.
package refusal

import (
	"context"
	"slices"
	"sync"
)

// Rooms are the rooms of one request that access rules do not allow. Its methods are safe for
// concurrent use.
type Rooms struct {
	mu    sync.Mutex
	names []string
}

type key struct{}

// Collect returns a context for a ValidateRooms callback, and the rooms that are passed to Note with
// it.
func Collect(ctx context.Context) (context.Context, *Rooms) {
	r := &Rooms{}
	return context.WithValue(ctx, key{}, r), r
}

// Note records that access rules do not allow a room. It is a no-op if ctx is not from Collect.
func Note(ctx context.Context, room string) {
	r, ok := ctx.Value(key{}).(*Rooms)
	if !ok {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.names = append(r.names, room)
}

// Has reports whether access rules do not allow the room.
func (r *Rooms) Has(room string) bool {
	if r == nil {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Contains(r.names, room)
}
