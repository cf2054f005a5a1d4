// Package emitter sends events to the clients of an Ignis cluster from a process
// that has no clients itself: a worker, a cron job, a command. It publishes what the
// servers then deliver, to servers of this project and of Ignis alike; no server needs
// to run in the process.
//
//	p, err := redisbus.Dial(ctx, redisbus.Config{URL: "redis://127.0.0.1:6379"})
//	defer p.Close()
//	e, err := emitter.New(p, emitter.Config{})
//	err = e.Send(ctx, wire.ToUser("42"), "report:ready", report)
//
// A call returns when the bus has taken the message, which does not say that a server
// was there to hear it. [Emitter.SendAll] sends many messages with less waiting. A
// process that does run a server sends through it instead: its Send has the same
// parameters, so code can take either by an interface.
//
// The bus is whatever implements [Publisher]. A test needs no Redis: a function that
// keeps what it is given, or the buses in memory of package bustest, will do.
package emitter
