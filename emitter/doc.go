// Package emitter sends events to the clients of an Ignis cluster from a process that
// runs no server, such as a worker, a cron job or a command. It publishes the events,
// and the servers of the cluster, those of this project and of the original Ignis,
// deliver them.
//
//	p, err := redisbus.Dial(ctx, redisbus.Config{URL: "redis://127.0.0.1:6379"})
//	defer p.Close()
//	e, err := emitter.New(p, emitter.Config{})
//	err = e.Send(ctx, wire.ToUser("42"), "report:ready", report)
//
// A call returns when the bus has accepted the message. It does not report whether a
// server received it. [Emitter.SendAll] sends many messages in fewer round trips. A
// process that runs a server should send through the server instead. Its Send method
// has the same parameters, so an interface with that method covers both.
//
// The bus is any implementation of [Publisher]. Tests do not need Redis: they can use
// an in-memory bus of package bustest, or their own Publisher that records its
// arguments.
package emitter
