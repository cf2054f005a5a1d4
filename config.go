package ignis

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"time"

	"github.com/ignis-go/ignis/internal/ws"
	"github.com/ignis-go/ignis/wire"
)

// Config configures a [Server]. Only Authenticate is required; every other
// field's zero value stands for the default that its comment names.
//
// The callbacks of one client never run at the same time: it is authenticated,
// connects, joins and leaves rooms and sends messages in the order in which it
// asked for that, and disconnects last. Callbacks of different clients run
// concurrently. A callback's context lasts until its client goes away. With more
// than 64 messages, or 256 KiB, waiting for a callback the client is not read from
// until half of that is left. A client that goes away meanwhile, or for which that
// takes longer than BehindTimeout, is released: the messages that wait are dropped
// and counted in Stats.Unhandled. A callback that takes its time makes only its own
// client wait; one that panics is logged and counted.
type Config struct {
	// Accept decides on the HTTP request of a client, before the connection is
	// upgraded: from which pages browsers may connect ([CheckOrigin]), what the client's
	// address behind a proxy is ([Proxies]), which subprotocol is spoken, and what of
	// the request later callbacks see. An [*Error] refuses the request with the HTTP
	// status that corresponds to its code and with its message; any other error answers
	// 500 and is logged. Requests that are not valid WebSocket handshakes are refused
	// before. Nil: pages of other hosts are refused, except those of AllowedOrigins.
	Accept func(r *http.Request) (Accepted, error)
	// AllowedOrigins are the pages of other hosts from which browsers may connect, such
	// as https://app.example.com; * for any. It applies if Accept is nil.
	AllowedOrigins []string

	// Authenticate decides who a client is from what it sent. An error that
	// wraps ErrUnauthenticated rejects the client; any other error does too. Both are
	// logged, the first 512 bytes of their texts. Errors whose texts differ where their
	// causes do not, because they name the user, may have a method LogCause() string
	// for the log to tell them apart by. Authenticate and AgreeKeys together may take three times
	// AuthTimeout. Required.
	Authenticate func(ctx context.Context, c Credentials) (Identity, error)

	// ValidateRooms returns those of the rooms that the client may join; what
	// was not asked for is ignored. Nil, or an error: it may join none.
	ValidateRooms func(ctx context.Context, c *Client, rooms []string) ([]string, error)

	// OnConnect is called after the client was told that it is connected, before
	// any of its messages.
	OnConnect func(ctx context.Context, c *Client)

	// OnJoin is called when the client has joined a room, at its own request or by
	// Server.Join. Messages to the room that are sent from the join on wait for OnJoin:
	// whatever it sends to the client comes before them, and none of them is missing, so
	// OnJoin is the place to send the room's state. If they exceed BackpressureLimit
	// the client is cut off; if OnJoin takes longer than BehindTimeout it is closed with
	// 4007. It is not called for DefaultRooms.
	OnJoin func(ctx context.Context, c *Client, room string)
	// OnLeave is called when the client has left a room for which OnJoin was due. When
	// it disconnects, OnLeave is called for each of its rooms before OnDisconnect, with
	// the context of that.
	OnLeave func(ctx context.Context, c *Client, room string, cause LeaveCause)

	// OnDisconnect is called once for each client for which Authenticate has returned
	// nil, also if it was refused afterwards, when no message can reach it. Its context
	// is not canceled by the disconnect but by the end of a shutdown.
	OnDisconnect func(ctx context.Context, c *Client, d Disconnect)

	// OnMessage handles every message of an authenticated client that is not one of the
	// protocol's own events, in order. Clients of protocol 2 that want an answer get the
	// reply, encoded as JSON, or an error: an [*Error] as it is, and of any other error
	// only that there was one. Errors other than *Error are logged and counted; the
	// connection stays. OnMessage may keep the message. Nil: messages are counted and
	// dropped.
	OnMessage func(ctx context.Context, c *Client, m wire.Message) (reply any, err error)

	// Bus connects the instances of a cluster. Nil: this process is alone.
	Bus Bus

	// OnBusGap is called when messages of other instances and emitters may have been
	// missed and come in again: after the connection to Redis was lost or delivered
	// nothing, or envelopes came faster than they could be taken. It is the place to
	// bring clients up to date, for instance by asking the database what happened
	// since g.From. Gaps come one at a time and are counted in Stats.BusGaps. Its
	// context ends with the server; Run waits for it. It needs a Bus that offers
	// BusGaps, as redisbus.Bus does.
	OnBusGap func(ctx context.Context, g BusGap)

	// Encryption says which clients are encrypted: none, which is the default,
	// those that send a public key when they authenticate themselves, or all; then
	// the others are closed with 4004. So is a client that sends a malformed public
	// key. Package seal says how it works, and SECURITY.md what it is good for.
	Encryption Encryption
	// EncryptionInfo is what keys are derived for; clients need the same.
	// "": seal.Info.
	EncryptionInfo string
	// AgreeKeys replaces the built-in key agreement, if Encryption is not off. It is
	// called for each client that has just been authenticated. If it returns a nil
	// Cipher the client is not encrypted, or is refused (4004) if encryption is
	// required; an error refuses it.
	AgreeKeys func(ctx context.Context, c *Client, cred Credentials) (*Cipher, error)
	// BeforeSeal may replace a message to an encrypted client before it is sealed. If
	// it returns nil without an error the message is sent as it is. An error, or a
	// message without an event, drops it. It is called for the messages of one client
	// in order, and may block: clients that are not encrypted do not wait for it. It
	// may keep the message.
	BeforeSeal func(ctx context.Context, c *Client, m wire.Message) (*wire.Message, error)
	// SealConcurrency is the number of clients for which BeforeSeal, or the Seal of a
	// Cipher, may run at a time. 0: 10.
	SealConcurrency int
	// SealTimeout bounds BeforeSeal and Seal together, for one message. A client for
	// which they take longer is cut off. 0: 10 s.
	SealTimeout time.Duration

	// DefaultRooms are joined by every client. Nil: ws-default and
	// ws-notification. To have none, give an empty slice that is not nil.
	DefaultRooms []string
	// MaxRooms is how many rooms beside the default rooms a client may be in at
	// its own wish; those that the application puts it in fill it too. 0: 128.
	MaxRooms int
	// MaxRoomsPerRequest is how many names of one join or leave count; the
	// others are refused. 0: 128.
	MaxRoomsPerRequest int

	// MaxPayload is the size in bytes of the largest message that a client may
	// send; a larger one closes it with 1009. 0: 128 KiB.
	MaxPayload int
	// MaxClients is how many connections may be open, authenticated or not. One more
	// is answered 503. Keep it below the process's limit of descriptors, or a lost
	// bus cannot be connected again. 0: any number.
	MaxClients int
	// MaxMessage is the size in bytes of the largest message that may be sent to
	// clients, event and data together. A larger one is an error of the call that
	// sends it, and reaches nobody: Redis would cut off every instance that is to
	// get it. 0: 1 MiB.
	MaxMessage int
	// AuthMaxPayload is the size in bytes of the largest message that a client may
	// send before it is authenticated, credentials included; a larger one closes it
	// with 1009. 0: 8 KiB. More than MaxPayload counts as that.
	AuthMaxPayload int
	// AuthMaxFrames is how many WebSocket frames, heartbeats and pings among them, a
	// client may send before it is authenticated; one more closes it with 4007.
	// 0: 64.
	AuthMaxFrames int
	// AuthMaxMistakes is how many messages that get an error, or no answer at all, a
	// client may send before it is authenticated; one more closes it with 4007.
	// 0: 8.
	AuthMaxMistakes int
	// BackpressureLimit is how many bytes may wait for one client that does not
	// read as fast as it is sent to. A message counts 128 bytes more than its frame
	// has, which is what it takes in memory. The socket's buffer takes up to half of
	// the limit beside that. So a burst of about 1.5 times the limit gets through to a
	// client that is slower than the server; raise the limit for larger ones. (Until
	// the socket is full for the first time, four times the limit may wait.) With
	// nothing waiting, a single message may be larger than the limit, because its
	// memory is shared. An encrypted client would need a copy of its own: such a
	// message is dropped, counted and logged. 0: 1 MiB.
	BackpressureLimit int
	// SlowPolicy says what happens to a message for a client of which more waits than
	// BackpressureLimit. The default, [SlowDisconnect], cuts the client off: it then
	// knows that it missed something, and connects again. The protocol's own messages
	// are never dropped.
	SlowPolicy SlowPolicy
	// RoomSlowPolicy returns the policy for messages to a room, in place of SlowPolicy.
	// It is called for each such message and must return at once. Nil: SlowPolicy.
	RoomSlowPolicy func(room string) SlowPolicy

	// AuthTimeout is how long a client may take to ask for authentication. 0: 5 s.
	AuthTimeout time.Duration
	// HeartbeatInterval is how often silent clients are looked for. 0: 30 s.
	HeartbeatInterval time.Duration
	// HeartbeatTimeout is how long an authenticated client may send no message
	// (4002). 0: 90 s.
	HeartbeatTimeout time.Duration
	// IdleTimeout is how long nothing may be heard from a client, not even the
	// answer to a ping. Pings are sent after half of it. 0: 60 s. Negative: no
	// pings and no such limit.
	IdleTimeout time.Duration
	// WriteTimeout is how long a client may take nothing of what waits for it before
	// it is cut off, whatever it sends meanwhile. It may be a quarter of that
	// longer. 0: 30 s.
	WriteTimeout time.Duration
	// BehindTimeout is how long a client may not be read from because its messages
	// wait for a callback; then it is closed with 4007. 0: 60 s.
	BehindTimeout time.Duration
	// CloseTimeout is how long a client may take to answer a close frame. 0: 3 s.
	// More than ShutdownTimeout counts as that.
	CloseTimeout time.Duration
	// ShutdownTimeout is how long Run waits for callbacks and clients when it
	// ends. 0: 10 s.
	ShutdownTimeout time.Duration

	// Compression lets messages be compressed, in both directions, for clients that
	// offer it (permessage-deflate, RFC 7692). A message of at least 256 bytes is
	// compressed once, whoever gets it, and no client owns a window; for clients that
	// ask for a smaller window than 32 KB (server_max_window_bits) a longer message is
	// compressed once for each size. What is encrypted is not compressed. Over TLS, a
	// message in which a secret stands beside what others may choose should not be
	// compressed: its length tells how much the two are alike.
	Compression bool

	// PlainIO makes the server read and write through package net alone, with a
	// goroutine per client. By default it does so only where it must: for TLS, for
	// connections that are not net's own, and on other systems than Linux.
	PlainIO bool

	// Software is the product and version that clients of protocol 2 are told, such as
	// "shop/1.4". Empty: nothing.
	Software string

	// Logger gets what happens; never a payload or a credential. What clients can
	// cause at will is logged once for each cause, and then once in ten seconds how many
	// lines were left out. Nil: slog.Default().
	Logger *slog.Logger
}

