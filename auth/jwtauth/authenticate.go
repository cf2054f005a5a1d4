package jwtauth

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/ignis-go/ignis"
)

// Authenticate accepts a client that sent a valid token. Its user ID is the subject, its
// metadata is the token's [Rooms], and its session ends when the token expires, unless the
// client sends a new one before. Authenticate can be used as [ignis.Config].Authenticate.
func (v *Verifier) Authenticate(ctx context.Context, cred ignis.Credentials) (ignis.Identity, error) {
	c, err := v.Verify(ctx, cred.Token)
	if err != nil {
		return ignis.Identity{}, fmt.Errorf("%w: %w", ignis.ErrUnauthenticated, err)
	}
	id, _ := textOf(c.fields["jti"])
	return ignis.Identity{UserID: c.Subject, Metadata: c.Rooms, Expires: c.Expires, TokenID: id, IssuedAt: c.IssuedAt}, nil
}

// ValidateRooms returns those of the rooms that the client's token allows. It can be used
// as [ignis.Config].ValidateRooms if the metadata of clients is [Rooms], as set by
// Authenticate. For a client with other metadata it returns an error.
func (v *Verifier) ValidateRooms(_ context.Context, c *ignis.Client, rooms []string) ([]string, error) {
	allowed, err := ignis.MetadataOf[Rooms](c)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(rooms, func(room string) bool { return !allowed.Allow(room) }), nil
}

// Rooms are the rooms that a client may join. Each entry is the name of a room, or, with
// a * at the end, the beginning of names: "team:*" allows every room whose name starts
// with "team:". A * anywhere else stands for itself.
type Rooms []string

// Allow reports whether the client may join the room.
func (r Rooms) Allow(room string) bool {
	for _, entry := range r {
		prefix, wild := strings.CutSuffix(entry, "*")
		if room == entry || wild && strings.HasPrefix(room, prefix) {
			return true
		}
	}
	return false
}
