package webhook

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/internal/strictjson"
)

// Authenticate asks the endpoint who a client is. It can be used as
// [ignis.Config].Authenticate. The metadata of an accepted client is a [*Metadata].
//
// If the endpoint refuses the client, the error matches [ignis.ErrUnauthenticated]. The
// answer's field refuse is shown to the client.
//
// If there is no usable answer, for example because the endpoint failed or its circuit is
// open, the error wraps an [*ignis.Error] for which the server closes the client with 1013,
// so that the client tries again later. Authenticate itself does not ask again.
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
	err = c.ask(ctx, c.authenticate, ask, func(a answer) (err error) {
		id, err = readIdentity(a, c.cfg.MaxMetadata)
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
func readIdentity(a answer, maxMetadata int) (ignis.Identity, error) {
	if e := shownRefusal(a); e != nil {
		return ignis.Identity{}, &refusal{e.Error(), e}
	}
	if denied(a.status) {
		return ignis.Identity{}, &refusal{text: a.detail()}
	}
	if !a.accepted() {
		return ignis.Identity{}, unexpected(typeAuthenticate, a)
	}
	fields, err := fieldsOf(a.body, "user", "anonymous", "expires", "grants", "info", "tokenId", "issuedAt", "refuse")
	if err != nil {
		return ignis.Identity{}, malformed(typeAuthenticate, err)
	}
	switch e, err := refusalOf(fields); {
	case err != nil:
		return ignis.Identity{}, malformed(typeAuthenticate, err)
	case e != nil:
		return ignis.Identity{}, &refusal{e.Error(), e}
	}
	id, err := identityOf(fields, maxMetadata)
	if err != nil {
		return ignis.Identity{}, malformed(typeAuthenticate, err)
	}
	return id, nil
}

// identityOf returns the identity in the fields of an answer.
func identityOf(fields strictjson.Fields, maxMetadata int) (id ignis.Identity, err error) {
	if id.UserID, err = userIn(fields); err != nil {
		return id, err
	}
	if n := len(fields.Value("info")) + len(fields.Value("grants")); n > maxMetadata {
		return id, fmt.Errorf("info and grants have %d bytes in total, which is more than MaxMetadata (%d)", n, maxMetadata)
	}
	m := &Metadata{Info: bytes.Clone(fields.Value("info"))}
	id.Metadata = m
	for _, f := range []struct {
		name string
		to   *time.Time
	}{{"expires", &id.Expires}, {"issuedAt", &id.IssuedAt}} {
		if value := fields.Value(f.name); value != nil {
			if *f.to, err = timeOf(value); err != nil {
				return id, fmt.Errorf("%s: %w", f.name, err)
			}
		}
	}
	if value := fields.Value("tokenId"); value != nil {
		var ok bool
		if id.TokenID, ok = strictjson.ID(value); !ok || !validID(id.TokenID) {
			return id, errors.New("tokenId is neither " + whatIDs + " nor an integer")
		}
	}
	if value := fields.Value("grants"); value != nil {
		// A copy, so that the rest of the answer does not stay in memory.
		grants, err := fieldsOf(bytes.Clone(value))
		if err != nil {
			return id, fmt.Errorf("grants: %w", err)
		}
		m.Grants = make(map[string]json.RawMessage, len(grants))
		for _, g := range grants {
			if value := grants.Value(g.Name); value != nil {
				m.Grants[g.Name] = value
			}
		}
	}
	return id, nil
}

// userIn returns the ID of the user, or "" for a client that the endpoint calls anonymous.
// An answer with neither is malformed: an endpoint that answers every request with {} must
// not accept every client.
func userIn(fields strictjson.Fields) (string, error) {
	anonymous, value := fields.Value("anonymous"), fields.Value("user")
	switch {
	case anonymous != nil && string(anonymous) != "true" && string(anonymous) != "false":
		return "", errors.New("anonymous is neither true nor false")
	case value != nil && string(anonymous) == "true":
		return "", errors.New("it contains both user and anonymous")
	case string(anonymous) == "true":
		return "", nil
	case value == nil:
		return "", errors.New("it contains no user (for a client without one, answer anonymous: true)")
	}
	user, ok := strictjson.ID(value)
	if !ok || !validID(user) {
		return "", errors.New("user is neither " + whatIDs + " nor an integer")
	}
	return user, nil
}

// maxIDBytes is the maximum size of the ID of a user or a token.
const maxIDBytes = 256

// whatIDs describes the IDs that validID accepts.
const whatIDs = "a string of 1 to 256 bytes without control characters"

func validID(id string) bool {
	return id != "" && len(id) <= maxIDBytes && !strings.ContainsFunc(id, unicode.IsControl)
}
