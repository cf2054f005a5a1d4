// Package ignis is a server for realtime messaging over WebSocket: clients that
// authenticate after they connect, users with many sessions, rooms, broadcasts,
// and fan-out to other instances over a bus. It speaks the wire format of Ignis,
// so clients, emitters and servers written for that work with it on one Redis.
//
// Make a [Server] from a [Config], mount it in an HTTP server and run it:
//
//	srv, err := ignis.New(ignis.Config{Authenticate: authenticate})
//	mux.Handle(wire.DefaultPath, srv)
//	err = srv.Run(ctx)
//
// [Server.Send] sends an event to an [Address] on all instances: [ToRoom], [ToUser],
// [ToClient] or [ToEveryone]. [Server.SendLocal] reaches the clients of this instance.
// Callbacks see a [Client], whose identity is fixed; who is here [Server.Client]
// and its siblings tell, as [ClientInfo], snapshots with rooms and state; for numbers, [Server.Stats]; for probes, [Server.Health].
//
// Clients can be encrypted one by one ([Config].Encryption; package seal): what they
// are sent is sealed on its way out, in order.
//
// Elsewhere in this module: redisbus connects instances over Redis; emitter sends
// from processes that run no server; client connects to a server; ignistest runs
// servers in memory for tests; wire is the protocol itself; cmd/ignis is all of it as
// one program.
package ignis
