// Package emitter sends events to the clients of an Ignis cluster from a process
// that has no clients itself: a worker, a cron job, a command. It publishes over
// Redis what the servers then deliver, to servers of this project and of Ignis
// alike; no server needs to run in the process.
//
//	e, err := emitter.Dial(ctx, "redis://127.0.0.1:6379")
//	defer e.Close()
//	err = e.Send(ctx, wire.ToUser("42"), "report:ready", report)
//
// Each call returns when Redis has taken the message, which does not say that a
// server was there to hear it. [Emitter.Send] takes many messages in one round
// trip. A process that does run a server sends through it instead.
package emitter
