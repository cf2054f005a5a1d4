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

// Encryption says which clients are encrypted.
type Encryption uint8

// The values of Config.Encryption.
const (
	EncryptionOff      Encryption = iota // none
	EncryptionOptional                   // those that ask for it
	EncryptionRequired                   // all: the others are closed with 4004
)

var encryptionNames = []string{"off", "optional", "required"}

// String returns off, optional or required.
func (e Encryption) String() string {
	if int(e) < len(encryptionNames) {
		return encryptionNames[e]
	}
	return fmt.Sprintf("Encryption(%d)", uint8(e))
}

// MarshalText returns the name, for flags and configuration files.
func (e Encryption) MarshalText() ([]byte, error) { return []byte(e.String()), nil }

// UnmarshalText reads a name as String returns it.
func (e *Encryption) UnmarshalText(text []byte) error {
	for i, name := range encryptionNames {
		if string(text) == name {
			*e = Encryption(i)
			return nil
		}
	}
	return fmt.Errorf("encryption %q: want off, optional or required", text)
}

// Cipher says how messages to and from one client are encrypted. It must not be changed
// once the server has it.
type Cipher struct {
	// ServerPublicKey and Salt are sent to the client, which needs them to
	// derive its key.
	ServerPublicKey, Salt string

	// Key seals and opens messages as package seal describes, AdditionalData
	// with them. This is fast, and what the built-in key agreement uses.
	Key            *seal.Key
	AdditionalData []byte

	// Seal, where there is no Key, returns the text to send instead of message. An
	// error drops the message: it never goes out in clear. It is called by one
	// goroutine at a time, in the order of the messages, and may take its time;
	// see Config.SealConcurrency. What it is given is its own, to change or to keep;
	// what it returns is the server's until the next call.
	Seal func(message []byte) ([]byte, error)
	// Open, where there is no Key, returns the message in the data of an
	// encrypted event from the client. It is called in turn with the client's
	// callbacks, and beside Seal. The data is its own, and it may return a part of it.
	// Nil: the client may not send any.
	Open func(data json.RawMessage) ([]byte, error)
}

var errNoSeal = errors.New("the cipher has neither a Key that seal has made nor a Seal, and there is no Config.BeforeSeal")

// secure agrees on keys with a client that has been let in, if that is wanted. It returns
// an error when the client is refused.
func (c *session) secure(ctx context.Context, id *Client, cred Credentials) (*Cipher, error) {
	s := c.server
	cipher, err := c.agree(ctx, id, cred)
	required := s.cfg.Encryption == EncryptionRequired
	switch {
	case err != nil || cipher == nil && required && s.cfg.AgreeKeys != nil:
		c.refuse(wire.ErrorHandshake, wire.CloseEncryptionRequired)
		return nil, errNotEncrypted
	case cipher == nil && required:
		c.refuse("", wire.CloseEncryptionRequired)
		return nil, errNotEncrypted
	case cipher != nil:
		id.Encrypted = true
	}
	return cipher, nil
}

// errNotEncrypted is why a client is refused that agrees on no keys.
var errNotEncrypted = errors.New("no keys were agreed on")

