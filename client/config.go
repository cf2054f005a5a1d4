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

// Config says how to connect. The zero value works for a server that asks for
// no credentials.
type Config struct {
	// Credentials is sent as the data of the authenticate event, as JSON;
	// what it must hold is between the application and its server, and often
	// is {"type":…,"token":…}. Nil means none.
	//
	// The client adds fields of its own, "protocol":2 and, with Software, "client", to
	// credentials that encode as an object or are nil. It keeps fields of the same
	// names that the credentials have: "protocol":1 makes both sides speak protocol 1.
	// With credentials of another kind, too, they speak protocol 1.
	Credentials any

	// Refresh, if it is set, is called when the server says that the session ends
	// soon, which only happens in protocol 2. It returns new credentials of the same
	// user, which are sent as [Conn.Refresh] does; no expiring event is received then.
	// Its context ends with the connection, and it must return then. It must not close
	// the connection. If it or the server fails, the session ends in time, and the
	// error that [Conn.Receive] returns then says why. Nil: see [Conn.Receive].
	Refresh func(ctx context.Context) (credentials any, err error)

	// Software is the name and version of the program, for the server's statistics.
	// The zero value is not sent.
	Software Software

	// Encrypt agrees on a key with the server, and what both sides send after
	// authentication is sealed with it: see package seal. It does not replace TLS,
	// without which nobody knows with whom the key was agreed. Credentials must be an
	// object then, or nil. A server that does not encrypt makes [Dial] fail with
	// [ErrNotEncrypted].
	Encrypt bool
	// EncryptionInfo is what the server derives keys for. "": [seal.Info].
	EncryptionInfo string

	// HeartbeatInterval is how often the server is told that this client
	// lives. 0: 30 s; negative: never, then a server drops the client after
	// its heartbeat timeout. A WebSocket ping goes along, and a server that is
	// silent for three intervals while the client listens counts as lost.
	// At most 24 h. If the server says that it waits less than two intervals, the
	// client sends heartbeats at half of what the server waits.
	HeartbeatInterval time.Duration

	// DialTimeout bounds all of [Dial], authentication included.
	// 0: [DefaultDialTimeout].
	DialTimeout time.Duration

	// WriteTimeout is how long 32 KiB, or a message that is smaller, may take to
	// be written until the connection counts as lost.
	// 0: [DefaultWriteTimeout].
	WriteTimeout time.Duration

	// MaxMessage is the size of the largest message taken from the server, in
	// bytes as it arrives, where a sealed message is a third larger than what is in
	// it. A larger one ends the connection with an error that wraps
	// [wire.ErrTooLarge], unless OnTooLarge is set. 0: [DefaultMaxMessage].
	MaxMessage int
	// OnTooLarge, if it is set, is called with the size of each message over
	// MaxMessage. That message is skipped, and the connection goes on. Nothing is
	// read until the call returns; it must not close the connection or wait for one
	// of its messages.
	OnTooLarge func(size int64)

	// MaxRequests is how many requests may wait for their answers at the same time,
	// given up ones included until the answer arrives. More of them fail.
	// 0: [DefaultMaxRequests].
	MaxRequests int

	// HTTPHeader is added to the upgrade request. It may hold secrets.
	HTTPHeader http.Header

	// TLSConfig is for wss URLs; nil: the system's roots.
	TLSConfig *tls.Config

	// NetDial opens the TCP connection, for proxies and tests. Nil: a
	// [net.Dialer]'s.
	NetDial func(ctx context.Context, network, addr string) (net.Conn, error)
}

// Software names a program to the server.
type Software struct {
	Name    string `json:"name"`              // at most 64 characters
	Version string `json:"version,omitempty"` // at most 64 characters
}

// maxSoftware is how many characters a server takes of a name and of a version.
const maxSoftware = 64

func (s Software) valid() bool {
	return utf8.RuneCountInString(s.Name) <= maxSoftware && utf8.RuneCountInString(s.Version) <= maxSoftware &&
		(s.Name != "" || s.Version == "")
}

// withDefaults returns a copy with defaults in place of zeros.
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
