package ignis

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/ignis-go/ignis/internal/loglimit"
	"github.com/ignis-go/ignis/internal/printable"
	"github.com/ignis-go/ignis/internal/ws"
	"github.com/ignis-go/ignis/seal"
	"github.com/ignis-go/ignis/wire"
)

// Encryption selects which clients are encrypted.
type Encryption uint8

// The values of Config.Encryption.
const (
	EncryptionOff      Encryption = iota // no client
	EncryptionOptional                   // clients that send a public key
	EncryptionRequired                   // all clients; others are closed with 4004
)

var encryptionNames = []string{"off", "optional", "required"}

// String returns off, optional or required.
func (e Encryption) String() string { return nameOf(e, encryptionNames, "Encryption") }

// MarshalText returns the name, for flags and configuration files.
func (e Encryption) MarshalText() ([]byte, error) { return []byte(e.String()), nil }

// UnmarshalText parses a name that String returns.
func (e *Encryption) UnmarshalText(text []byte) error {
	return parseName(e, encryptionNames, "encryption", text)
}

// Cipher describes how messages to and from one client are encrypted. The application
// must not modify it after passing it to the server.
type Cipher struct {
	// ServerPublicKey and Salt are sent to the client, which needs them to derive its
	// key.
	ServerPublicKey, Salt string

	// Key seals and opens messages with AdditionalData, as package seal describes. This
	// is fast, and is what the built-in key agreement uses.
	Key            *seal.Key
	AdditionalData []byte

	// Seal returns the text to send instead of message. It is used only if Key is nil. If
	// it returns an error, the message is dropped; it is never sent unencrypted. Seal is
	// called from one goroutine at a time, in the order of the messages, and may block;
	// see Config.SealConcurrency. It may modify and keep message. It must not modify the
	// result until the next call.
	Seal func(message []byte) ([]byte, error)
	// Open returns the message in the data of an encrypted event from the client. It is
	// used only if Key is nil. Open runs in turn with the client's callbacks, but
	// concurrently with Seal. It may modify and keep data and return a part of it. Nil:
	// the client must not send encrypted events.
	Open func(data json.RawMessage) ([]byte, error)
}

var errNoSeal = errors.New("the cipher has no valid Key and no Seal, and Config.BeforeSeal is nil")

// secure agrees on keys with an authenticated client if encryption is enabled. It returns
// an error if it has refused the client.
func (c *session) secure(ctx context.Context, id *Client, cred *Credentials) (*Cipher, error) {
	s := c.server
	cipher, err := c.agree(ctx, id, cred)
	required := s.cfg.Encryption == EncryptionRequired
	refused := tooLate(ctx, errNotEncrypted)
	switch {
	case err != nil || cipher == nil && required && s.cfg.AgreeKeys != nil:
		c.refuseFor(err, wire.ErrorHandshake, wire.CloseEncryptionRequired)
		return nil, refused
	case cipher == nil && required:
		c.refuse("", wire.CloseEncryptionRequired)
		return nil, refused
	case cipher != nil:
		id.Encrypted = true
	}
	return cipher, nil
}

// errNotEncrypted is the error for a client that is refused because no keys were agreed
// on.
var errNotEncrypted = errors.New("no keys were agreed on")

func (c *session) agree(ctx context.Context, id *Client, cred *Credentials) (*Cipher, error) {
	s := c.server
	switch {
	case s.cfg.Encryption == EncryptionOff:
		return nil, nil //nolint:nilnil // no cipher
	case s.cfg.AgreeKeys != nil:
		return c.handshake(ctx, id, cred)
	case cred.PublicKey == "":
		return nil, nil //nolint:nilnil // no cipher
	}
	a, err := seal.Accept(cred.PublicKey, s.cfg.EncryptionInfo)
	if err != nil {
		s.info("encryption handshake refused", "client", c.member.ID, "error", err)
		return nil, err
	}
	return &Cipher{ServerPublicKey: a.PublicKey, Salt: a.Salt, Key: a.Key}, nil
}

// handshake calls AgreeKeys.
func (c *session) handshake(ctx context.Context, id *Client, cred *Credentials) (*Cipher, error) {
	s := c.server
	var cipher *Cipher
	err := s.timed(CallbackAgreeKeys, c, func() (err error) {
		cipher, err = s.cfg.AgreeKeys(ctx, id, *cred)
		return err
	})
	if err == nil && cipher != nil && !s.canSeal(cipher) {
		err = errNoSeal
	}
	if err != nil {
		if ctx.Err() == nil {
			c.callbackFailed("AgreeKeys", err)
		}
		return nil, err
	}
	return cipher, nil
}

func (s *Server) canSeal(e *Cipher) bool {
	if e.Key != nil && *e.Key == (seal.Key{}) {
		return false
	}
	return e.Key != nil || e.Seal != nil || s.cfg.BeforeSeal != nil
}

// Encrypt enables encryption for a client that is already connected, for applications
// that agree on a key in their own messages. Messages that were queued before are sent as
// they are; all later messages are encrypted. Encryption cannot be disabled again. The
// client may still send unencrypted messages, unless encryption is required.
//
// Encrypt returns [ErrNotRunning]; [ErrNoClient] if no authenticated client with that ID
// is connected to this server; or an error if the cipher cannot seal or the client is
// already encrypted.
func (s *Server) Encrypt(clientID string, cipher *Cipher) error {
	if err := s.running(); err != nil {
		return err
	}
	if cipher == nil || !s.canSeal(cipher) {
		return fmt.Errorf("ignis: encrypt: %w", errNoSeal)
	}
	m, ok := s.reg.Get(clientID)
	if !ok {
		return fmt.Errorf("ignis: encrypt %q: %w", clientID, ErrNoClient)
	}
	c := m.Value
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.state != StateAuthenticated:
		return fmt.Errorf("ignis: encrypt %q: %w", clientID, ErrNoClient)
	case c.cipher != nil:
		return fmt.Errorf("ignis: encrypt %q: the client is already encrypted", clientID)
	}
	id := *c.identity // a copy, because others may be reading it
	id.Encrypted = true
	c.identity, c.cipher = &id, cipher
	c.conn.Seal(c.sealer(&id, cipher))
	return nil
}

