// Package enforce applies access rules to an Ignis server. The methods of a [Policy] are
// callbacks of [ignis.Config]:
//
//	var srv *ignis.Server
//	policy, err := enforce.New(enforce.Config{
//		Rules:  rules,
//		Server: func() *ignis.Server { return srv },
//	})
//	...
//	srv, err = ignis.New(ignis.Config{
//		Authenticate:  tokens.Authenticate,
//		ValidateRooms: policy.ValidateRooms,
//		OnMessage:     policy.OnMessage,
//	})
//
// # Joining
//
// [Policy.ValidateRooms] lets clients join the rooms that the rules allow. About the rooms of
// rules with join: webhook it asks Config.WebhookRooms.
//
// # Sending
//
// [Policy.OnMessage] handles messages for a room. A client of protocol 2 names the room in
// the field room of the message, and a client of protocol 1 in the field room of its data. (A
// message of protocol 2 may do that, too.) Messages that the rules allow are sent to the room, with the ID and user ID of the sender
// (see [ignis.From]), passed to Config.WebhookMessage, or both. The sender receives its own
// messages too, if it is in the room, unless the rule has ExceptSender.
//
// Clients of protocol 2 are answered: with an ack or the webhook's reply, or with an error.
// Its code is forbidden if the rules do not allow the message; invalid if it names no room,
// two different rooms or a room whose name clients cannot use; and unavailable if the
// message did not reach all servers. Clients of protocol 1 receive no answer.
package enforce
