// Package client connects a Go program to an Ignis server, either one of this module or
// another one that uses the same protocol.
//
// [Dial] connects, authenticates and returns a [Conn], which sends and receives
// messages and keeps the connection alive:
//
//	c, err := client.Dial(ctx, "ws://127.0.0.1:8080/ws", client.Config{
//		Credentials: map[string]string{"type": "Bearer", "token": token},
//	})
//	if errors.Is(err, client.ErrAuthentication) {
//		// the server rejected the credentials: get a new token
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
// a message was sent to. With a server that supports only protocol 1, such as the
// original Ignis, [Conn.Request] fails with [ErrNoAnswers] and [Conn.Join] does not report
// which rooms were refused. [Connected].Protocol is the version in use.
//
// A Conn does not reconnect. When the connection is lost, [Conn.Receive] returns an
// error, and the application can dial again; [CloseError.Reconnect] says when.
package client
