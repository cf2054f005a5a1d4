package jwtauth

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ignis-go/ignis/internal/strictjson"
)

// Verifier verifies tokens. Its methods are safe for concurrent use.
type Verifier struct {
	cfg     Config
	log     *slog.Logger
	now     func() time.Time
	keys    atomic.Pointer[keySet] // of fixed and of all sources
	files   []*fileSource
	remotes []*remoteSource

	waiting atomic.Int32 // tokens that wait for a fetch
	// verifying limits how many signatures with public keys are verified at the same time. Each takes
	// up to 0.1 ms, and hundreds of runnable goroutines that verify one would delay all others.
	verifying chan struct{}

	mu      sync.Mutex
	fixed   []*key // from Config.Secret and Config.Keys, or SetKeys
	running bool   // Run has been called and has not returned
}

// New returns a Verifier, or an error if c is invalid or one of its KeyFiles cannot be
// used. It does not fetch JWK sets.
func New(c Config) (*Verifier, error) {
	c, err := c.withDefaults()
	if err != nil {
		return nil, err
	}
	v := &Verifier{cfg: c, log: c.Logger, now: time.Now, verifying: make(chan struct{}, max(1, runtime.GOMAXPROCS(0)/2))}
	if v.fixed, err = c.fixedKeys(); err != nil {
		return nil, err
	}
	for _, f := range c.KeyFiles {
		s, err := newFileSource(f)
		if err != nil {
			return nil, fmt.Errorf("jwtauth: Config.KeyFiles: %s: %w", f.Name, err)
		}
		v.files = append(v.files, s)
	}
	for _, j := range c.JWKS {
		s, err := newRemoteSource(j)
		if err != nil {
			return nil, fmt.Errorf("jwtauth: Config.JWKS: %w", err)
		}
		v.remotes = append(v.remotes, s)
	}
	for _, s := range v.files {
		if err := v.firstRead(s); err != nil {
			return nil, fmt.Errorf("jwtauth: Config.KeyFiles: %w", err)
		}
	}
	v.rebuild()
	v.cfg.Secret, v.cfg.Keys = nil, nil // fixed has copies
	return v, nil
}

// fixedKeys returns the keys that are part of the configuration.
func (c *Config) fixedKeys() ([]*key, error) {
	var list []*key
	if len(c.Secret) > 0 {
		k, err := Key{Secret: c.Secret}.bind(0)
		if err != nil {
			return nil, fmt.Errorf("jwtauth: Config.Secret: %w", err)
		}
		list = append(list, k)
	}
	keys, err := bindAll(c.Keys)
	return append(list, keys...), err
}

func bindAll(keys []Key) ([]*key, error) {
	var list []*key
	for i, k := range keys {
		bound, err := k.bind(0)
		if err != nil {
			return nil, fmt.Errorf("jwtauth: key %d (ID %.64q): %w", i+1, k.ID, err)
		}
		list = append(list, bound)
	}
	return list, nil
}

// SetKeys replaces Config.Secret and Config.Keys. Tokens that are being
// verified at the same time are checked with either the old keys or the new ones. If one of the keys is invalid, SetKeys
// changes nothing and returns an error.
func (v *Verifier) SetKeys(keys []Key) error {
	list, err := bindAll(keys)
	if err != nil {
		return err
	}
	v.mu.Lock()
	v.fixed = list
	v.mu.Unlock()
	v.rebuild()
	return nil
}

// rebuild makes Verify use the current keys of all sources.
func (v *Verifier) rebuild() {
	v.mu.Lock()
	defer v.mu.Unlock()
	all := append([]*key(nil), v.fixed...)
	for _, s := range v.files {
		all = append(all, s.current()...)
	}
	for _, s := range v.remotes {
		all = append(all, s.current()...)
	}
	v.keys.Store(newKeySet(all))
}

// Verify returns the claims of a valid token. Its errors match
// [ignis.ErrUnauthenticated], so an Authenticate callback may return them, and
// [ErrExpired] if the token has expired. An error that matches [ErrKeysUnavailable] says
// nothing about the token, and does not match ErrUnauthenticated.
//
// Errors can be logged: their texts contain nothing from the token except the subject, and the
// issuer or audience if it is not accepted, and only if the signature is valid. They have the method LogCause that
// [ignis.Config].Authenticate describes.
//
// If the key ID is unknown and the verifier has a JWKS, Verify waits until the JWK set has
// been fetched again, which happens at most once per MinRefresh, or until ctx is done.
// Verify uses at most half of the processors for signatures with public keys, so it may also wait for
// other calls.
func (v *Verifier) Verify(ctx context.Context, token string) (*Claims, error) {
	if len(token) > v.cfg.MaxToken {
		return nil, refused("the token is too large")
	}
	t, err := parseParts(token)
	if err != nil {
		return nil, err
	}
	if err := v.checkSignature(ctx, t); err != nil {
		return nil, err
	}
	// The claims are not read before this point.
	text, ok := decodePart(t.claims)
	if !ok {
		return nil, refused("the token's claims are not base64url")
	}
	return v.readClaims(text)
}

