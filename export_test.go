package ignis

import (
	"net"
	"reflect"
	"runtime"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/ignis-go/ignis/internal/memory"
	"github.com/ignis-go/ignis/wire"
)

// IsClientID is isClientID for tests.
var IsClientID = isClientID

// WithDefaults returns the configuration that a server with configuration c uses.
func WithDefaults(c Config) (Config, error) { return c.withDefaults() }

// Adopt passes a connection to the server as ServeHTTP does.
func Adopt(s *Server, nc net.Conn) {
	if !s.enter() {
		panic("the server is not running")
	}
	s.serve(nc, nil, 0, Accepted{RemoteAddr: nc.RemoteAddr().String()}, "")
}

// Serve serves a connection that ServeHTTP accepted just before a shutdown.
func Serve(s *Server, nc net.Conn) {
	s.tasks.Add(1)
	s.serve(nc, nil, 0, Accepted{RemoteAddr: nc.RemoteAddr().String()}, "")
}

// Settle waits until the kernel has everything that was sent.
func Settle(s *Server) {
	for _, c := range s.reg.AppendAll(nil) {
		for c.conn.Queued() > 0 {
			runtime.Gosched()
		}
	}
}

// Written waits until the kernel has everything that was sent, except what waits for clients
// that read too slowly.
func Written(s *Server) {
	for _, c := range s.reg.AppendAll(nil) {
		// A writer that blocks is not known to be slow before it is far behind.
		for c.conn.Queued() > 0 && !c.conn.Backpressured() && c.conn.Stuck() < 10*time.Millisecond {
			runtime.Gosched()
		}
	}
}

// Hold makes the server queue messages without writing them.
func Hold(s *Server) {
	for _, c := range s.reg.AppendAll(nil) {
		c.conn.Hold()
	}
}

// Receive passes an envelope to the server as its bus does.
func Receive(s *Server, envelopes ...[]byte) { s.receive(envelopes...) }

// Runs returns the lengths of the runs in which envelopes are delivered, in order.
func Runs(s *Server, envelopes ...[]byte) (sizes []int) {
	for r := range s.runs(envelopes, new(reception)) {
		sizes = append(sizes, len(r.messages))
	}
	return sizes
}

// MinPause is the time between two steps in which clients are warned and closed.
const MinPause = minPause

// ClientSize is the size of a session in bytes, excluding what it points to.
const ClientSize = unsafe.Sizeof(session{})

// RuleCauses is ruleCauses for tests.
var RuleCauses = ruleCauses

// Status returns the HTTP status that corresponds to an error code.
func Status(code wire.ErrorCode) int { return (&Error{Code: code}).status() }

// ErrorFrames returns the number of texts that error events can have.
func ErrorFrames() int { return len(newErrorFrames()) }

// FillCounters sets all counters that only grow to different values, and returns them by
// name.
func FillCounters(s *Server) map[string]uint64 {
	values := make(map[string]uint64)
	v := reflect.ValueOf(&s.counts).Elem()
	for i := range v.NumField() {
		f := v.Field(i)
		if counter, ok := reflect.NewAt(f.Type(), f.Addr().UnsafePointer()).Interface().(*atomic.Uint64); ok {
			counter.Store(uint64(1000 + i))
			values[v.Type().Field(i).Name] = uint64(1000 + i)
		}
	}
	return values
}

// Usage is memory.Usage for tests.
type Usage = memory.Usage

// Measure replaces the measurement of the memory in use. It must be called before Run.
func Measure(s *Server, read func(sockets int64) Usage) { s.memory.use(1<<30, read) }

// Held returns the memory that the server thinks it uses for a client.
func Held(s *Server, id string) int {
	m, _ := s.reg.Get(id)
	return m.Value.held()
}
