package webhook

import (
	"context"
	"errors"
	"log/slog"
	"time"
)

// errTimeout is the cause of the end of a request's context if the request took too long.
var errTimeout = errors.New("no answer in time")

// ask sends a question when it is its turn, and passes the answer to read. It calls data
// only if the question is sent. The error is that of read, a *failure, or the error of ctx.
func (c *Client) ask(ctx context.Context, e *endpoint, data func() any, read func(answer) error) error {
	err := c.askOnce(ctx, e, data, read)
	e.count(err)
	if f, failed := errors.AsType[*failure](err); failed && f.cause == CauseCanceled && ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

func (c *Client) askOnce(ctx context.Context, e *endpoint, data func() any, read func(answer) error) (err error) {
	timed, cancel := context.WithTimeoutCause(ctx, e.timeout, errTimeout)
	defer cancel()
	if cause := e.enter(timed); cause != "" {
		return &failure{kind: e.kind, cause: cause}
	}
	defer e.leave()
	p, _, ok := e.circuit.admit()
	if !ok {
		return &failure{kind: e.kind, cause: CauseCircuit}
	}
	r := resultNone // if data panics
	defer func() { c.report(e, p, r, err) }()
	body, err := c.encode(e.kind, data())
	if err != nil {
		return &failure{kind: e.kind, cause: CauseRequest, err: err}
	}
	a, err := c.post(timed, e, newID(), body)
	if err == nil {
		err = read(a)
	}
	r = resultOf(a, err)
	return err
}

// enter waits until fewer than MaxConcurrent questions are in flight, and takes one of
// their places. Otherwise it returns the reason why the question is not sent.
func (e *endpoint) enter(ctx context.Context) Cause {
	select {
	case e.slots <- struct{}{}:
		return ""
	default:
	}
	if !e.counts.wait(e.maxWaiting) {
		return CauseBusy
	}
	defer e.counts.waited()
	select {
	case e.slots <- struct{}{}:
		return ""
	case <-ctx.Done():
		if errors.Is(context.Cause(ctx), errTimeout) {
			return CauseBusy
		}
		return CauseCanceled
	}
}

func (e *endpoint) leave() { <-e.slots }

// count counts the outcome of a request: accepted, refused or failed.
func (e *endpoint) count(err error) {
	f, failed := errors.AsType[*failure](err)
	switch {
	case err == nil:
		e.counts.accept()
	case failed:
		e.counts.fail(f.cause)
	default:
		e.counts.refuse()
	}
}

// resultOf returns what the outcome of a request says about the endpoint.
func resultOf(a answer, err error) result {
	if f, failed := errors.AsType[*failure](err); failed {
		return f.result(a.status)
	}
	return resultWorks
}

// report passes the result of a request to the circuit, and logs a change of its state.
func (c *Client) report(e *endpoint, p pass, r result, err error) {
	switch s, changed := e.circuit.report(p, r); {
	case !changed:
	case s == CircuitOpen:
		c.limit.Log(slog.LevelWarn, "webhook: circuit opened", "error", err)
	case s == CircuitClosed:
		c.limit.Log(slog.LevelInfo, "webhook: circuit closed, the endpoint works again", "cause", e.kind)
	}
}

// sleep waits, and reports false if ctx ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
