package wire

// Redis channels. An envelope is published on the channel of its address
// ([Address.Channel]). A server subscribes to [ChannelBroadcast] and to the [Patterns].
const (
	ChannelBroadcast = "ws:broadcast"

	clientPrefix = "ws:client:"
	userPrefix   = "ws:user:"
	roomPrefix   = "ws:room:"
)

// Patterns returns the patterns that a server subscribes to with PSUBSCRIBE. They match
// the channels of all rooms, clients and users.
func Patterns() []string {
	return []string{roomPrefix + "*", clientPrefix + "*", userPrefix + "*"}
}
