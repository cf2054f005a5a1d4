package app

import (
	"bytes"
	"os"

	"github.com/ignis-go/ignis/auth/jwtauth"
	"github.com/ignis-go/ignis/internal/filewatch"
)

// SecretVariable is the environment variable for the JWT secret. There is no flag for it,
// because other users of the machine can read the arguments of a process.
const SecretVariable = "IGNIS_JWT_SECRET"

// maxSecret is the maximum length of the JWT secret in bytes.
const maxSecret = 64 << 10

// maxSecretFile is the maximum size of a file with it, as in package jwtauth.
const maxSecretFile = 256 << 10

// checkSecret returns an error if the JWT secret, from JWTSecretFile or JWTSecret, is too
// short or too long. Package jwtauth reads the file itself. A pipe is not checked, because it
// can be read only once.
func (c *Config) checkSecret() error {
	secret, source := c.JWTSecret, SecretVariable
	switch info, err := os.Stat(c.JWTSecretFile); {
	case c.JWTSecretFile == "":
		if len(secret) == 0 {
			return nil
		}
	case err == nil && !info.Mode().IsRegular() && !info.IsDir():
		return nil
	default:
		f, err := filewatch.ReadFile(c.JWTSecretFile, maxSecretFile)
		if err != nil {
			return usage("name a file that this user can read", "--jwt-secret-file: %w", err)
		}
		secret, source = bytes.TrimSuffix(bytes.TrimSuffix(f.Text, []byte("\n")), []byte("\r")), "--jwt-secret-file"
	}
	switch {
	case len(secret) < jwtauth.MinSecret:
		return usage("create one with openssl rand -base64 48",
			"%s: expected a secret of %d bytes or more, but it has %d", source, jwtauth.MinSecret, len(secret))
	case len(secret) > maxSecret:
		return usage("create one with openssl rand -base64 48",
			"%s: expected a secret of %d bytes or less, but it has more", source, maxSecret)
	}
	return nil
}
