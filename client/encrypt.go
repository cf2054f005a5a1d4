package client

import (
	"github.com/gobwas/ws"

	"github.com/ignis-go/ignis/seal"
	"github.com/ignis-go/ignis/wire"
)

// agree derives the key of an encrypted connection from the server's answer.
func (c *Conn) agree(v Connected) error {
	if v.ServerPublicKey == "" {
		return &failure{uint16(ws.StatusPolicyViolation), ErrNotEncrypted}
	}
	key, err := seal.Complete(c.private, v.ServerPublicKey, v.Salt, c.cfg.EncryptionInfo)
	if err != nil {
		return protocolError(ws.StatusPolicyViolation, "event %q: %w", wire.EventConnected, err)
	}
	c.key = key
	return nil
}

// open decrypts what the server sends after the connected event. It must be sealed:
// unencrypted text would not come from the server.
func (c *Conn) open(m wire.Message) (wire.Message, error) {
	if m.Event != wire.EventEncrypted {
		return m, protocolError(ws.StatusPolicyViolation, "unencrypted event %.100q on an encrypted connection", m.Event)
	}
	text, err := c.key.Open(nil, m.Data, nil)
	if err != nil {
		return m, protocolError(ws.StatusPolicyViolation, "%w", err)
	}
	return decode(text)
}
