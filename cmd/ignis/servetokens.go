package main

import (
	"errors"
	"fmt"
	"net/url"
	"reflect"
	"time"

	"github.com/ignis-go/ignis/auth/jwtauth"
	"github.com/ignis-go/ignis/internal/configfile"
)

// tokenFlags are the settings for tokens.
type tokenFlags struct {
	JWTSecretFile    string       `key:"tokens.secret_file" live:"" either:"jwt" name:"jwt-secret-file" group:"Who may connect" placeholder:"FILE" help:"File with the secret for HS256 tokens, at least 32 bytes. Alternatively, set $$IGNIS_JWT_SECRET to the secret itself. The file is read again when it changes."`
	JWTSecret        string       `kong:"-" key:"tokens.secret" env:"IGNIS_JWT_SECRET" live:"" secret:"" either:"jwt" instead:"write the secret to a file of its own and name it in tokens.secret_file, or set IGNIS_JWT_SECRET" help:"Secret for HS256 tokens, at least 32 bytes."`
	JWTPublicKeyFile nameList     `key:"tokens.public_key_files" live:"" name:"jwt-public-key-file" group:"Who may connect" placeholder:"FILE,..." help:"Files with public keys for tokens (RS, PS, ES, EdDSA), in PEM format or as a JWK set. They are read again when they change."`
	JWKSURL          []jwksSource `key:"tokens.jwks" live:"" secret:"url" name:"jwks-url" group:"Who may connect" placeholder:"URL,..." help:"JWK sets with public keys for tokens, which are fetched regularly."`
	JWTIssuer        nameList     `key:"tokens.issuers" live:"" name:"jwt-issuer" group:"Who may connect" placeholder:"ISSUER,..." help:"Accepted values of the claim iss (not checked)."`
	JWTAudience      nameList     `key:"tokens.audiences" live:"" name:"jwt-audience" group:"Who may connect" placeholder:"AUDIENCE,..." help:"Names of this service, one of which the claim aud must contain (not checked)."`

	JWTKeys         []tokenKey  `kong:"-" key:"tokens.keys" live:"" help:"Further keys, each with a key ID or restricted to algorithms. A token may be signed with any of the keys, so that they can be rotated."`
	JWTLeeway       periodOrOff `kong:"-" key:"tokens.leeway" live:"" default:"10s" help:"Time by which the issuer's clock may be ahead, for the claims nbf and iat; off for none."`
	JWTExpiryLeeway periodOrOff `kong:"-" key:"tokens.expiry_leeway" live:"" default:"off" help:"Time for which a token is accepted after it has expired; off for none."`
	JWTUserClaim    string      `kong:"-" key:"tokens.user_claim" live:"" default:"sub" help:"Claim with the user ID."`
	JWTRoomsClaim   string      `kong:"-" key:"tokens.rooms_claim" live:"" default:"rooms" help:"Claim with the rooms that the client may join, unless the file has the section rooms."`
	JWTInfoClaim    string      `kong:"-" key:"tokens.info_claim" live:"" default:"info" help:"Claim with what other clients may see of the user."`
}

// tokenKey is a file with keys for tokens.
type tokenKey struct {
	SecretFile    string   `key:"secret_file" help:"File with a secret. Either this or public_key_file is required."`
	PublicKeyFile string   `key:"public_key_file" help:"File with public keys, in PEM format or as a JWK set."`
	ID            string   `key:"id" help:"Key ID (kid) of tokens that are signed with the key (any)."`
	Algorithms    nameList `key:"algorithms" help:"Algorithms that the key may be used with, such as RS256 (HS256 for a secret, and all that suit a public key)."`
}

// jwksSource is a JWK set to fetch.
type jwksSource struct {
	URL        string   `key:"url" required:"" secret:"url" help:"Address, https, or http on a loopback address."`
	Algorithms nameList `key:"algorithms" help:"Algorithms that the keys may be used with (those that suit each key)."`
	Refresh    period   `key:"refresh" default:"15m" help:"Time between two fetches."`
	MinRefresh period   `key:"min_refresh" default:"30s" help:"Minimum time between two fetches because of unknown key IDs."`
	Timeout    period   `key:"timeout" default:"5s" help:"Maximum duration of a fetch."`
	CAFile     string   `key:"ca_file" help:"Certificates of the authorities that sign the server's certificate, in PEM format (those of the system)."`
}

// UnmarshalText parses a URL.
func (s *jwksSource) UnmarshalText(text []byte) error {
	*s = jwksSource{URL: string(text)}
	if u, err := url.Parse(s.URL); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return errors.New("expected a URL such as https://issuer.example/.well-known/jwks.json")
	}
	return nil
}

// Syntax implements [configfile.Scalar].
func (jwksSource) Syntax() configfile.Syntax {
	return configfile.Syntax{Type: "string", Pattern: "^https?://."}
}

// Short returns the URL, and whether nothing else is set.
func (s jwksSource) Short() (string, bool) {
	return s.URL, reflect.DeepEqual(s, jwksSource{URL: s.URL})
}

// config returns the configuration of the verifier without Secret and its file, which package
// app adds.
func (f *tokenFlags) config() (jwtauth.Config, error) {
	c := jwtauth.Config{
		Issuers: f.JWTIssuer, Audiences: f.JWTAudience,
		Leeway: time.Duration(f.JWTLeeway), ExpiryLeeway: max(0, time.Duration(f.JWTExpiryLeeway)),
		UserClaim: f.JWTUserClaim, RoomsClaim: f.JWTRoomsClaim, InfoClaim: f.JWTInfoClaim,
	}
	for _, name := range f.JWTPublicKeyFile {
		c.KeyFiles = append(c.KeyFiles, jwtauth.KeyFile{Name: name})
	}
	for i, k := range f.JWTKeys {
		if (k.SecretFile == "") == (k.PublicKeyFile == "") {
			return c, &keyError{fmt.Sprintf("tokens.keys[%d]", i), "expected either secret_file or public_key_file"}
		}
		c.KeyFiles = append(c.KeyFiles, jwtauth.KeyFile{
			Name: k.SecretFile + k.PublicKeyFile, Secret: k.SecretFile != "", ID: k.ID, Algorithms: k.Algorithms,
		})
	}
	for i, s := range f.JWKSURL {
		set := jwtauth.JWKS{
			URL: s.URL, Algorithms: s.Algorithms,
			Refresh: time.Duration(s.Refresh), MinRefresh: time.Duration(s.MinRefresh), Timeout: time.Duration(s.Timeout),
		}
		var err error
		if set.TLS, err = authorities(s.CAFile); err != nil {
			return c, &keyError{fmt.Sprintf("tokens.jwks[%d].ca_file", i), err.Error()}
		}
		c.JWKS = append(c.JWKS, set)
	}
	return c, nil
}
