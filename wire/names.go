package wire

import "time"

// System events. The direction says who may send each; see [ServerOnly].
const (
	EventAuthenticate = "authenticate" // client to server: the credentials
	EventConnected    = "connected"    // server to client: authentication succeeded
	EventDisconnect   = "disconnect"   // server to client: reserved
	EventJoin         = "join"         // client to server: {rooms: string[]}
	EventLeave        = "leave"        // client to server: {rooms: string[]}
	EventError        = "error"        // server to client: {message: string}
	EventHeartbeat    = "heartbeat"    // client to server: shows that it lives
	EventEncrypted    = "encrypted"    // both: a sealed message
)

// ServerOnly reports whether event is a system event that only servers send.
// A server drops such an event when a client sends it.
func ServerOnly(event string) bool {
	switch event {
	case EventConnected, EventDisconnect, EventError:
		return true
	}
	return false
}

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

// Close codes of the protocol, beside those of RFC 6455.
const (
	CloseGoingAway          uint16 = 1001
	CloseAuthTimeout        uint16 = 4001
	CloseHeartbeatTimeout   uint16 = 4002
	CloseAuthFailed         uint16 = 4003
	CloseEncryptionRequired uint16 = 4004
	CloseTooManyMessages    uint16 = 4007
)

// CloseReason returns the reason text that goes with one of this package's
// close codes, or "" for any other code.
func CloseReason(code uint16) string {
	switch code {
	case CloseGoingAway:
		return "Server shutting down"
	case CloseAuthTimeout:
		return "Authentication timeout"
	case CloseHeartbeatTimeout:
		return "Heartbeat timeout"
	case CloseAuthFailed:
		return "Authentication failed"
	case CloseEncryptionRequired:
		return "Encryption required"
	case CloseTooManyMessages:
		return "Too many messages"
	}
	return ""
}

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