func (c *session) agree(ctx context.Context, id *Client, cred Credentials) (*Cipher, error) {
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

// handshake has the application agree on keys.
func (c *session) handshake(ctx context.Context, id *Client, cred Credentials) (*Cipher, error) {
	s := c.server
	var cipher *Cipher
	err := s.call("AgreeKeys", c, func() (err error) {
		cipher, err = s.cfg.AgreeKeys(ctx, id, cred)
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

// Encrypt switches a client of this instance to encrypted delivery, for
// applications that agree on a key by messages of their own. What was queued for
// the client before goes out as it is, and nothing that is queued afterwards
// leaves in clear. There is no way back. The client may go on sending in clear,
// unless encryption is required.
//
// Errors: ErrNotRunning; ErrNoClient when no authenticated client with that id
// is here; a Cipher that cannot seal; a client that is encrypted already.
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
		return fmt.Errorf("ignis: encrypt %q: the client is encrypted already", clientID)
	}
	id := *c.identity // which others may be reading
	id.Encrypted = true
	c.identity, c.cipher = &id, cipher
	c.conn.Seal(c.sealer(&id, cipher))
	return nil
}

// sealer returns what seals the messages to c, and whether that may take time.
func (c *session) sealer(id *Client, e *Cipher) (f ws.Sealer, slow bool) {
	s := c.server
	if e.Key != nil && s.cfg.BeforeSeal == nil {
		return func(dst, text []byte) ([]byte, error) {
			return e.Key.AppendFrame(dst, text, e.AdditionalData), nil
		}, false
	}
	return func(dst, text []byte) ([]byte, error) {
		err := c.inTurn(func(ctx context.Context) (err error) {
			if s.cfg.BeforeSeal != nil {
				if text, err = s.transform(ctx, id, text); err != nil {
					return err
				}
			}
			switch {
			case e.Key != nil:
				dst = e.Key.AppendFrame(dst, text, e.AdditionalData)
			case e.Seal != nil:
				// A copy: the text is what others are sent, too.
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

// errGone is why nothing is sealed for a client that has gone.
var errGone = errors.New("the client has gone")

// inTurn calls the application's part of sealing, for as many clients at a time as
// there may be. One that hangs gives its place to others when its time is up, and
// loses its client.
func (c *session) inTurn(f func(ctx context.Context) error) error {
	s := c.server
	ctx := c.inbox.Context()
	if ctx.Err() != nil {
		return errGone
	}
	select {
	case s.transforms <- struct{}{}:
	default:
		select {
		case s.transforms <- struct{}{}:
		case <-ctx.Done():
			return errGone
		}
	}
	free := sync.OnceFunc(func() { <-s.transforms })
	defer free()
	late := time.AfterFunc(s.cfg.SealTimeout, func() {
		c.conn.Abort(ws.CauseSealing)
		s.errorf("client cut off: its messages took too long to be transformed or sealed", "client", c.member.ID)
		free()
	})
	defer late.Stop()
	return s.call("BeforeSeal or Seal", c, func() error { return f(ctx) })
}

// transform returns the text that the application sends instead of text, which
// is not to be changed.
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
		return nil, errors.New("the transformed message has no event")
	}
	if err := wire.Valid(t.Data); t.Data != nil && err != nil {
		return nil, fmt.Errorf("the data of the transformed message: %w", err)
	}
	return wire.AppendMessage(nil, *t), nil
}

// sealFailed is called when a message to an encrypted client was dropped.
func (s *Server) sealFailed(err error) {
	if errors.Is(err, errGone) {
		s.counts.droppedClosing.Add(1)
		hook(s, "Dropped", s.cfg.Hooks.Dropped, DroppedInfo{"", 1, droppedClosing})
		return
	}
	s.counts.sealFailures.Add(1)
	hook(s, "Dropped", s.cfg.Hooks.Dropped, DroppedInfo{"", 1, droppedSealing})
	if p := (*panicError)(nil); errors.As(err, &p) {
		return // call has logged it
	}
	s.errorf("message to an encrypted client dropped: it could not be sealed", "error", err)
}

// encryption returns how c is encrypted, nil if it is not.
func (c *session) encryption() *Cipher {
	_, _, e := c.standing()
	return e
}

// opensItself reports whether encrypted events need the application.
func (e *Cipher) opensItself() bool { return e != nil && e.Key == nil && e.Open != nil }

// open returns the message within an encrypted event, unless there is none: then
// the client is told.
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
		err = fmt.Errorf("%s within an encrypted message", inner.Event)
	}
	if err != nil {
		s.counts.badEncrypted.Add(1)
		s.cfg.Logger.Debug("encrypted message refused", "client", c.member.ID, "error", printable.Text(err.Error(), loglimit.MaxText))
		c.sendError(wire.ErrorEncryptedMessage)
		return wire.Message{}, false
	}
	return inner, true
}
