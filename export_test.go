package ignis

import (
	"context"
	"net"
)

// IsClientID is isClientID for tests.
var IsClientID = isClientID

// Adopt gives the server a connection as if it had come through ServeHTTP.
func Adopt(s *Server, nc net.Conn) {
	if !s.enter() {
		panic("the server does not run")
	}
	s.accepted <- upgraded{nc: nc}
}

// Receive gives the server an envelope as its bus does.
func Receive(s *Server, envelope []byte) { s.receive(envelope) }

// Serve serves a connection that ServeHTTP accepted at the last moment.
func Serve(s *Server, nc net.Conn) { s.serve(context.Background(), upgraded{nc: nc}) }
