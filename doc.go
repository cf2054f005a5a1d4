// Package ignis implements a server for realtime messaging over WebSocket. Clients
// authenticate after they connect. A message is sent to one client, to all sessions of a
// user, to a room or to everyone, on all instances that share a [Bus]. The wire format is
// that of Ignis on Bun, so clients, emitters and servers of both work together.
//
// Create a [Server] from a [Config], mount it in an HTTP server and run it:
//
//	srv, err := ignis.New(ignis.Config{Authenticate: authenticate})
//	mux.Handle(wire.DefaultPath, srv)
//	err = srv.Run(ctx)
//
// [Server.Send] sends an event to an [Address] on all instances, and [Server.SendLocal]
// only on this one. Callbacks receive a [Client], which never changes. [Server.Client]
// and similar methods return a [ClientInfo], a snapshot that includes rooms and state.
// Use [Server.Stats] for metrics and [Server.Health] for probes.
//
// Related packages: redisbus connects instances over Redis, emitter sends from processes
// without a server, client connects to a server, ignistest runs servers in memory for
// tests, wire defines the protocol, seal encrypts messages, and cmd/ignis is a program
// that combines them.
package ignis
