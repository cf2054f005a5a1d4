package main

import (
	"encoding/json"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// claims are what counts of a token.
type claims struct {
	subject   string
	rooms     []string  // as patterns; see grants
	expires   time.Time // exp
	notBefore time.Time // nbf; zero: none
	issued    time.Time // iat; zero: none
}

// maxDate is the last second of the year 9999, as JWTs count.
const maxDate = 253402300799

// parseClaims reads the claims of a token whose signature is right. Names are taken
// exactly, and a claim of the wrong type is an error; null counts as absent.
func parseClaims(text []byte) (*claims, error) {
	fields, err := uniqueFields(text, "claims")
	if err != nil {
		return nil, err
	}
	var c claims
	if c.subject, _ = textOf(fields["sub"]); c.subject == "" {
		return nil, refused("the token's sub is not a text, or empty or missing")
	}
	fail := func(reason string) (*claims, error) { return nil, &tokenError{reason, c.subject} }
	for _, date := range []struct {
		name string
		to   *time.Time
	}{{"exp", &c.expires}, {"nbf", &c.notBefore}, {"iat", &c.issued}} {
		value := fields[date.name]
		if absent(value) {
			continue
		}
		t, ok := dateOf(value)
		if !ok {
			return fail("the token's " + date.name + " is not a number of seconds up to the year 9999")
		}
		*date.to = t
	}
	if c.expires.IsZero() {
		return fail("the token has no exp")
	}
	if value := fields["rooms"]; !absent(value) {
		var ok bool
		if c.rooms, ok = textsOf(value); !ok {
			return fail("the token's rooms are not a list of texts")
		}
	}
	return &c, nil
}

// timely returns why the claims do not count now, or nothing.
func (c *claims) timely(now time.Time) string {
	soon := now.Add(clockSkew)
	switch {
	case !now.Before(c.expires):
		return "the token has expired"
	case soon.Before(c.notBefore):
		return "the token does not count yet (nbf)"
	case soon.Before(c.issued):
		return "the token was issued in the future (iat)"
	}
	return ""
}

func absent(value []byte) bool { return value == nil || string(value) == "null" }

// textOf decodes a JSON string; ok is false for anything else. Half a surrogate pair,
// which has no meaning and would become U+FFFD whichever it is, is none either.
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

// dateOf decodes a NumericDate (RFC 7519, section 2): seconds since 1970, which may
// have a fraction.
func dateOf(value []byte) (time.Time, bool) {
	f, err := strconv.ParseFloat(string(value), 64)
	if err != nil || f < 0 || f > maxDate {
		return time.Time{}, false
	}
	whole, part := math.Modf(f)
	return time.Unix(int64(whole), int64(part*1e9)), true
}
