package wire

// Redis channels. An envelope is published on the channel of its address
// ([Address.Channel]). A server subscribes to [ChannelBroadcast] by name and to the
// [Patterns].
const (
	ChannelBroadcast = "ws:broadcast"

	clientPrefix = "ws:client:"
	userPrefix   = "ws:user:"
	roomPrefix   = "ws:room:"
)

// Patterns returns what a server subscribes to with PSUBSCRIBE, so that it hears of
// every room, client and user without knowing their names.
func Patterns() []string {
	return []string{roomPrefix + "*", clientPrefix + "*", userPrefix + "*"}
}
