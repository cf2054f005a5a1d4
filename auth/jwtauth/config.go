package jwtauth

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

const (
	// defaultMaxToken is large enough: a token with a user and fifty rooms has about 1 KiB.
	defaultMaxToken = 8 << 10
	defaultWaiting  = 100
	defaultLeeway   = 10 * time.Second
	defaultPoll     = time.Second

	defaultRefresh    = 15 * time.Minute
	defaultMinRefresh = 30 * time.Second
	defaultTimeout    = 5 * time.Second
	defaultMaxSize    = 256 << 10
)

// Config configures a [Verifier]. At least one of Secret, Keys, KeyFiles and JWKS is
// required. If there are several keys, a token may be signed with any of them, and the
// holder of each key may sign tokens for every user and every issuer in Issuers. For
// issuers that must not speak for one another, use one Verifier each.
type Config struct {
	// Secret is an HMAC secret for HS256. It must have at least [MinSecret] bytes. All
	// bytes count, so remove the trailing newline of a secret that was read from a file.
	Secret []byte
	// Keys are further keys. [ParseKeys] reads them from PEM or a JWK set, and
	// [Verifier.SetKeys] replaces them and Secret.
	Keys []Key
	// KeyFiles are files with keys. New reads them, and [Verifier.Run] reads them again
	// when they change.
	KeyFiles []KeyFile
	// JWKS are JWK sets to fetch. [Verifier.Run] fetches them.
	JWKS []JWKS

	// Issuers are the accepted values of the claim iss. Empty: the claim is not checked.
	Issuers []string
	// Audiences are the names of this service. The claim aud must contain one of them.
	// Empty: the claim is not checked. Set it if the issuer signs tokens for other
	// services too: otherwise their tokens are accepted here.
	Audiences []string

	// Leeway is the time by which the issuer's clock may be ahead of this one, for the
	// claims nbf and iat. 0: 10 s. Negative: none.
	Leeway time.Duration
	// ExpiryLeeway is the time for which a token is accepted after it has expired, and by
	// which the session of a client ends later. 0: none.
	ExpiryLeeway time.Duration

	// UserClaim is the name of the claim with the user ID, a string or an integer. It must
	// be one that users cannot choose. Empty: sub.
	UserClaim string
	// RoomsClaim is the name of the claim with the rooms that the client may join; see
	// [Rooms]. Empty: rooms.
	RoomsClaim string
	// InfoClaim is the name of the claim with what other clients may see of the user, such
	// as a name to display. Empty: info.
	InfoClaim string

	// MaxToken is the maximum size of a token in bytes. Larger tokens are refused without
	// being parsed. 0: 8 KiB.
	MaxToken int
	// MaxWaiting is the maximum number of tokens with an unknown key ID that wait for a JWK
	// set at a time, so that forged tokens do not keep too many calls of Verify waiting. For
	// further ones, Verify returns [ErrKeysUnavailable]. The limit does not apply until
	// every JWK set has been fetched once. 0: 100.
	MaxWaiting int
	// PollInterval is the time between two reads of each file in KeyFiles. 0: 1 s.
	PollInterval time.Duration

	// Logger receives a line when keys change, and when a file or JWK set cannot be read
	// or can be read again. Nil: slog.Default().
	Logger *slog.Logger
}

// KeyFile is a file with keys. A change of the file takes effect when two reads in a row
// have returned the same text, so a file that is still being written is not used. It makes
// no difference whether the file is written, replaced or reached through symbolic links
// that change, as in Kubernetes. If the file disappears or cannot be used, the previous
// keys are kept.
type KeyFile struct {
	// Name is the path of the file. It may have at most 256 KiB. A file that is not a
	// regular file, such as a pipe, is read only once.
	Name string
	// Secret says that the file contains an HMAC secret: all of its bytes except one
	// trailing line break. If it is false, the file contains what [ParseKeys] accepts.
	Secret bool
	// ID is the ID of the keys that have none in the file; see [Key].
	ID string
	// Algorithms restricts the algorithms that the keys of the file may be used with.
	// Empty: see [Key].
	Algorithms []string
}

