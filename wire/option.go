package wire

import "slices"

// SendOption changes how a message is sent; see [Except], [Key] and [From]. Servers and
// emitters take the same options. Several are combined as [CombineOptions] describes.
type SendOption struct {
	// Exclude lists IDs of clients that must not get the message.
	Exclude []string
	// Key groups messages of which a client that is behind needs only the latest.
	Key string
	// From is the client that the message is relayed for.
	From Sender
}

// Except keeps a message from the clients with the IDs, wherever they are. It applies
// to rooms and to everyone; a message to a client or a user always reaches those it
// names.
func Except(clientIDs ...string) SendOption { return SendOption{Exclude: clientIDs} }

// Key groups messages of which a client that is behind needs only the latest, such as
// prices of one symbol. An empty key groups nothing.
func Key(key string) SendOption { return SendOption{Key: key} }

// From says that a message is relayed for the client s. Clients of protocol 2 see it as
// the message's from, and all clients as the field from of its data, where that is an
// object, in place of any that it had; see [Sender.Stamp].
func From(s Sender) SendOption { return SendOption{From: s} }

// CombineOptions returns one option with the effect of all: the excluded clients add
// up, and otherwise later options win.
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
