package wire

import (
	"errors"
	"fmt"
	"time"
	"unicode/utf8"
)

// MaxRevokedName is the maximum length in bytes of the user, token or client ID in a
// [Revocation].
const MaxRevokedName = 1024

// Revocation says whose access is revoked, and for how long that must be remembered. Exactly
// one of UserID, TokenID, ClientID and Everyone must be set.
type Revocation struct {
	// UserID revokes the sessions of a user.
	UserID string
	// TokenID revokes the sessions that use a token, such as the claim jti of a JWT.
	TokenID string
	// ClientID revokes one session, that is, one connection. The token that it uses remains
	// valid for other connections.
	ClientID string
	// Everyone revokes the sessions of all users. It requires IssuedBefore.
	Everyone bool
	// IssuedBefore limits a revocation by UserID or Everyone to tokens that were issued
	// before this time, so that users can log in again. A token that does not say when it
	// was issued counts as issued before. Zero: all tokens, including those issued later.
	//
	// Many issuers round the time down to seconds. A token that such an issuer issues within
	// the same second, but after IssuedBefore, is revoked as well.
	IssuedBefore time.Time
	// Until is the time until which the revocation is remembered: when the last token that
	// it concerns expires. Required.
	Until time.Time
}

// Check returns an error if r is invalid.
func (r Revocation) Check() error {
	var names int
	for _, name := range []string{r.UserID, r.TokenID, r.ClientID} {
		switch {
		case name == "":
			continue
		case len(name) > MaxRevokedName:
			return fmt.Errorf("revocation: the ID has %d bytes; want at most %d", len(name), MaxRevokedName)
		case !utf8.ValidString(name):
			return errors.New("revocation: the ID is not valid UTF-8")
		}
		names++
	}
	if r.Everyone {
		names++
	}
	switch {
	case names != 1:
		return errors.New("revocation: set exactly one of UserID, TokenID, ClientID and Everyone")
	case r.Everyone && r.IssuedBefore.IsZero():
		return errors.New("revocation: Everyone requires IssuedBefore")
	case !r.IssuedBefore.IsZero() && r.UserID == "" && !r.Everyone:
		return errors.New("revocation: IssuedBefore requires UserID or Everyone")
	case r.Until.IsZero():
		return errors.New("revocation: set Until to the time when the last of the tokens expires")
	case !r.IssuedBefore.IsZero() && !validTime(r.IssuedBefore) || !validTime(r.Until):
		return errors.New("revocation: want times from 1970 to 9999")
	}
	return nil
}

// validTime reports whether t can be encoded, also after rounding.
func validTime(t time.Time) bool {
	return t.UnixMilli() >= 0 && t.Add(time.Millisecond).UTC().Year() <= 9999
}

// Encode returns the command for r. Revocations that are equal, to the millisecond, have
// equal texts. r must be valid; see [Revocation.Check].
func (r Revocation) Encode() EncodedCommand {
	c := Command{Name: CommandRevoke}
	data := []byte{'{'}
	switch {
	case r.UserID != "":
		c.To = ToUser(r.UserID)
	case r.ClientID != "":
		c.To = ToClient(r.ClientID)
	case r.Everyone:
		c.To = ToEveryone()
	default:
		data = append(appendString(append(data, `"token":`...), r.TokenID), ',')
	}
	if !r.IssuedBefore.IsZero() {
		data = append(appendString(append(data, `"issuedBefore":`...), FormatTime(roundUp(r.IssuedBefore))), ',')
	}
	until := roundUp(r.Until)
	c.Data = append(appendString(append(data, `"until":`...), FormatTime(until)), '}')
	return EncodedCommand{AppendCommand(nil, &c), until}
}

// roundUp rounds t up to milliseconds.
func roundUp(t time.Time) time.Time {
	return time.UnixMilli(t.Add(time.Millisecond - 1).UnixMilli())
}

// Revocation decodes the arguments of a [CommandRevoke]. It returns only valid revocations.
// Errors wrap [ErrFormat] or [ErrShape].
func (c *Command) Revocation() (r Revocation, err error) {
	fail := func(err error) (Revocation, error) { return Revocation{}, fmt.Errorf("%w: %w", ErrShape, err) }
	var token, before, until []byte
	if err := EachField(c.Data, func(key, value []byte) {
		switch string(key) {
		case "token":
			token = value
		case "issuedBefore":
			before = value
		case "until":
			until = value
		}
	}); err != nil {
		return r, err
	}
	switch c.To.Type {
	case TypeUser:
		r.UserID = c.To.Name
	case TypeClient:
		r.ClientID = c.To.Name
	case TypeBroadcast:
		r.Everyone = true
	case "":
	default:
		return fail(fmt.Errorf("access of a %s cannot be revoked", c.To.Type))
	}
	r.TokenID, _ = stringValue(token)
	if r.Until, err = timeValue(until); err != nil {
		return fail(err)
	}
	if before != nil {
		if r.IssuedBefore, err = timeValue(before); err != nil {
			return fail(err)
		}
	}
	if err := r.Check(); err != nil {
		return fail(err)
	}
	return r, nil
}

// timeValue decodes a time in [TimeFormat].
func timeValue(value []byte) (time.Time, error) {
	text, _ := stringValue(value)
	t, err := time.Parse(TimeFormat, text)
	if err != nil {
		return t, errors.New("want times such as " + TimeFormat)
	}
	return t, nil
}
