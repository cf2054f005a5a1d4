// Package client connects a Go program to an Ignis WebSocket server, either this
// project's or another one that speaks the same protocol.
//
// [Dial] connects, authenticates and returns a [Conn], which sends and receives
// messages and keeps the connection alive by itself:
//
//	c, err := client.Dial(ctx, "ws://127.0.0.1:8080/ws", client.Config{
//		Credentials: map[string]string{"type": "Bearer", "token": token},
//	})
//	if errors.Is(err, client.ErrAuthentication) {
//		// the server does not know us: get a new token
//	}
//	defer c.Close()
//	_, err = c.Join(ctx, "lobby") // an error if the server refuses the room
//	reply, err := c.Request(ctx, "quote", "AAPL")
//	for {
//		m, err := c.Receive(ctx)
//		...
//	}
//
// The client offers protocol 2, in which the server answers requests and says which room
// a message was sent to. With a server that speaks protocol 1 alone, as the original
// Ignis does, [Conn.Request] fails with [ErrNoAnswers] and [Conn.Join] does not report
// what was refused; [Connected].Protocol tells which one it is.
//
// A Conn is one connection. When it is lost, [Conn.Receive] says so, and the
// application dials again when it sees fit.
package client
