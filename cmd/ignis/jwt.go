package main

import (
	"fmt"
	"log/slog"
	"os"
	"strings"

	"github.com/ignis-go/ignis/auth/jwtauth"
)

const maxSecret = 64 << 10

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
	if len(s.key) < jwtauth.MinSecret || len(s.key) > maxSecret {
		return usage("openssl rand -base64 48 makes one",
			"%s: expected a secret of %d bytes or more, but it has %d", source, jwtauth.MinSecret, len(s.key))
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
