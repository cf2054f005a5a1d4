package jwtauth

import (
	"encoding/json"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Claims are the claims of a valid token.
type Claims struct {
	// Subject is the claim sub. It is never empty.
	Subject string
	// Expires is the claim exp.
	Expires time.Time
	// NotBefore is the claim nbf. It is zero if the token has none.
	NotBefore time.Time
	// IssuedAt is the claim iat. It is zero if the token has none.
	IssuedAt time.Time
	// Rooms is the claim rooms. It is nil if the token has none.
	Rooms Rooms

	fields map[string][]byte
}

// Field returns the value of the claim with exactly this name, as valid JSON, or nil if
// the token has no such claim. The caller must not modify the value.
func (c *Claims) Field(name string) json.RawMessage { return c.fields[name] }

// parseClaims reads the claims of a token whose signature has been verified. A claim of the
// wrong type is an error. A claim that is null counts as absent.
func parseClaims(text []byte) (*Claims, error) {
	fields, err := uniqueFields(text, "claims")
	if err != nil {
		return nil, err
	}
	c := Claims{fields: fields}
	if c.Subject, _ = textOf(fields["sub"]); c.Subject == "" {
		return nil, refused("the token's sub is missing, empty or not a string")
	}
	for _, date := range []struct {
		name string
		to   *time.Time
	}{{"exp", &c.Expires}, {"nbf", &c.NotBefore}, {"iat", &c.IssuedAt}} {
		value := fields[date.name]
		if absent(value) {
			continue
		}
		t, ok := dateOf(value)
		if !ok {
			return nil, c.refused("the token's " + date.name + " is not a number of seconds up to the year 9999")
		}
		*date.to = t
	}
	if c.Expires.IsZero() {
		return nil, c.refused("the token has no exp")
	}
	if value := fields["rooms"]; !absent(value) {
		var ok bool
		if c.Rooms, ok = textsOf(value); !ok {
			return nil, c.refused("the token's rooms claim is not a list of strings")
		}
	}
	return &c, nil
}

// refused returns an error that names the subject.
func (c *Claims) refused(reason string) error {
	return &tokenError{reason: reason, subject: c.Subject}
}

// checkTimes returns an error unless the claims are valid at the time now.
func (c *Claims) checkTimes(now time.Time) error {
	latest := now.Add(clockSkew)
	switch {
	case !now.Before(c.Expires):
		return &tokenError{reason: "the token has expired", subject: c.Subject, expired: true}
	case latest.Before(c.NotBefore):
		return c.refused("the token is not valid yet (nbf)")
	case latest.Before(c.IssuedAt):
		return c.refused("the token was issued in the future (iat)")
	}
	return nil
}

func absent(value []byte) bool { return value == nil || string(value) == "null" }

// textOf decodes a JSON string. It reports false for any other value, and for a string with
// an unpaired surrogate. Decoding replaces all of these with U+FFFD, so different names
// would become equal.
func textOf(value []byte) (text string, ok bool) {
	if len(value) == 0 || value[0] != '"' || json.Unmarshal(value, &text) != nil || strings.ContainsRune(text, utf8.RuneError) {
		return "", false
	}
	return text, true
}

// textsOf decodes a JSON array of strings.
func textsOf(value []byte) (list []string, ok bool) {
	var items []json.RawMessage
	if value[0] != '[' || json.Unmarshal(value, &items) != nil {
		return nil, false
	}
	for _, item := range items {
		text, ok := textOf(item)
		if !ok {
			return nil, false
		}
		list = append(list, text)
	}
	return list, true
}

// maxDate is the last second of the year 9999 as a NumericDate.
const maxDate = 253402300799

// dateOf decodes a NumericDate (RFC 7519, section 2): seconds since 1970, possibly with
// a fraction.
func dateOf(value []byte) (time.Time, bool) {
	f, err := strconv.ParseFloat(string(value), 64)
	if err != nil || f < 0 || f > maxDate {
		return time.Time{}, false
	}
	whole, part := math.Modf(f)
	return time.Unix(int64(whole), int64(part*1e9)), true
}