// checkSignature returns an error unless a key has signed the token.
func (v *Verifier) checkSignature(ctx context.Context, t *parts) error {
	found := v.tryKeys(t)
	if found.valid {
		return nil
	}
	// A JWK set contains no secrets, so fetching it cannot help a token with HS256.
	if !found.known && t.algorithm.kind != kindSecret && len(v.remotes) > 0 {
		var err error
		if found, err = v.recheck(ctx, t, found); err != nil {
			return err
		}
	}
	switch {
	case found.valid:
		return nil
	case found.tooMany:
		return refused("the token does not name one of the keys (kid), and there are too many to try")
	case found.tried > 0:
		return refused("the token's signature is wrong")
	case found.known:
		return refused("the token's key (kid) is not for its algorithm (alg)")
	case t.keyID != "" && t.algorithm.kind != kindSecret:
		return refused("the token's key (kid) is unknown")
	}
	return refused("there is no key for the token's algorithm (alg)")
}

// tryKeys returns what the current keys say about the signature.
func (v *Verifier) tryKeys(t *parts) verdict {
	if t.algorithm.kind != kindSecret {
		v.verifying <- struct{}{}
		defer func() { <-v.verifying }()
	}
	return v.keys.Load().check(t)
}

// recheck fetches the JWK sets again, unless that is too early, and returns what the current
// keys say about the signature. It returns an error if keys are missing, so that the token
// may be valid.
func (v *Verifier) recheck(ctx context.Context, t *parts, found verdict) (verdict, error) {
	missing := v.incomplete()
	waiting := v.waiting.Add(1)
	defer v.waiting.Add(-1)
	if waiting > int32(min(v.cfg.MaxWaiting, math.MaxInt32)) && !missing {
		for _, s := range v.remotes {
			s.ignored()
		}
		return found, &tokenError{reason: "too many tokens wait for a key (kid) that is unknown", is: ErrKeysUnavailable}
	}
	if v.refresh(ctx) {
		found = v.tryKeys(t)
	}
	if missing && !found.valid && !found.known && v.incomplete() {
		return found, &tokenError{reason: "the keys to verify tokens with have not been fetched yet", is: ErrKeysUnavailable}
	}
	return found, nil
}

// parts are the parts of a token.
type parts struct {
	algorithm *algorithm
	keyID     string // may be empty
	claims    string // base64url
	signed    string // what the signature is for
	signature []byte
}

// parseParts reads everything but the claims. Parameters of the header other than alg and
// kid do not change how a token is verified, with the exception of crit (RFC 7515,
// section 4.1.11). In particular, keys in the header (jwk, jku, x5c, x5u) are ignored.
func parseParts(token string) (*parts, error) {
	switch {
	case token == "":
		return nil, refused("no token was sent")
	case strings.Count(token, ".") != 2:
		return nil, refused("the token does not have three parts")
	}
	t := parts{signed: token[:strings.LastIndexByte(token, '.')]}
	var header string
	header, t.claims, _ = strings.Cut(t.signed, ".")
	text, ok := decodePart(header)
	if !ok {
		return nil, refused("the token's header is not base64url")
	}
	f, err := strictjson.Parse(text)
	switch _, twice := errors.AsType[*strictjson.DuplicateError](err); {
	case twice:
		return nil, refused("the token's header must not contain duplicate names")
	case err != nil:
		return nil, refused("the token's header must be a JSON object")
	case f.Raw("crit") != nil:
		return nil, refused("the token has critical extensions, and none are supported")
	}
	alg, _ := strictjson.Text(f.Raw("alg"))
	if t.algorithm, ok = algorithmNamed(alg); !ok {
		return nil, refused("the token's algorithm (alg) is not supported")
	}
	if value := f.Raw("kid"); value != nil {
		if t.keyID, ok = strictjson.Text(value); !ok {
			return nil, refused("the token's key ID (kid) is not a string")
		}
	}
	if t.signature, ok = decodePart(token[len(t.signed)+1:]); !ok {
		return nil, refused("the token's signature is not base64url")
	}
	return &t, nil
}
