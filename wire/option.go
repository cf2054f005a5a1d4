package wire

import "slices"

// SendOption modifies how a server or an emitter sends a message; see [Except], [Key] and
// [From]. [CombineOptions] describes how several options are combined.
type SendOption struct {
	// Exclude lists the IDs of clients that must not receive the message.
	Exclude []string
	// Key is the key of the message, or empty for none. Of messages with the same address,
	// event and key, a client that is behind needs only the latest.
	Key string
	// From is the client for which the message is relayed, or zero for none.
	From Sender
}

// Except excludes the clients with the IDs, on any instance. It applies to messages to a
// room or to everyone and has no effect on others.
func Except(clientIDs ...string) SendOption { return SendOption{Exclude: clientIDs} }

// Key sets the key of a message, at most 256 bytes. Of messages with the same address,
// event and key, such as prices of one symbol, a client that is behind needs only the
// latest. Empty: no key.
func Key(key string) SendOption { return SendOption{Key: key} }

// From marks a message as relayed for the client s. Clients of protocol 2 receive s in the
// field from of the message. If the data is a JSON object, s is also added to it as the
// field from, replacing any field of that name, so that clients of protocol 1 receive it
// as well; see [Sender.Stamp].
func From(s Sender) SendOption { return SendOption{From: s} }

// CombineOptions combines options into one. If an option is repeated, the last one applies,
// except that the IDs of all Except options are combined.
func CombineOptions(options ...SendOption) (all SendOption) {
	for _, o := range options {
		if o.Exclude != nil {
			all.Exclude = slices.Concat(all.Exclude, o.Exclude)
		}
		if o.Key != "" {
			all.Key = o.Key
		}
		if o.From != (Sender{}) {
			all.From = o.From
		}
	}
	return all
}
