package ignis

import (
	"errors"
	"fmt"
	"runtime/debug"
)

// panicError is a panic of a callback.
type panicError struct{ value any }

func (e *panicError) Error() string { return fmt.Sprintf("panic: %v", e.value) }

// call calls the application. It turns a panic into an error, which is counted and
// logged. A callback that ends its goroutine (runtime.Goexit, which is what FailNow of
// a test does) is counted and logged, too, but nothing can stop that here. Without a
// client, c is nil.
func (s *Server) call(name string, c *session, f func() error) (err error) {
	s.counts.running.Add(1)
	returned := false
	defer func() {
		s.counts.running.Add(-1)
		if returned {
			return
		}
		s.counts.callbackErrors.Add(1)
		p := recover()
		var who []any
		if c != nil {
			who = []any{"client", c.member.ID}
		}
		if p == nil {
			s.errorf(name+" ended its goroutine", who...)
			return
		}
		s.counts.panics.Add(1)
		s.errorf(name+" panicked", append(who, "panic", p, "stack", string(debug.Stack()))...)
		err = &panicError{p}
	}()
	err = f()
	returned = true
	return err
}

// callbackFailed counts and logs the error of a callback; call has done so with
// panics.
func (c *session) callbackFailed(name string, err error) {
	s := c.server
	var p *panicError
	if err == nil || errors.As(err, &p) {
		return
	}
	s.counts.callbackErrors.Add(1)
	s.warn(name+" failed", "client", c.member.ID, "error", err)
}
