package wire

import "time"

// Values of the message field of error events.
const (
	ErrorFormat             = "Invalid message format"
	ErrorUnauthenticated    = "Not authenticated"
	ErrorAuthenticated      = "Already authenticated"
	ErrorRejected           = "Authentication failed"
	ErrorAuthentication     = "Authentication error"
	ErrorHandshake          = "Encryption handshake failed"
	ErrorEncryptedMessage   = "Invalid encrypted message"
	ErrorEncryptionRequired = "Encryption required"
)

// Defaults and limits of the protocol.
const (
	DefaultPath              = "/ws"
	DefaultMaxPayload        = 128 << 10 // bytes of one message from a client
	DefaultMaxMessage        = 1 << 20   // bytes of one message to clients
	DefaultAuthMaxPayload    = 8 << 10   // bytes of one message before authentication
	DefaultAuthMaxFrames     = 64        // frames from a client before authentication
	DefaultAuthMaxMistakes   = 8         // mistakes of a client before authentication
	DefaultBackpressureLimit = 1 << 20   // bytes waiting for one client
	DefaultAuthTimeout       = 5 * time.Second
	DefaultHeartbeatInterval = 30 * time.Second
	DefaultHeartbeatTimeout  = 90 * time.Second
	DefaultIdleTimeout       = 60 * time.Second
	DefaultWriteTimeout      = 30 * time.Second
	DefaultBehindTimeout     = 60 * time.Second

	// AuthTimeoutFactor multiplies the authentication timeout once a client has sent its
	// credentials. The result limits authentication and key agreement together.
	AuthTimeoutFactor = 3

	// MaxRoomName is the maximum length of a room name from a client, in UTF-16 code
	// units like the length of a JavaScript string.
	MaxRoomName = 256
	// ReservedPrefix is the prefix of names that clients must not use for rooms, because
	// they are names of Redis channels.
	ReservedPrefix = "ws:"
	// ProtocolVersion is the highest version of the protocol that this package supports.
	ProtocolVersion = 2
	// ExpiringNotice is the time before the end of a session at which the client is told
	// (protocol 2).
	ExpiringNotice = time.Minute
	// MaxMessageID is the maximum length of the id of a message that expects an answer,
	// in characters (protocol 2).
	MaxMessageID = 64
	// MaxEarlyMessages and MaxEarlyBytes limit what a client of protocol 2 may send
	// between its authenticate event and the connected event.
	MaxEarlyMessages = 16
	MaxEarlyBytes    = 8 << 10
	// EmitterID is the server ID in envelopes from emitters. No server has it, so every
	// server accepts these envelopes.
	EmitterID = "emitter"
)

// Rooms that every authenticated client joins by default.
const (
	RoomDefault      = "ws-default"
	RoomNotification = "ws-notification"
)

// TimeFormat is the layout for times in events. The times must be in UTC. It is the
// format of JavaScript's Date.toISOString.
const TimeFormat = "2006-01-02T15:04:05.000Z"

// FormatTime returns t in [TimeFormat], in UTC. It uses less stack than
// [time.Time.Format], for which a new goroutine would have to grow its stack.
func FormatTime(t time.Time) string {
	t = t.UTC()
	year, month, day := t.Date()
	if year < 0 || year > 9999 {
		return t.Format(TimeFormat)
	}
	hour, minute, second := t.Clock()
	b := [...]byte{'0', '0', '0', '0', '-', '0', '0', '-', '0', '0', 'T', '0', '0', ':', '0', '0', ':', '0', '0', '.', '0', '0', '0', 'Z'}
	put := func(end, n int) {
		for ; n > 0; n /= 10 {
			end--
			b[end] = '0' + byte(n%10)
		}
	}
	put(4, year)
	put(7, int(month))
	put(10, day)
	put(13, hour)
	put(16, minute)
	put(19, second)
	put(23, t.Nanosecond()/int(time.Millisecond))
	return string(b[:])
}
