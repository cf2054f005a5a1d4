package client

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/gobwas/ws"

	"github.com/ignis-go/ignis/seal"
	"github.com/ignis-go/ignis/wire"
)

// withPublicKey adds a public key to credentials, in place of any other.
func withPublicKey(credentials json.RawMessage, key string) (json.RawMessage, error) {
	text := bytes.TrimSpace(credentials)
	if len(text) == 0 || string(text) == "null" {
		text = []byte("{}")
	}
	if text[0] != '{' {
		return nil, errors.New("Config.Credentials must encode as an object with Config.Encrypt: the public key becomes a member")
	}
	members := bytes.TrimSpace(text[1 : len(text)-1])
	comma := ","
	if len(members) == 0 {
		comma = ""
	}
	return fmt.Appendf(nil, `{%s%s"publicKey":%q}`, members, comma, key), nil // of twins the last counts
}

// open returns what the server said. Up to the connected event it says it in
// clear, afterwards never: clear text would be from somebody else.
func (c *Conn) open(m wire.Message) (wire.Message, error) {
	switch {
	case c.key != nil && m.Event != wire.EventEncrypted:
		return m, protocolError(ws.StatusPolicyViolation, "event %.100q in clear on an encrypted connection", m.Event)
	case c.key != nil:
		text, err := c.key.Open(nil, m.Data, nil)
		if err != nil {
			return m, protocolError(ws.StatusPolicyViolation, "%w", err)
		}
		return decode(text)
	case m.Event != wire.EventConnected:
		return m, nil
	}
	var answer Connected
	if err := m.Decode(&answer); err != nil {
		return m, protocolError(ws.StatusProtocolError, "event %q: %w", m.Event, err)
	}
	if answer.ServerPublicKey == "" {
		return m, &failure{uint16(ws.StatusPolicyViolation), ErrNotEncrypted}
	}
	key, err := seal.Complete(c.private, answer.ServerPublicKey, answer.Salt, c.cfg.EncryptionInfo)
	if err != nil {
		return m, protocolError(ws.StatusPolicyViolation, "event %q: %w", m.Event, err)
	}
	c.key = key
	return m, nil
}
