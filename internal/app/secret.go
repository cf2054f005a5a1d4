package app

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"

	"github.com/ignis-go/ignis/auth/jwtauth"
)

// SecretVariable is the environment variable for the JWT secret. There is no flag for it,
// because other users of the machine can read the arguments of a process.
const SecretVariable = "IGNIS_JWT_SECRET"

// maxSecret is the maximum length of the JWT secret in bytes.
const maxSecret = 64 << 10

// secret returns the JWT secret, from JWTSecretFile or JWTSecret.
func (c *Config) secret(log *slog.Logger) ([]byte, error) {
	secret, source := c.JWTSecret, SecretVariable
	if c.JWTSecretFile != "" {
		if len(secret) > 0 {
			return nil, usage("unset one of them", "--jwt-secret-file and %s are both set", SecretVariable)
		}
		text, err := ReadSecretFile(c.JWTSecretFile, maxSecret+2, func(mode os.FileMode) {
			log.Warn("every user of this machine can read the JWT secret", "file", c.JWTSecretFile, "mode", fmt.Sprintf("%#o", mode))
		})
		if err != nil {
			return nil, usage("name a file that this user can read", "--jwt-secret-file: %w", err)
		}
		secret, source = []byte(strings.TrimSuffix(strings.TrimSuffix(string(text), "\n"), "\r")), "--jwt-secret-file"
	}
	switch {
	case len(secret) < jwtauth.MinSecret:
		return nil, usage("create one with openssl rand -base64 48",
			"%s: expected a secret of %d bytes or more, but it has %d", source, jwtauth.MinSecret, len(secret))
	case len(secret) > maxSecret:
		return nil, usage("create one with openssl rand -base64 48",
			"%s: expected a secret of %d bytes or less, but it has more", source, maxSecret)
	}
	return secret, nil
}

// ReadSecretFile returns the contents of a file, or its first limit+1 bytes if it is larger
// than limit. It calls warn if every user of the machine can read the file.
func ReadSecretFile(name string, limit int64, warn func(mode os.FileMode)) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if mode := info.Mode().Perm(); mode&0o004 != 0 {
		warn(mode)
	}
	return io.ReadAll(io.LimitReader(f, limit+1))
}
