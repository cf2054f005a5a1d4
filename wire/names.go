package wire

import "time"

// Texts of the error event's message field.
const (
	ErrorFormat           = "Invalid message format"
	ErrorUnauthenticated  = "Not authenticated"
	ErrorAuthenticated    = "Already authenticated"
	ErrorRejected         = "Authentication failed"
	ErrorAuthentication   = "Authentication error"
	ErrorHandshake        = "Encryption handshake failed"
	ErrorEncryptedMessage = "Invalid encrypted message"
	ErrorClear            = "Encryption required"
)

// Defaults and limits of the protocol.
const (
	DefaultPath              = "/ws"
	DefaultMaxPayload        = 128 << 10 // bytes of one message from a client
	DefaultMaxMessage        = 1 << 20   // bytes of one message to clients
	DefaultAuthMaxPayload    = 8 << 10   // the same before authentication
	DefaultAuthMaxFrames     = 64        // from a client before authentication
	DefaultAuthMaxMistakes   = 8         // of a client before authentication
	DefaultBackpressureLimit = 1 << 20   // bytes waiting for one client
	DefaultAuthTimeout       = 5 * time.Second
	DefaultHeartbeatInterval = 30 * time.Second
	DefaultHeartbeatTimeout  = 90 * time.Second
	DefaultIdleTimeout       = 60 * time.Second
	DefaultWriteTimeout      = 30 * time.Second
	DefaultBehindTimeout     = 60 * time.Second

	// AuthTimeoutFactor times the authentication timeout is what authentication
	// and handshake may take together once the client has asked for it.
	AuthTimeoutFactor = 3

	// MaxRoomName is the longest room name that a client may ask for, in
	// UTF-16 code units, as JavaScript counts.
	MaxRoomName = 256
	// ReservedPrefix starts names that no client may use for a room: those of
	// the Redis channels.
	ReservedPrefix = "ws:"
	// ProtocolVersion is the highest version of the protocol that this package knows.
	ProtocolVersion = 2
	// ExpiringNotice is how long before its end a session's client is told (protocol 2).
	ExpiringNotice = time.Minute
	// MaxMessageID is the longest id that a message may have to be answered, in
	// characters (protocol 2).
	MaxMessageID = 64
	// MaxEarlyMessages and MaxEarlyBytes bound what a client of protocol 2 may send
	// between authenticate and connected.
	MaxEarlyMessages = 16
	MaxEarlyBytes    = 8 << 10
	// EmitterID is the server id in envelopes from emitters. It is no server's,
	// so every server takes them.
	EmitterID = "emitter"
)

// Rooms that every authenticated client joins unless configured otherwise.
const (
	RoomDefault      = "ws-default"
	RoomNotification = "ws-notification"
)

// TimeFormat is the layout of the time in a connected event, for a time in
// UTC: what JavaScript's Date.toISOString writes.
const TimeFormat = "2006-01-02T15:04:05.000Z"
