package webhook

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/ignis-go/ignis"
)

// Authenticate asks the endpoint who a client is. It can be used as
// [ignis.Config].Authenticate. The metadata of an accepted client is a [*Metadata].
//
// The endpoint refuses a client by the status 401 or 403. Its text is logged. It reaches
// the client only if it is in the field refuse of the answer.
//
// The question is asked once and never repeated. If no answer can be had, because the
// endpoint fails, its circuit is open or MaxConcurrent questions are waiting, the error
// matches an [*ignis.Error] that makes the server close the client with 1013, so that it
// tries again later.
func (c *Client) Authenticate(ctx context.Context, cred ignis.Credentials) (id ignis.Identity, err error) {
	ask := func() any {
		return authenticateData{
			Client:      who{ID: cred.ClientID, Address: cred.RemoteAddr, User: userOf(cred.Refreshed)},
			Software:    cred.Software,
			Headers:     headersOf(ctx),
			Credentials: cred.Raw,
			Refresh:     cred.Refreshed != nil,
		}
	}
	err = c.ask(ctx, c.authenticate, false, ask, func(a answer) (err error) {
		id, err = readIdentity(a)
		return err
	})
	if err != nil {
		return ignis.Identity{}, err
	}
	return id, nil
}

func userOf(c *ignis.Client) string {
	if c == nil {
		return ""
	}
	return c.UserID
}

// readIdentity reads the answer about a client.
func readIdentity(a answer) (ignis.Identity, error) {
	if e := meant(a); e != nil {
		return ignis.Identity{}, &refusal{statusDetail(a.status, e.Error()), e}
	}
	if denied(a.status) {
		return ignis.Identity{}, &refusal{statusDetail(a.status, a.text()), nil}
	}
	if !a.accepted() {
		return ignis.Identity{}, unexpected(typeAuthenticate, a)
	}
	fields, err := fieldsOf(a.body)
	if err == nil {
		err = known(fields, "user", "anonymous", "expires", "grants", "info", "tokenId", "issuedAt", "refuse")
	}
	if err != nil {
		return ignis.Identity{}, malformed(typeAuthenticate, err)
	}
	switch e, err := refusalOf(fields); {
	case err != nil:
		return ignis.Identity{}, malformed(typeAuthenticate, err)
	case e != nil:
		return ignis.Identity{}, &refusal{statusDetail(a.status, e.Error()), e}
	}
	id, err := identityOf(fields)
	if err != nil {
		return ignis.Identity{}, malformed(typeAuthenticate, err)
	}
	return id, nil
}

// identityOf returns the identity in the fields of an answer.
func identityOf(fields map[string]json.RawMessage) (id ignis.Identity, err error) {
	if id.UserID, err = userIn(fields); err != nil {
		return id, err
	}
	m := &Metadata{Info: bytes.Clone(fields["info"])}
	id.Metadata = m
	for _, f := range []struct {
		name string
		to   *time.Time
	}{{"expires", &id.Expires}, {"issuedAt", &m.IssuedAt}} {
		if value, ok := fields[f.name]; ok {
			if *f.to, err = timeOf(value); err != nil {
				return id, fmt.Errorf("%s: %w", f.name, err)
			}
		}
	}
	if value, ok := fields["tokenId"]; ok {
		if m.TokenID, ok = idOf(value); !ok {
			return id, errors.New("tokenId is not a string")
		}
	}
	if value, ok := fields["grants"]; ok {
		// The copy keeps the rest of the answer out of memory.
		if m.Grants, err = fieldsOf(bytes.Clone(value)); err != nil {
			return id, fmt.Errorf("grants: %w", err)
		}
	}
	return id, nil
}

// userIn returns the user, who must be named. A client without one must be called
// anonymous: otherwise a page that answers {} to everything would let everybody in.
func userIn(fields map[string]json.RawMessage) (string, error) {
	anonymous := fields["anonymous"]
	value, ok := fields["user"]
	switch {
	case anonymous != nil && string(anonymous) != "true" && string(anonymous) != "false":
		return "", errors.New("anonymous is neither true nor false")
	case ok && string(anonymous) == "true":
		return "", errors.New("it contains a user, and anonymous")
	case string(anonymous) == "true":
		return "", nil
	case !ok:
		return "", errors.New("it contains no user; for a client without one, it must contain anonymous: true")
	}
	user, ok := idOf(value)
	if !ok || user == "" {
		return "", errors.New("user is neither a string of at least one character nor an integer")
	}
	return user, nil
}
