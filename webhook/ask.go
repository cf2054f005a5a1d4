package webhook

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/ignis-go/ignis/internal/printable"
)

// answer is what an endpoint has answered.
type answer struct {
	status     int
	retryAfter time.Duration // 0 if the endpoint did not say
	body       []byte
}

// accepted reports whether the status says that all is well.
func (a answer) accepted() bool { return a.status >= 200 && a.status <= 299 }

// text returns the beginning of the body for a log.
func (a answer) text() string {
	return printable.Text(strings.TrimSpace(string(a.body[:min(len(a.body), 2*maxText)])), maxText)
}

// maxText is the maximum number of bytes of an answer in an error.
const maxText = 200

// errTimeout tells that a request has reached its own timeout.
var errTimeout = errors.New("no answer in time")

// ask sends a question and reads the answer with read. With wait set, it waits for its
// turn. data is called only if the question is sent. Errors are those of read, a
// *failure, or the error of ctx.
func (c *Client) ask(ctx context.Context, e *endpoint, wait bool, data func() any, read func(answer) error) error {
	err := c.askOnce(ctx, e, wait, data, read)
	e.count(err)
	if f, failed := errors.AsType[*failure](err); failed && f.cause == CauseCanceled && ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

func (c *Client) askOnce(ctx context.Context, e *endpoint, wait bool, data func() any, read func(answer) error) (err error) {
	timed, cancel := context.WithTimeoutCause(ctx, e.timeout, errTimeout)
	defer cancel()
	if !e.enter(timed, wait) {
		if ctx.Err() != nil {
			return &failure{kind: e.kind, cause: CauseCanceled}
		}
		return &failure{kind: e.kind, cause: CauseBusy}
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

// count counts the outcome of a request: the endpoint accepted, it refused, or the request
// failed.
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

// report passes a result to the circuit, and logs what follows from it.
func (c *Client) report(e *endpoint, p pass, r result, err error) {
	switch s, changed := e.circuit.report(p, r); {
	case !changed:
	case s == CircuitOpen:
		c.limit.Log(slog.LevelWarn, "webhook: circuit opened", "error", err)
	case s == CircuitClosed:
		c.limit.Log(slog.LevelInfo, "webhook: circuit closed, the endpoint works again", "cause", e.kind)
	}
}

// post sends one request, once, and returns the answer whatever its status. The error is a
// *failure.
func (c *Client) post(ctx context.Context, e *endpoint, id string, body []byte) (answer, error) {
	fail := func(cause Cause, err error) (answer, error) {
		return answer{}, &failure{kind: e.kind, cause: cause, err: err}
	}
	timestamp := strconv.FormatInt(time.Now().Unix(), 10)
	r := &http.Request{
		Method: http.MethodPost,
		URL:    e.url,
		Header: http.Header{
			"Content-Type":  {"application/json"},
			"Accept":        {"application/json"},
			"User-Agent":    {"ignis-webhook"},
			headerID:        {id},
			headerTimestamp: {timestamp},
			headerSignature: {c.keys.Load().sign(id, timestamp, body)},
		},
		Body:          io.NopCloser(bytes.NewReader(body)),
		ContentLength: int64(len(body)),
		// With this, net/http repeats a request of which nothing has been written.
		GetBody: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil },
	}
	e.counts.sent()
	defer e.counts.answered()
	resp, err := c.transport.RoundTrip(r.WithContext(ctx))
	if err != nil {
		return fail(brokenBy(ctx, err), err)
	}
	defer resp.Body.Close()
	limit := int64(c.cfg.MaxAnswer)
	if resp.ContentLength > limit {
		return fail(CauseTooLarge, nil)
	}
	text, err := io.ReadAll(io.LimitReader(resp.Body, limit+1))
	switch {
	case err != nil:
		return fail(brokenBy(ctx, err), err)
	case int64(len(text)) > limit:
		return fail(CauseTooLarge, nil)
	}
	return answer{status: resp.StatusCode, retryAfter: retryAfter(resp.Header), body: text}, nil
}

// brokenBy returns why a request has got no answer.
func brokenBy(ctx context.Context, err error) Cause {
	switch timeout, ok := errors.AsType[net.Error](err); {
	case errors.Is(context.Cause(ctx), errTimeout), errors.Is(ctx.Err(), context.DeadlineExceeded):
		return CauseTimeout
	case ctx.Err() != nil:
		return CauseCanceled
	case ok && timeout.Timeout():
		return CauseTimeout
	}
	return CauseConnection
}

// retryAfter returns the header Retry-After, if it is a number of seconds.
func retryAfter(h http.Header) time.Duration {
	seconds, err := strconv.ParseUint(h.Get("Retry-After"), 10, 16)
	if err != nil {
		return 0
	}
	return time.Duration(seconds) * time.Second
}

// newID returns an ID for a request. It contains no dot; see [keys.sign].
func newID() string { return "msg_" + rand.Text() }
