// Package wire defines the protocol of Ignis: the JSON messages between clients and
// servers, the envelopes that servers and emitters exchange over Redis, and the names,
// channels, codes and limits that both sides agree on. It performs no I/O, keeps no state
// and depends only on the standard library, so any program can use it, and it can be read
// as a specification.
//
// A client and a server exchange messages as JSON; see [Message]:
//
//	{"event":"chat","data":{"text":"hello"},"id":"optional"}
//
// Servers and emitters exchange events in envelopes; see [Envelope]:
//
//	{"serverId":"…","type":"room","target":"lobby","event":"chat","data":…}
//
// The package does not interpret the data of a message. It checks that the data is valid
// JSON and copies it byte for byte, so that, for example, numbers too large for a float64
// are preserved.
//
// The format is based on the protocol section of the Ignis WebSocket guide and on
// observations of Ignis 0.0.7.
package wire
