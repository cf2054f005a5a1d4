package redisconn

// Names in Redis that package redisbus uses, after the prefix of the application. The channels of
// the protocol are in package wire.
const (
	// HeartbeatChannel is the beginning of the heartbeat channels. Each bus subscribes only to
	// its own.
	HeartbeatChannel = "ignis:bus:"
	// CommandsKey is the key of the sorted set of stored commands. Its hash tag puts it into
	// slot 0, so in a Cluster it is on the node that all instances prefer.
	CommandsKey = "ignis:{06S}:commands"
	// ClaimsKey is the beginning of the keys of claims. Its hash tag is that of CommandsKey.
	ClaimsKey = "ignis:{06S}:once:"
)
