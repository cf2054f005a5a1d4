package jwtauth

import (
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/ignis-go/ignis/internal/strictjson"
	"github.com/ignis-go/ignis/wire"
)

// Claims are the claims of a valid token. They must not be modified, and are safe for
// concurrent use. [Verifier.Authenticate] makes them the metadata of the client:
//
//	claims, err := ignis.MetadataOf[*jwtauth.Claims](client)
type Claims struct {
	// Subject is the claim that Config.UserClaim names, which is sub by default. It is never
	// empty. A number is its decimal text, so {"sub":42} and {"sub":"42"} are the same user.
	Subject string
	// Expires is the claim exp.
	Expires time.Time
	// NotBefore is the claim nbf. It is zero if the token has none.
	NotBefore time.Time
	// IssuedAt is the claim iat. It is zero if the token has none.
	IssuedAt time.Time
	// TokenID is the claim jti. It is empty if the token has none. A number is its decimal
	// text.
	TokenID string
	// Rooms is the claim that Config.RoomsClaim names. It is nil if the token has none.
	Rooms Rooms
	// Info is the claim that Config.InfoClaim names, as valid JSON. It is nil if the token
	// has none.
	Info json.RawMessage

	text []byte // all claims; kept as long as the client is connected
}

// Field returns the value of the claim with exactly this name, as valid JSON, or nil if
// the token has no such claim. The caller must not modify the value. Each call searches
// the text of the claims and allocates no memory. Rules about claims, such as those of
// package access, take the method as a function.
func (c *Claims) Field(name string) (value json.RawMessage) {
	_ = wire.EachField(c.text, func(key, v []byte) { // cannot fail, because it has been read before
		if string(key) == name {
			value = v
		}
	})
	return value
}

// readClaims reads and checks the claims of a token whose signature has been verified. A
// claim of the wrong type is an error. A claim that is null counts as absent.
func (v *Verifier) readClaims(text []byte) (*Claims, error) {
	f, err := strictjson.Parse(text)
	switch _, twice := errors.AsType[*strictjson.DuplicateError](err); {
	case twice:
		return nil, refused("the token's claims must not contain duplicate names")
	case err != nil:
		return nil, refused("the token's claims must be a JSON object")
	}
	c := &Claims{text: text}
	if c.Subject, _ = strictjson.ID(f.Raw(v.cfg.UserClaim)); c.Subject == "" {
		return nil, refused("the token's " + v.cfg.UserClaim + " is missing, empty, or not a string or integer")
	}
	if err := c.readDates(f); err != nil {
		return nil, err
	}
	if err := c.readGrants(f, v.cfg.RoomsClaim, v.cfg.InfoClaim); err != nil {
		return nil, err
	}
	if err := c.checkTimes(v.now(), v.cfg.Leeway, v.cfg.ExpiryLeeway); err != nil {
		return nil, err
	}
	if err := c.checkNames(f, v.cfg.Issuers, v.cfg.Audiences); err != nil {
		return nil, err
	}
	return c, nil
}

func (c *Claims) readDates(f strictjson.Fields) error {
	for _, date := range []struct {
		name string
		to   *time.Time
	}{{"exp", &c.Expires}, {"nbf", &c.NotBefore}, {"iat", &c.IssuedAt}} {
		value := f.Value(date.name)
		if value == nil {
			continue
		}
		t, ok := strictjson.Seconds(value)
		if !ok {
			return c.refused("the token's " + date.name + " is not a number of seconds up to the year 9999")
		}
		*date.to = t
	}
	if c.Expires.IsZero() {
		return c.refused("the token has no exp")
	}
	return nil
}

func (c *Claims) readGrants(f strictjson.Fields, rooms, info string) error {
	var ok bool
	if value := f.Value("jti"); value != nil {
		if c.TokenID, ok = strictjson.ID(value); !ok {
			return c.refused("the token's jti is not a string or integer")
		}
	}
	if value := f.Value(rooms); value != nil {
		if c.Rooms, ok = strictjson.Texts(value); !ok {
			return c.refused("the token's rooms claim is not a list of strings")
		}
	}
	if value := f.Value(info); value != nil {
		c.Info = value
	}
	return nil
}

// refused returns an error that names the subject.
func (c *Claims) refused(reason string) error {
	return &tokenError{reason: reason, subject: c.Subject}
}

// checkTimes returns an error unless the claims are valid at the time now.
func (c *Claims) checkTimes(now time.Time, leeway, expiryLeeway time.Duration) error {
	latest := now.Add(leeway)
	switch {
	case !now.Before(c.Expires.Add(expiryLeeway)):
		return &tokenError{reason: "the token has expired", subject: c.Subject, is: ErrExpired}
	case latest.Before(c.NotBefore):
		return c.refused("the token is not valid yet (nbf)")
	case latest.Before(c.IssuedAt):
		return c.refused("the token was issued in the future (iat)")
	}
	return nil
}

// checkNames returns an error unless the token is by one of the issuers, for one of the
// audiences. Empty lists are not checked.
func (c *Claims) checkNames(f strictjson.Fields, issuers, audiences []string) error {
	iss, aud := f.Value("iss"), f.Value("aud")
	if by := oneName(iss); len(issuers) > 0 && !anyIn(by, issuers) {
		return &tokenError{
			reason: "the token's issuer (iss) is missing or not accepted", subject: c.Subject, detail: unlike("iss", iss, by, issuers),
		}
	}
	if len(audiences) == 0 {
		return nil
	}
	of, ok := strictjson.Texts(aud)
	if !ok {
		of = oneName(aud)
	}
	if !anyIn(of, audiences) {
		return &tokenError{
			reason: "the token's audience (aud) is missing or not accepted", subject: c.Subject, detail: unlike("aud", aud, of, audiences),
		}
	}
	return nil
}

// oneName returns a list with the string that value is, or nil if it is not one.
func oneName(value []byte) []string {
	if name, ok := strictjson.Text(value); ok {
		return []string{name}
	}
	return nil
}

func anyIn(names, accepted []string) bool {
	return slices.ContainsFunc(names, func(name string) bool { return slices.Contains(accepted, name) })
}
