package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/ignis-go/ignis"
)

const (
	// minSecret is what HS256 asks for (RFC 7518, section 3.2).
	minSecret = 32 // bytes
	maxSecret = 64 << 10
)

// jwtSecret is the key that tokens are signed with, and where it is.
type jwtSecret struct {
	file string
	key  []byte
}

func (s *jwtSecret) given() bool { return s.file != "" || len(s.key) > 0 }

// load reads and checks the key.
func (s *jwtSecret) load(log *slog.Logger) error {
	source := secretVariable
	if s.file != "" {
		if len(s.key) > 0 {
			return usage("unset one of them", "--jwt-secret-file and %s are both set", secretVariable)
		}
		source = "--jwt-secret-file"
		if err := s.read(log); err != nil {
			return usage("it has to be a file that this user can read", "--jwt-secret-file: %w", err)
		}
	}
	if len(s.key) < minSecret || len(s.key) > maxSecret {
		return usage("openssl rand -base64 48 makes one",
			"%s: expected a secret of %d bytes or more, but it has %d", source, minSecret, len(s.key))
	}
	return nil
}

func (s *jwtSecret) read(log *slog.Logger) error {
	text, err := readSecret(s.file, maxSecret+2, func(mode os.FileMode) {
		log.Warn("every user of this machine can read the JWT secret", "file", s.file, "mode", fmt.Sprintf("%#o", mode))
	})
	s.key = []byte(strings.TrimSuffix(strings.TrimSuffix(string(text), "\n"), "\r"))
	return err
}

// tokens decides on clients by the JWT that they send as data.token.
type tokens struct{ verifier }

// grants are the rooms that a client may join, as its token lists them.
type grants []string

func newTokens(key []byte, maxToken int) *tokens {
	return &tokens{verifier{key: key, maxToken: maxToken, now: time.Now}}
}

// authenticate lets the bearer of a valid token in as its subject.
func (t *tokens) authenticate(_ context.Context, c ignis.Credentials) (ignis.Identity, error) {
	got, err := t.verify(c.Token)
	if err != nil {
		return ignis.Identity{}, fmt.Errorf("%w: %w", ignis.ErrUnauthenticated, err)
	}
	return ignis.Identity{UserID: got.subject, Metadata: grants(got.rooms)}, nil
}

// validateRooms returns the rooms that the client's token allows.
func (t *tokens) validateRooms(_ context.Context, c *ignis.Client, rooms []string) ([]string, error) {
	g, err := ignis.MetadataOf[grants](c)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(rooms, func(room string) bool { return !g.allow(room) }), nil
}

// allow reports whether one of the patterns is the room's name, or ends in *
// and the name starts with what is before that.
func (g grants) allow(room string) bool {
	for _, pattern := range g {
		prefix, wild := strings.CutSuffix(pattern, "*")
		if room == pattern || wild && strings.HasPrefix(room, prefix) {
			return true
		}
	}
	return false
}
