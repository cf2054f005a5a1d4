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
//	_, err = c.Join(ctx, "lobby")
//	for {
//		m, err := c.Receive(ctx)
//		...
//	}
//
// A Conn is a single connection. When it is lost, [Conn.Receive] returns an error,
// and the application decides when to dial again.
package client
