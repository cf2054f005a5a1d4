// Package wire is the protocol of Ignis as data: the JSON messages that
// clients and servers exchange, the envelopes that servers and emitters
// exchange over Redis, and the names, channels and codes that both sides agree
// on. It does no I/O, keeps no state and needs the standard library alone, so
// it can be read as the specification and used from any program.
//
// A client and a server exchange JSON text of one shape, [Message]:
//
//	{"event":"chat","data":{"text":"hello"},"id":"optional"}
//
// Servers and emitters exchange an [Envelope] around an event:
//
//	{"serverId":"…","type":"room","target":"lobby","event":"chat","data":…}
//
// The data of a message is opaque here: it is checked to be JSON and carried
// byte for byte, never decoded and encoded again. A number too large for a
// float64 arrives as it was sent.
//
// Facts about the format come from the protocol section of the Ignis WebSocket
// guide and from observing Ignis 0.0.7.
package wire
