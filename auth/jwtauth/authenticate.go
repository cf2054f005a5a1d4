package jwtauth

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/wire"
)

// Authenticate accepts a client that sent a valid token. Its user ID is the subject, its
// metadata is the [*Claims], and its session ends when the token expires, after
// Config.ExpiryLeeway, unless the client sends a new one before. Authenticate can be used
// as [ignis.Config].Authenticate. While the keys are not available, clients are closed with
// 1013 and try again later.
func (v *Verifier) Authenticate(ctx context.Context, cred ignis.Credentials) (ignis.Identity, error) {
	c, err := v.Verify(ctx, cred.Token)
	switch {
	case errors.Is(err, ignis.ErrUnauthenticated):
		return ignis.Identity{}, fmt.Errorf("%w: %w", ignis.ErrUnauthenticated, err)
	case errors.Is(err, ErrKeysUnavailable):
		later := &ignis.Error{Code: wire.CodeUnavailable, Message: "The keys for tokens are not available"}
		return ignis.Identity{}, fmt.Errorf("%w: %w", later, err)
	case err != nil:
		return ignis.Identity{}, err
	}
	return ignis.Identity{
		UserID:   c.Subject,
		Metadata: c,
		Expires:  c.Expires.Add(v.cfg.ExpiryLeeway),
		TokenID:  c.TokenID,
		IssuedAt: c.IssuedAt,
	}, nil
}

// ValidateRooms returns those of the rooms that the client's token allows. It can be used as
// [ignis.Config].ValidateRooms if the metadata of clients is [*Claims], as set by
// Authenticate, or [Rooms]. For a client with other metadata it returns an error.
func (v *Verifier) ValidateRooms(_ context.Context, c *ignis.Client, rooms []string) ([]string, error) {
	allowed, ok := c.Metadata.(Rooms)
	if !ok {
		claims, err := ignis.MetadataOf[*Claims](c)
		if err != nil {
			return nil, err
		}
		allowed = claims.Rooms
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
