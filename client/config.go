package client

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"
	"unicode/utf8"

	"github.com/ignis-go/ignis/wire"
)

// Defaults of [Config].
const (
	DefaultMaxMessage   = 4 << 20 // bytes
	DefaultDialTimeout  = 30 * time.Second
	DefaultWriteTimeout = 10 * time.Second
	DefaultMaxRequests  = 1024
)

// Config configures a connection. The zero value works for a server that requires no
// credentials.
type Config struct {
	// Credentials is encoded as JSON and sent as the data of the authenticate event.
	// The application and its server define its content, which is often
	// {"type":…,"token":…}. Nil means none.
	//
	// If the credentials encode as an object or are nil, the client adds the field
	// "protocol":2 and, if Software is set, "client", unless the credentials already
	// have fields of these names. With "protocol":1 in the credentials, or if they
	// encode as anything but an object, both sides use protocol 1.
	Credentials any

	// Refresh, if not nil, is called when the server announces that the session ends
	// soon, which it does only in protocol 2. It returns new credentials of the same
	// user, which the client sends as [Conn.Refresh] does. [Conn.Receive] then does not
	// return the expiring event. The context is canceled when the connection ends, and
	// Refresh must then return. It must not close the connection. If Refresh fails or
	// the server refuses the credentials, the session ends as announced, and the error
	// that Receive returns says why. Nil means that Receive returns the expiring event.
	Refresh func(ctx context.Context) (credentials any, err error)

	// Software is the name and version of the program, which are sent to the server
	// for its statistics. The zero value is not sent.
	Software Software

	// Encrypt enables encryption: the client and the server agree on a key, with which
	// both seal all messages after authentication; see package seal. Encryption does
	// not replace TLS, without which the client cannot know with whom it agreed on the
	// key. Credentials must be nil or encode as an object. If the server does not
	// encrypt, [Dial] fails with [ErrNotEncrypted].
	Encrypt bool
	// EncryptionInfo is the info parameter of the key derivation. The server must use
	// the same value. Empty means [seal.Info].
	EncryptionInfo string

	// HeartbeatInterval is the interval at which the client sends a heartbeat and a
	// WebSocket ping. Zero means 30 s, and the maximum is 24 h. If negative, the client
	// sends none, and the server disconnects it after its heartbeat timeout. If the
	// server announces a timeout of less than two intervals, the client sends
	// heartbeats at half of that timeout. If the client reads but nothing arrives for
	// three intervals, the connection counts as lost.
	HeartbeatInterval time.Duration

	// DialTimeout is the time limit for [Dial], including authentication. Zero means
	// [DefaultDialTimeout].
	DialTimeout time.Duration

	// WriteTimeout is the time limit for writing 32 KiB, or a smaller message, after
	// which the connection counts as lost. Zero means [DefaultWriteTimeout].
	WriteTimeout time.Duration

	// MaxMessage is the maximum size of a message from the server, in bytes as
	// received; a sealed message is a third larger than its content. A larger message
	// ends the connection with an error that wraps [wire.ErrTooLarge], unless
	// OnTooLarge is set. Zero means [DefaultMaxMessage].
	MaxMessage int
	// OnTooLarge, if not nil, is called with the size of each message larger than
	// MaxMessage. That message is skipped, and the connection continues. Nothing is
	// read until the call returns; it must not close the connection or wait for one
	// of its messages.
	OnTooLarge func(size int64)

	// MaxRequests is the maximum number of requests that wait for their answers,
	// including abandoned ones until their answers arrive. Further requests fail.
	// Zero means [DefaultMaxRequests].
	MaxRequests int

	// HTTPHeader is added to the upgrade request. It may contain secrets.
	HTTPHeader http.Header

	// TLSConfig is used for wss URLs. Nil means the zero configuration.
	TLSConfig *tls.Config

	// NetDial opens the TCP connection, for proxies and tests. Nil means the
	// DialContext method of a zero [net.Dialer].
	NetDial func(ctx context.Context, network, addr string) (net.Conn, error)
}

// Software identifies a program to the server.
type Software struct {
	Name    string `json:"name"`              // at most 64 characters
	Version string `json:"version,omitempty"` // at most 64 characters
}

// maxSoftware is the maximum number of characters that a server accepts in Name and in
// Version.
const maxSoftware = 64

func (s Software) valid() bool {
	return utf8.RuneCountInString(s.Name) <= maxSoftware && utf8.RuneCountInString(s.Version) <= maxSoftware &&
		(s.Name != "" || s.Version == "")
}

// withDefaults returns a copy with zero values replaced by defaults.
func (c Config) withDefaults() (Config, error) {
	switch {
	case c.HeartbeatInterval > 24*time.Hour:
		return c, errors.New("Config.HeartbeatInterval must be at most 24 h")
	case c.MaxMessage < 0:
		return c, errors.New("Config.MaxMessage must not be negative")
	case c.DialTimeout < 0:
		return c, errors.New("Config.DialTimeout must not be negative")
	case c.WriteTimeout < 0:
		return c, errors.New("Config.WriteTimeout must not be negative")
	case c.MaxRequests < 0:
		return c, errors.New("Config.MaxRequests must not be negative")
	case !c.Software.valid():
		return c, fmt.Errorf("Config.Software must have a name, and name and version at most %d characters each", maxSoftware)
	}
	if c.MaxRequests == 0 {
		c.MaxRequests = DefaultMaxRequests
	}
	if c.MaxMessage == 0 {
		c.MaxMessage = DefaultMaxMessage
	}
	if c.HeartbeatInterval == 0 {
		c.HeartbeatInterval = wire.DefaultHeartbeatInterval
	}
	if c.DialTimeout == 0 {
		c.DialTimeout = DefaultDialTimeout
	}
	if c.WriteTimeout == 0 {
		c.WriteTimeout = DefaultWriteTimeout
	}
	if c.NetDial == nil {
		c.NetDial = (&net.Dialer{}).DialContext
	}
	return c, nil
}
