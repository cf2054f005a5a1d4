// Package ignis is a server for realtime messaging over WebSocket. Clients authenticate
// after they connect. Messages are addressed to one client, to all sessions of a user, to
// a room or to everyone, and a bus carries them to the other instances of a cluster. The
// package speaks the wire format of Ignis, so clients, emitters and servers written for
// Ignis work with it on the same Redis.
//
// Create a [Server] from a [Config], mount it in an HTTP server and run it:
//
//	srv, err := ignis.New(ignis.Config{Authenticate: authenticate})
//	mux.Handle(wire.DefaultPath, srv)
//	err = srv.Run(ctx)
//
// [Server.Send] sends an event to an [Address] on all instances; [Server.SendLocal]
// reaches only the clients of this instance. Callbacks receive a [Client], which never
// changes. [Server.Client] and its siblings return a [ClientInfo], a snapshot that
// includes the client's rooms and state. Use [Server.Stats] for metrics and
// [Server.Health] for probes.
//
// With [Config].Encryption, each client can have its own key; see package seal.
//
// Related packages: redisbus connects instances over Redis, emitter sends from processes
// without a server, client connects to a server,
// ignistest runs servers in memory for tests, wire defines the protocol, and
// cmd/ignis combines them in one program.
package ignis
