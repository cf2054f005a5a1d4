package ignis

import (
	"net"
	"runtime"
	"unsafe"
)

// IsClientID is isClientID for tests.
var IsClientID = isClientID

// Adopt gives the server a connection as if it had come through ServeHTTP.
func Adopt(s *Server, nc net.Conn) {
	if !s.enter() {
		panic("the server does not run")
	}
	s.serve(nc, nil, 0)
}

// Serve serves a connection that ServeHTTP accepted at the last moment.
func Serve(s *Server, nc net.Conn) {
	s.tasks.Add(1)
	s.serve(nc, nil, 0)
}

// Settle waits until the kernel has all that was sent to anybody.
func Settle(s *Server) {
	for _, c := range s.reg.AppendAll(nil) {
		for c.conn.Queued() > 0 {
			runtime.Gosched()
		}
	}
}

// Receive gives the server an envelope as its bus does.
func Receive(s *Server, envelopes ...[]byte) { s.receive(envelopes...) }

// Runs returns how many of the messages in envelopes are delivered together, in order.
func Runs(s *Server, envelopes ...[]byte) (sizes []int) {
	for r := range s.runs(envelopes) {
		sizes = append(sizes, len(r.messages))
	}
	return sizes
}

// ClientSize is what a client takes, without what hangs on it.
const ClientSize = unsafe.Sizeof(client{})
