package wire

// Redis channels. An envelope is published on the channel of its type and
// target; a server subscribes to [ChannelBroadcast] by name and to the
// [Patterns].
const (
	ChannelBroadcast = "ws:broadcast"

	clientPrefix = "ws:client:"
	userPrefix   = "ws:user:"
	roomPrefix   = "ws:room:"
)

// Patterns returns what a server subscribes to with PSUBSCRIBE, so that
// it hears of every room, client and user without knowing their names.
func Patterns() []string {
	return []string{roomPrefix + "*", clientPrefix + "*", userPrefix + "*"}
}

// Channel returns the Redis channel for envelopes of type t to target. For
// [TypeBroadcast], and for types this package does not know, it is
// [ChannelBroadcast].
func Channel(t Type, target string) string {
	switch t {
	case TypeClient:
		return clientPrefix + target
	case TypeUser:
		return userPrefix + target
	case TypeRoom:
		return roomPrefix + target
	}
	return ChannelBroadcast
}