// withDefaults returns c with every zero value replaced, or what is wrong.
func (c Config) withDefaults() (Config, error) {
	if c.Authenticate == nil {
		return c, errors.New("ignis: Config.Authenticate is required: it decides who may connect")
	}
	if c.Bus == nil {
		c.Bus = soloBus{}
	}
	if c.DefaultRooms == nil {
		c.DefaultRooms = []string{wire.RoomDefault, wire.RoomNotification}
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.Encryption > EncryptionRequired {
		return c, fmt.Errorf("ignis: Config.Encryption is %v", c.Encryption)
	}
	if int(c.SlowPolicy) >= len(slowPolicyNames) {
		return c, fmt.Errorf("ignis: Config.SlowPolicy is %v", c.SlowPolicy)
	}
	for _, room := range c.DefaultRooms {
		if room == "" {
			return c, errors.New("ignis: Config.DefaultRooms has an empty name")
		}
	}
	ints := []struct {
		name string
		v    *int
		def  int
	}{
		{"MaxClients", &c.MaxClients, math.MaxInt},
		{"MaxRooms", &c.MaxRooms, 128},
		{"MaxRoomsPerRequest", &c.MaxRoomsPerRequest, 128},
		{"MaxPayload", &c.MaxPayload, wire.DefaultMaxPayload},
		{"MaxMessage", &c.MaxMessage, wire.DefaultMaxMessage},
		{"AuthMaxPayload", &c.AuthMaxPayload, wire.DefaultAuthMaxPayload},
		{"AuthMaxFrames", &c.AuthMaxFrames, wire.DefaultAuthMaxFrames},
		{"AuthMaxMistakes", &c.AuthMaxMistakes, wire.DefaultAuthMaxMistakes},
		{"BackpressureLimit", &c.BackpressureLimit, wire.DefaultBackpressureLimit},
		{"SealConcurrency", &c.SealConcurrency, 10},
	}
	for _, f := range ints {
		if *f.v < 0 {
			return c, fmt.Errorf("ignis: Config.%s is negative", f.name)
		}
		if *f.v == 0 {
			*f.v = f.def
		}
	}
	// What is as good as unlimited must not overflow where it is multiplied.
	c.MaxRooms = min(c.MaxRooms, math.MaxInt/2)
	c.BackpressureLimit = min(c.BackpressureLimit, math.MaxInt/8)
	durations := []struct {
		name string
		v    *time.Duration
		def  time.Duration
	}{
		{"AuthTimeout", &c.AuthTimeout, wire.DefaultAuthTimeout},
		{"HeartbeatInterval", &c.HeartbeatInterval, wire.DefaultHeartbeatInterval},
		{"HeartbeatTimeout", &c.HeartbeatTimeout, wire.DefaultHeartbeatTimeout},
		{"WriteTimeout", &c.WriteTimeout, wire.DefaultWriteTimeout},
		{"BehindTimeout", &c.BehindTimeout, wire.DefaultBehindTimeout},
		{"CloseTimeout", &c.CloseTimeout, 3 * time.Second},
		{"SealTimeout", &c.SealTimeout, 10 * time.Second},
		{"ShutdownTimeout", &c.ShutdownTimeout, 10 * time.Second},
	}
	for _, f := range durations {
		if *f.v < 0 {
			return c, fmt.Errorf("ignis: Config.%s is negative", f.name)
		}
		if *f.v == 0 {
			*f.v = f.def
		}
	}
	c.CloseTimeout = min(c.CloseTimeout, c.ShutdownTimeout)
	c.AuthTimeout = min(c.AuthTimeout, math.MaxInt64/(2*wire.AuthTimeoutFactor))
	if c.IdleTimeout == 0 {
		c.IdleTimeout = wire.DefaultIdleTimeout
	}
	return c, nil
}

// minSendBuffer is what a socket needs to be written to in pieces of a sensible
// size, in bytes.
const minSendBuffer = 16 << 10

// transport returns what the connections of a server have in common.
func (c Config) transport() ws.Options {
	return ws.Options{
		MaxPayload:        c.MaxPayload,
		StrangerPayload:   c.AuthMaxPayload,
		StrangerFrames:    c.AuthMaxFrames,
		BackpressureLimit: c.BackpressureLimit,
		SendBuffer:        max(c.BackpressureLimit/4, minSendBuffer), // Linux doubles it
		CloseTimeout:      c.CloseTimeout,
	}
}
