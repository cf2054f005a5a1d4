package ignis

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/ignis-go/ignis/wire"
)

// Config configures a [Server]. Only Authenticate is required. The zero value of every
// other field selects the default that its comment states.
//
// The callbacks of one client run one at a time, in the order in which the client
// connects, joins and leaves rooms and sends messages; the disconnect comes last.
// Callbacks of different clients run concurrently, so a slow callback delays only its own
// client. A panic is logged and counted. The context of a callback is canceled when the
// client disconnects.
//
// If more than 64 messages or 256 KiB are waiting for a callback, the server stops
// reading from the client until half of them are left. If the client disconnects
// meanwhile, or if reading is paused for longer than BehindTimeout, the connection is
// released immediately, and the waiting messages are dropped and counted in
// Stats.Unhandled.
type Config struct {
	// Accept accepts or refuses the HTTP request of a client before the connection is
	// upgraded. It determines from which pages browsers may connect ([CheckOrigin]), the
	// address of a client behind a proxy ([Proxies]), the subprotocol, and what data of
	// the request later callbacks see. If it returns an [*Error], the response has the
	// error's message and the HTTP status that corresponds to its code. For any other
	// error, which is logged, the status is 500. Accept is not called for requests that
	// are not valid WebSocket handshakes. Nil: the server accepts pages from its own host
	// and from AllowedOrigins.
	Accept func(r *http.Request) (Accepted, error)
	// AllowedOrigins lists the origins of other hosts from which browsers may connect,
	// such as https://app.example.com; * allows any. It is ignored if Accept is set.
	AllowedOrigins []string

	// Authenticate returns the identity of a client from its credentials. An error
	// rejects the client; see [ErrUnauthenticated]. The first 512 bytes of its text are
	// logged. To limit log lines, the server treats errors with different texts as
	// different causes. If the texts for one cause differ, for example because they name
	// the user, give the error a method LogCause() string that returns the same text for
	// all of them. Authenticate and AgreeKeys together may take up to three times
	// AuthTimeout. Required.
	Authenticate func(ctx context.Context, c Credentials) (Identity, error)

	// ValidateRooms returns those of the rooms that the client may join. Other names in
	// the result are ignored. If it is nil or returns an error, the client may join none
	// of them. With a [*PartialError], the client may join the rooms that are returned.
	// Clients of protocol 2 receive the code and the message of an [*Error] for each room
	// that they may not join because of it.
	// While a client refreshes its session, an error that is not an [*Error], or
	// one with the code wire.CodeUnavailable, CodeRateLimited or CodeTimeout, means that
	// ValidateRooms could not decide: the refresh fails, and the client stays in its
	// rooms.
	ValidateRooms func(ctx context.Context, c *Client, rooms []string) ([]string, error)

	// OnConnect is called after the connected event has been queued for the client and
	// before any of its messages is handled.
	OnConnect func(ctx context.Context, c *Client)

	// OnJoin is called when the client has joined a room, at its own request or by
	// Server.Join. Messages sent to the room after the join wait until OnJoin returns, so
	// whatever OnJoin sends to the client arrives before them, and none of them is lost.
	// Use it to send a snapshot of the room's state.
	//
	// Live updates that arrive after such a snapshot may be older than it: OnJoin may read
	// a state that already includes an update whose message is waiting, or is still on its
	// way from another instance. Add a version to the state and to each update, so that
	// clients can ignore updates that are not newer than what they have.
	//
	// If the waiting messages exceed BackpressureLimit, the client is cut off. If OnJoin
	// takes longer than BehindTimeout, the client is closed with 4007. OnJoin is not
	// called for DefaultRooms.
	OnJoin func(ctx context.Context, c *Client, room string)
	// OnLeave is called when the client has left a room, except one of DefaultRooms. When
	// the client disconnects, OnLeave is called for each of its rooms before OnDisconnect,
	// with the same context.
	OnLeave func(ctx context.Context, c *Client, room string, cause LeaveCause)

	// OnDisconnect is called once for each client for which Authenticate has returned a
	// nil error, even if the client was refused afterwards. By then no message can reach
	// the client. The context is not canceled by the disconnect, only by a shutdown that
	// takes longer than ShutdownTimeout.
	OnDisconnect func(ctx context.Context, c *Client, d Disconnect)

	// OnMessage handles the messages of an authenticated client, except the protocol's
	// own events, in order. If a client of protocol 2 expects an answer, it receives the
	// reply encoded as JSON, or the error. The client sees the code and message of an
	// [*Error]; for an error of m.Decode it sees [wire.CodeInvalid] and the name of the
	// field. Other errors are logged and counted, and the client is told only that an error
	// occurred. An error does not close the connection. OnMessage may keep the message.
	// Nil: messages are counted and dropped.
	OnMessage func(ctx context.Context, c *Client, m wire.Message) (reply any, err error)

	// Bus connects the instances of a cluster. Nil: there are no other instances.
	Bus Bus

	// OnBusGap is called after a period in which messages from other instances and
	// emitters may have been missed because the connection to Redis was lost or delivered
	// nothing, or because envelopes arrived faster than they could be processed. Use it to
	// bring clients up to date, for example by querying the database for what has happened
	// since g.From. Gaps are reported one at a time and counted in Stats.BusGaps. The
	// context is canceled when the bus stops or a shutdown takes longer than
	// ShutdownTimeout. Run waits for OnBusGap to return. The Bus must implement
	// [BusGapReporter], as redisbus.Bus does.
	OnBusGap func(ctx context.Context, g BusGap)

	// Encryption selects the clients that are encrypted: none (the default), those that
	// send a public key when they authenticate, or all. In the last case, clients that
	// send none are closed with 4004. A client that sends a malformed public key is
	// closed with 4004 as well. Package seal describes the encryption, and SECURITY.md
	// what it protects.
	Encryption Encryption
	// EncryptionInfo is the info parameter of the key derivation. Clients must use the
	// same value. Empty: seal.Info.
	EncryptionInfo string
	// AgreeKeys replaces the built-in key agreement if Encryption is not off. It is
	// called for each client that has just been authenticated. If it returns a nil
	// Cipher, the client is not encrypted, or is refused (4004) if encryption is
	// required. An error refuses the client. If it wraps an [*Error], clients of protocol 2
	// receive its message and code.
	AgreeKeys func(ctx context.Context, c *Client, cred Credentials) (*Cipher, error)
	// BeforeSeal may replace a message to an encrypted client before it is sealed. If it
	// returns nil and no error, the message is sent unchanged. If it returns an error, or
	// a message without an event, the message is dropped. It is called for the messages
	// of one client in order, and may block: clients that are not encrypted do not wait
	// for it. It may keep the message.
	BeforeSeal func(ctx context.Context, c *Client, m wire.Message) (*wire.Message, error)
	// SealConcurrency is the number of clients for which BeforeSeal, or the Seal of a
	// Cipher, may run at the same time. 0: 10.
	SealConcurrency int
	// SealTimeout limits the time that BeforeSeal and Seal may take together for one
	// message. A client for which they take longer is cut off. 0: 10 s.
	SealTimeout time.Duration

	// DefaultRooms are the rooms that every client joins. Nil: ws-default and
	// ws-notification. For no rooms, use a non-nil empty slice.
	DefaultRooms []string
	// MaxRooms is the number of rooms, besides the default rooms, that a client may join
	// at its own request. Rooms that it joined by Server.Join count toward the limit, but
	// Server.Join itself is not limited. 0: 128.
	MaxRooms int
	// MaxRoomsPerRequest is the maximum number of names in one join or leave; further
	// names are refused. 0: 128.
	MaxRoomsPerRequest int

	// MaxClients is the maximum number of open connections, authenticated or not. Further
	// requests are answered with 503. It should be less than the limit on file
	// descriptors, so that the bus can reconnect. 0: no limit.
	MaxClients int
	// MaxClientsPerAddress is the maximum number of open connections from one network
	// address. Further requests are answered with 429.
	//
	// The limits per address apply to the address that Accept returns. Many users may have
	// the same one, for example those in an office, and all of them if the server does not
	// know that it is behind a proxy; see [Proxies]. An IPv6 network of 64 bits counts as
	// one address. Loopback addresses are exempt. 0: 4096. Negative: no limit.
	MaxClientsPerAddress int
	// MaxClientsPerUser is the maximum number of connections of one user to this server.
	// UserPolicy selects what happens to one more. Anonymous clients and clients with
	// loopback addresses are exempt. 0: 1000. Negative: no limit.
	MaxClientsPerUser int
	// UserPolicy selects which client is closed with 4008 if a user has more than
	// MaxClientsPerUser. The default, [UserRefuseNew], closes the new one.
	UserPolicy UserPolicy
	// UpgradeRate is the number of connections that the server accepts per second. Further
	// requests are answered with 503. 0: 5000. Negative: no limit.
	UpgradeRate int
	// UpgradeBurst is the number of connections that the server accepts at once after a
	// pause, such as when it has restarted and all clients reconnect. 0: 20000.
	UpgradeBurst int
	// UpgradeRatePerAddress is the number of connections that the server accepts per second
	// from one network address. Further requests are answered with 429. 0: 100. Negative:
	// no limit.
	UpgradeRatePerAddress int
	// UpgradeBurstPerAddress is the number of connections that the server accepts at once
	// from one network address after a pause. 0: 2000.
	UpgradeBurstPerAddress int
	// MemoryLimit is the memory budget of the process in bytes. It includes what the kernel
	// buffers for clients that do not read. Once 80 % of it are used, the server refuses
	// new connections with 503 and cuts off the clients for which most is waiting, until
	// 70 % are used. 0: the limit of the Go runtime (GOMEMLIMIT). If the process is in a
	// control group with a memory limit, that applies as well. Negative: no limit.
	MemoryLimit int64

	// MaxPayload is the maximum size in bytes of a message from a client. A larger one
	// closes the connection with 1009. 0: 128 KiB.
	MaxPayload int
	// MessageRate is the number of WebSocket frames that a client may send per second,
	// including pings and the fragments of messages. If a client sends faster, the server
	// reads from it more slowly, so that its messages wait in the network. If it still
	// sends faster than it is read after ThrottleTimeout, it is closed with 4007. 0: 200.
	// Negative: no limit.
	MessageRate int
	// MessageBurst is the number of frames that a client may send at once after a pause.
	// 0: 1000.
	MessageBurst int
	// ByteRate is the number of bytes that a client may send per second. A compressed
	// message also counts with its decompressed size. A client that sends faster is treated
	// like one that exceeds MessageRate. 0: 4 MiB. Negative: no limit.
	ByteRate int
	// ByteBurst is the number of bytes that a client may send at once after a pause. 0: 16
	// MiB.
	ByteBurst int
	// ThrottleTimeout is the time for which a client may send faster than MessageRate and
	// ByteRate allow. 0: 30 s.
	ThrottleTimeout time.Duration
	// JoinRate is the number of rooms that a client may ask to join per second. Further
	// rooms are refused. 0: 20. Negative: no limit.
	JoinRate int
	// JoinBurst is the number of rooms that a client may ask to join at once after a pause,
	// for example because it has reconnected. The limit is never lower than MaxRooms. 0:
	// 256.
	JoinBurst int
	// MaxMessage is the maximum size in bytes of a message to clients, including the
	// event. For a larger one, the call that sends it returns an error and nothing is
	// sent, because Redis would otherwise disconnect every instance that should receive
	// it. 0: 1 MiB.
	MaxMessage int
	// AuthMaxPayload is the maximum size in bytes of a message from a client that is not
	// authenticated, including its credentials. A larger one closes the connection with
	// 1009. The limit is never higher than MaxPayload. 0: 8 KiB.
	AuthMaxPayload int
	// AuthMaxFrames is the number of WebSocket frames, including heartbeats and pings,
	// that a client may send before it is authenticated. One more closes the connection
	// with 4007. 0: 64.
	AuthMaxFrames int
	// AuthMaxMistakes is the number of messages before authentication that the server
	// answers with an error or ignores. One more closes the connection with 4007. 0: 8.
	AuthMaxMistakes int
	// MaxToken is the maximum length in bytes of the token that a client authenticates
	// with. A longer one is rejected without a call of Authenticate. 0: 8 KiB.
	MaxToken int
	// AuthConcurrency is the maximum number of calls of Authenticate that run at the same
	// time. A call that does not return keeps its place. 0: 256. Negative: no limit.
	AuthConcurrency int
	// AuthQueue is the maximum number of clients that wait for a call of Authenticate.
	// Further ones are closed with 1013. 0: 4096.
	AuthQueue int
	// AuthFailureRate is the number of times per minute that clients from one network
	// address may fail to authenticate; see [ErrUnauthenticated]. Further requests from
	// the address are answered with 429, and clients that are already connected are closed
	// with 4008 when they try to authenticate. 0: 60. Negative: no limit.
	AuthFailureRate int
	// AuthFailureBurst is the number of times that clients from one network address may
	// fail to authenticate at once after a pause. 0: 200.
	AuthFailureBurst int
	// MaxRevocations is the maximum number of revocations that the server remembers; see
	// Server.Revoke. Beyond it, a revocation still closes clients, but later authentications
	// are not refused, Revoke returns ErrTooManyRevocations, and Stats.RevocationsDropped
	// counts it. A revocation needs about 150 bytes of memory, or more if
	// the ID is long. 0: 65536.
	MaxRevocations int
	// BackpressureLimit is the maximum number of bytes that may wait for a client that
	// reads too slowly. A message counts as the size of its frame plus 128 bytes, which is
	// about the memory that it uses. The socket buffers up to half of the limit in
	// addition, so a slow client can receive a burst of about 1.5 times the limit; for
	// larger bursts, raise the limit. Until the socket has been full for the first time,
	// four times the limit may wait.
	//
	// If nothing is waiting, a single message may exceed the limit, because its memory is
	// shared among all recipients. An encrypted client would need its own copy, so for
	// it such a message is dropped, counted and logged. 0: 1 MiB.
	BackpressureLimit int
	// SlowPolicy selects what happens to a message if more than BackpressureLimit would
	// wait for the client. The default, [SlowDisconnect], cuts the client off, so that it
	// knows that it missed messages and can reconnect. The protocol's own messages are
	// never dropped.
	SlowPolicy SlowPolicy
	// RoomSlowPolicy returns the policy for messages to a room, instead of SlowPolicy. It
	// is called for every such message and must return immediately. Nil: SlowPolicy.
	RoomSlowPolicy func(room string) SlowPolicy

	// AuthTimeout is the time that a client has to send its credentials. 0: 5 s.
	AuthTimeout time.Duration
	// HeartbeatInterval is the time between checks for silent clients. 0: 30 s.
	HeartbeatInterval time.Duration
	// HeartbeatTimeout is the time after which an authenticated client that sends no
	// message is closed with 4002. 0: 90 s.
	HeartbeatTimeout time.Duration
	// IdleTimeout is the time after which a client that sends nothing, not even an answer
	// to a ping, is cut off. Pings are sent after half of it. 0: 60 s. Negative: no pings
	// and no limit.
	IdleTimeout time.Duration
	// WriteTimeout is the time after which a client that reads nothing of what is waiting
	// for it is cut off, regardless of what it sends. It may take up to a quarter longer.
	// 0: 30 s.
	WriteTimeout time.Duration
	// BehindTimeout is the maximum time for which the server may stop reading from a
	// client because its messages are waiting for a callback, and for which OnJoin may
	// run. The client is then closed with 4007. 0: 60 s.
	BehindTimeout time.Duration
	// CloseTimeout is the time that a client has to answer a close frame. The limit is
	// never higher than ShutdownTimeout. 0: 3 s.
	CloseTimeout time.Duration
	// ShutdownTimeout is the time for which Run waits for callbacks and clients during a
	// shutdown. 0: 10 s.
	ShutdownTimeout time.Duration
	// DrainDelay is the time from the call of Server.Drain until the server closes the
	// first client. Meanwhile the server is not ready but still accepts connections, so
	// that load balancers can notice it before a client is refused. 0: no delay.
	DrainDelay time.Duration
	// DrainWindow is the time in which Server.Drain closes the clients, evenly spread. By
	// default it is 30 s for 1000 clients or more, and shorter in proportion for fewer. 0:
	// 30 s or less. Negative: all clients are closed immediately.
	DrainWindow time.Duration
	// MaxConnectionAge is the time after which a client is closed with 1001, so that it
	// connects again and clients spread over all instances. It differs by up to 10 %
	// between clients, so that they do not all reconnect at the same time. Clients of
	// protocol 2 are warned first. A client for which callbacks are running or messages
	// are waiting is closed afterwards, or after BehindTimeout. 0: no limit.
	MaxConnectionAge time.Duration

	// Compression enables compression (permessage-deflate, RFC 7692) in both directions
	// for clients that offer it. Messages of at least 256 bytes are compressed once for
	// all recipients, and no memory is kept per client. If clients ask for a window of
	// less than 32 KB (server_max_window_bits), longer messages are compressed once per
	// window size. Encrypted messages are not compressed. Do not compress messages that
	// contain both a secret and text that others can choose: even with TLS, the length
	// reveals how similar the two are.
	Compression bool

	// PlainIO makes the server use only package net to read and write, with a goroutine
	// per client. By default it does so only if necessary: for TLS, for connections of
	// types outside package net, and on systems other than Linux.
	PlainIO bool

	// Hooks are called when something happens, for metrics and traces.
	Hooks Hooks
	// Tracer records what the server does as spans of distributed traces. Traces continue on
	// other instances, because envelopes on the bus carry the traceparent of their span. Nil:
	// nothing is recorded, and envelopes carry no traceparent.
	Tracer Tracer

	// Software is the product and version that the server sends to clients of protocol 2,
	// such as "shop/1.4". Empty: none.
	Software string

	// Logger receives the log, which never contains payloads or credentials. Lines that
	// clients can cause at will are logged once per cause, and then at most once in ten
	// seconds with the number of lines left out. Nil: slog.Default().
	Logger *slog.Logger
}
