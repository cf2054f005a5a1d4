package ignis

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync/atomic"
	"time"
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
		if !returned {
			err = s.failed(name, c, recover())
		}
	}()
	err = f()
	returned = true
	return err
}

// failed counts and logs a function of the application that did not return. p is the value
// of its panic, or nil if it called runtime.Goexit. failed returns an error only for a panic.
func (s *Server) failed(name string, c *session, p any) error {
	if p != nil {
		return s.panicked(name, c, p)
	}
	s.counts.callbackErrors.Add(1)
	s.errorf(name+" called runtime.Goexit", about(c)...)
	return nil
}

// Callback identifies a function of [Config] in [CallbackReturnedInfo].
type Callback uint8

// The callbacks. Functions that are called for each message to a client, such as BeforeSeal,
// are not among them.
const (
	CallbackAccept Callback = iota
	CallbackAuthenticate
	CallbackAgreeKeys
	CallbackValidateRooms
	CallbackOnConnect
	CallbackOnJoin
	CallbackOnLeave
	CallbackOnMessage
	CallbackOnDisconnect
	CallbackOnBusGap
)

var callbackNames = [...]string{
	"Accept", "Authenticate", "AgreeKeys", "ValidateRooms", "OnConnect", "OnJoin", "OnLeave", "OnMessage",
	"OnDisconnect", "OnBusGap",
}

// String returns the name of the field of Config.
func (b Callback) String() string {
	if int(b) < len(callbackNames) {
		return callbackNames[b]
	}
	return fmt.Sprintf("Callback(%d)", uint8(b))
}

// timed is like call, and calls Hooks.CallbackReturned.
func (s *Server) timed(b Callback, c *session, f func() error) (err error) {
	return s.timedFor(1, b, c, f)
}

// timedFor is like timed. It passes calls, the number of calls that this one stands for, to
// Hooks.CallbackReturned. If calls is 0, it does not call the hook.
func (s *Server) timedFor(calls int, b Callback, c *session, f func() error) (err error) {
	if calls > 0 && s.cfg.Hooks.CallbackReturned != nil {
		began := s.uptime()
		defer func() { s.returned(b, c, calls, err, began) }() // also if f calls runtime.Goexit
	}
	return s.call(callbackNames[b], c, f)
}

// returned calls Hooks.CallbackReturned for a callback that was called at the uptime began.
func (s *Server) returned(b Callback, c *session, calls int, err error, began int64) {
	info := CallbackReturnedInfo{Callback: b, Calls: calls, Err: err, Duration: time.Duration(s.uptime() - began)}
	if c != nil {
		info.ClientID = c.member.ID
	}
	hook(s, "CallbackReturned", s.cfg.Hooks.CallbackReturned, info)
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
	p := c.profile()
	return []any{"client", p.ID, "user", p.UserID, "remote", p.RemoteAddr}
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
	s.warn(name+" failed", append(about(c), "error", err)...)
}

// abandoned reports, and logs, that a callback failed only because the client disconnected, which ends
// the context of its callbacks.
func (c *session) abandoned(ctx context.Context, name string, err error) bool {
	if !canceled(ctx, err) {
		return false
	}
	c.server.cfg.Logger.Debug(name+" was canceled: the client has disconnected", "client", c.member.ID)
	return true
}

// canceled reports whether a callback failed because its context has ended.
func canceled(ctx context.Context, err error) bool {
	return ctx.Err() != nil && errors.Is(err, context.Canceled)
}

// samples selects the calls of OnMessage that are measured. Reading the clock twice for each
// message would take a tenth of the time that a server needs for a message in a burst.
type samples struct {
	number atomic.Uint64 // of the last message that was selected
	at     atomic.Int64  // the server's uptime when it arrived, in nanoseconds
}

// At least one in sampleRate messages is measured, and each message that arrives more than
// sampleTime after the last measured one. So nearly all are measured unless there are many.
const (
	sampleRate = 64
	sampleTime = time.Millisecond
)

// take decides whether to measure the message with this number, which arrived at the uptime
// at. If so, it returns the number of messages since the last measured one, for which this
// one stands. Otherwise it returns 0.
func (s *samples) take(number uint64, at int64) (calls int) {
	last := s.number.Load()
	if number <= last || last > 0 && number-last < sampleRate && time.Duration(at-s.at.Load()) < sampleTime {
		return 0
	}
	if !s.number.CompareAndSwap(last, number) {
		return 0
	}
	s.at.Store(at)
	return int(number - last)
}