// JWKS is a JWK set that is fetched over HTTP. Its keys are kept until a fetch succeeds, so
// an outage of the server changes nothing. Secrets (the key type oct) are not accepted.
type JWKS struct {
	// URL is the address of the JWK set. It must be https, or http on a loopback address.
	// Redirects are not followed.
	URL string
	// Algorithms restricts the algorithms that the keys may be used with. Empty: the alg
	// of each key, or all algorithms that suit it.
	Algorithms []string

	// Refresh is the time between two fetches. It varies by a tenth. After a failure, the
	// next attempt follows after 1 s, and after further ones after up to 1 min.
	// 0: 15 min.
	Refresh time.Duration
	// MinRefresh is the minimum time between the fetches that tokens with an unknown key
	// ID cause. 0: 30 s.
	MinRefresh time.Duration
	// Timeout limits the time of a fetch. 0: 5 s.
	Timeout time.Duration
	// MaxSize is the maximum size of a response in bytes. 0: 256 KiB.
	MaxSize int
	// MaxKeys is the maximum number of keys in the set. 0: [DefaultMaxKeys].
	MaxKeys int
	// TLS configures the connection, for example for a private certificate authority.
	// Nil: the system's certificates.
	TLS *tls.Config
}

// withDefaults returns c with defaults for all zero values, or an error if c is invalid.
func (c Config) withDefaults() (Config, error) {
	if len(c.Secret) == 0 && len(c.Keys) == 0 && len(c.KeyFiles) == 0 && len(c.JWKS) == 0 {
		return c, errors.New("jwtauth: Config.Secret is required unless Keys, KeyFiles or JWKS are set")
	}
	for _, n := range []struct {
		name  string
		value int64
	}{
		{"MaxToken", int64(c.MaxToken)}, {"MaxWaiting", int64(c.MaxWaiting)}, {"ExpiryLeeway", int64(c.ExpiryLeeway)}, {"PollInterval", int64(c.PollInterval)},
	} {
		if n.value < 0 {
			return c, fmt.Errorf("jwtauth: Config.%s must not be negative", n.name)
		}
	}
	for _, list := range [][]string{c.Issuers, c.Audiences} {
		for _, name := range list {
			if name == "" {
				return c, errors.New("jwtauth: Config.Issuers and Config.Audiences must not contain empty names")
			}
		}
	}
	setDefault(&c.MaxToken, defaultMaxToken)
	setDefault(&c.MaxWaiting, defaultWaiting)
	setDefault(&c.PollInterval, defaultPoll)
	setDefault(&c.Leeway, defaultLeeway)
	c.Leeway = max(c.Leeway, 0)
	setDefault(&c.UserClaim, "sub")
	setDefault(&c.RoomsClaim, "rooms")
	setDefault(&c.InfoClaim, "info")
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	return c, nil
}

// withDefaults returns j with defaults for all zero values, or an error if a value is
// negative.
func (j JWKS) withDefaults() (JWKS, error) {
	if j.Refresh < 0 || j.MinRefresh < 0 || j.Timeout < 0 || j.MaxSize < 0 || j.MaxKeys < 0 {
		return j, errors.New("a limit must not be negative")
	}
	setDefault(&j.Refresh, defaultRefresh)
	setDefault(&j.MinRefresh, defaultMinRefresh)
	setDefault(&j.Timeout, defaultTimeout)
	setDefault(&j.MaxSize, defaultMaxSize)
	setDefault(&j.MaxKeys, DefaultMaxKeys)
	return j, nil
}

// setDefault sets *value to def if it is zero.
func setDefault[T comparable](value *T, def T) {
	var zero T
	if *value == zero {
		*value = def
	}
}
