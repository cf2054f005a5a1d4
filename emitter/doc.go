// Package emitter sends events to the clients of an Ignis cluster from a process that does
// not run a server, such as a worker, a cron job or a command. It publishes messages on
// the bus, and the servers deliver them, whether they are servers of this module or of
// Ignis on Bun.
//
//	p, err := redisbus.Dial(ctx, redisbus.Config{URL: "redis://127.0.0.1:6379"})
//	defer p.Close()
//	e, err := emitter.New(p, emitter.Config{})
//	err = e.Send(ctx, wire.ToUser("42"), "report:ready", report)
//
// A call returns when the bus has accepted the message, which does not mean that a server
// has received it. [Emitter.SendAll] sends many messages in fewer round trips. A process
// that runs a server sends through the server instead. The Send methods of both have the
// same parameters, so code can accept either through an interface.
//
// Any [Publisher] can serve as the bus. Package httppublisher sends through the HTTP API of a
// server, for workers that cannot reach Redis. Tests do not need Redis either: they can use a Publisher
// that records its arguments, or the one of package bustest, which works in memory.
package emitter