// sealer returns the function that seals the messages to c, and whether it may block.
func (c *session) sealer(id *Client, e *Cipher) (f ws.Sealer, slow bool) {
	s := c.server
	if e.Key != nil && s.cfg.BeforeSeal == nil {
		return func(dst, text []byte) ([]byte, error) {
			return e.Key.AppendFrame(dst, text, e.AdditionalData), nil
		}, false
	}
	return func(dst, text []byte) ([]byte, error) {
		err := c.withSealSlot(func(ctx context.Context) (err error) {
			if s.cfg.BeforeSeal != nil {
				if text, err = s.transform(ctx, id, text); err != nil {
					return err
				}
			}
			switch {
			case e.Key != nil:
				dst = e.Key.AppendFrame(dst, text, e.AdditionalData)
			case e.Seal != nil:
				// A copy, because the text is shared with other clients.
				text, err = e.Seal(bytes.Clone(text))
				dst = append(dst, text...)
			default:
				dst = append(dst, text...)
			}
			return err
		})
		return dst, err
	}, true
}

// errGone is the error for messages to a client that has disconnected.
var errGone = errors.New("the client has disconnected")

// withSealSlot calls the part of sealing that the application does, for at most
// SealConcurrency clients at a time. If it takes longer than SealTimeout, the client is
// cut off and its slot is freed.
func (c *session) withSealSlot(f func(ctx context.Context) error) error {
	s := c.server
	ctx := c.inbox.Context()
	if ctx.Err() != nil {
		return errGone
	}
	select {
	case s.sealSlots <- struct{}{}:
	default:
		select {
		case s.sealSlots <- struct{}{}:
		case <-ctx.Done():
			return errGone
		}
	}
	free := sync.OnceFunc(func() { <-s.sealSlots })
	defer free()
	late := time.AfterFunc(s.cfg.SealTimeout, func() {
		c.conn.Abort(ws.CauseSealing)
		s.errorf("client cut off: BeforeSeal or Seal took too long", about(c)...)
		free()
	})
	defer late.Stop()
	return s.call("BeforeSeal or Seal", c, func() error { return f(ctx) })
}

// transform returns the text that BeforeSeal sends instead of text. It does not modify
// text.
func (s *Server) transform(ctx context.Context, id *Client, text []byte) ([]byte, error) {
	m, err := wire.DecodeMessage(bytes.Clone(text))
	if err != nil {
		return nil, err
	}
	t, err := s.cfg.BeforeSeal(ctx, id, m)
	if err != nil || t == nil {
		return text, err
	}
	if t.Event == "" {
		return nil, errors.New("the message from BeforeSeal has no event")
	}
	if err := wire.Valid(t.Data); t.Data != nil && err != nil {
		return nil, fmt.Errorf("the data of the message from BeforeSeal: %w", err)
	}
	return wire.AppendMessage(nil, *t), nil
}

// sealFailed counts and logs a dropped message to an encrypted client.
func (s *Server) sealFailed(err error) {
	if errors.Is(err, errGone) {
		s.counts.droppedClosing.Add(1)
		hook(s, "Dropped", s.cfg.Hooks.Dropped, DroppedInfo{"", 1, droppedClosing})
		return
	}
	s.counts.sealFailures.Add(1)
	hook(s, "Dropped", s.cfg.Hooks.Dropped, DroppedInfo{"", 1, droppedSealing})
	if p := (*panicError)(nil); errors.As(err, &p) {
		return // already logged by call
	}
	s.errorf("message to an encrypted client dropped: sealing failed", "error", err)
}

// encryption returns the client's cipher, or nil if the client is not encrypted.
func (c *session) encryption() *Cipher {
	_, _, e := c.authState()
	return e
}

// opensItself reports whether the application opens encrypted events.
func (e *Cipher) opensItself() bool { return e != nil && e.Key == nil && e.Open != nil }

// open returns the message in an encrypted event. If it cannot be opened, open tells the
// client and reports false.
func (c *session) open(e *Cipher, m wire.Message) (inner wire.Message, ok bool) {
	s := c.server
	var text []byte
	var err error
	switch {
	case e != nil && e.Key != nil:
		text, err = e.Key.Open(nil, m.Data, e.AdditionalData)
	case e != nil && e.Open != nil:
		err = s.call("Cipher.Open", c, func() (err error) { text, err = e.Open(m.Data); return err })
	default:
		err = errors.New("the client is not encrypted")
	}
	if err == nil {
		inner, err = wire.DecodeMessage(text)
	}
	if err == nil && (inner.Event == wire.EventEncrypted || inner.Event == wire.EventAuthenticate) {
		err = fmt.Errorf("%s in an encrypted message", inner.Event)
	}
	if err != nil {
		s.counts.badEncrypted.Add(1)
		s.cfg.Logger.Debug("encrypted message refused", "client", c.member.ID, "error", printable.Text(err.Error(), loglimit.MaxText))
		c.sendError(wire.ErrorEncryptedMessage)
		return wire.Message{}, false
	}
	inner.From = wire.Sender{} // clients cannot set the sender
	return inner, true
}
