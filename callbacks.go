package ignis

import (
	"errors"
	"fmt"
	"runtime/debug"
)

// panicError is the error for a callback that panicked.
type panicError struct{ value any }

func (e *panicError) Error() string { return fmt.Sprintf("panic: %v", e.value) }

// call calls a function of the application. It recovers from a panic, counts and logs it,
// and returns it as an error. It also counts and logs a call of runtime.Goexit, for
// example by the FailNow method of a test, but cannot prevent the goroutine from ending.
// If the call concerns no client, c is nil.
func (s *Server) call(name string, c *session, f func() error) (err error) {
	s.counts.running.Add(1)
	returned := false
	defer func() {
		s.counts.running.Add(-1)
		if returned {
			return
		}
		if p := recover(); p != nil {
			err = s.panicked(name, c, p)
			return
		}
		s.counts.callbackErrors.Add(1)
		s.errorf(name+" called runtime.Goexit", about(c)...)
	}()
	err = f()
	returned = true
	return err
}

// panicked counts and logs a panic with the value p, and returns it as an error.
func (s *Server) panicked(name string, c *session, p any) error {
	s.counts.callbackErrors.Add(1)
	s.counts.panics.Add(1)
	s.errorf(name+" panicked", append(about(c), "panic", p, "stack", string(debug.Stack()))...)
	return &panicError{p}
}

// about returns the log attributes that identify a client, or nil for no client.
func about(c *session) []any {
	if c == nil {
		return nil
	}
	return []any{"client", c.member.ID}
}

// callbackFailed counts and logs an error of a callback. Panics are ignored because call
// has already counted and logged them.
func (c *session) callbackFailed(name string, err error) {
	s := c.server
	var p *panicError
	if err == nil || errors.As(err, &p) {
		return
	}
	s.counts.callbackErrors.Add(1)
	s.warn(name+" failed", "client", c.member.ID, "error", err)
}
