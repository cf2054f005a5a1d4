package webhook

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"mime"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/internal/printable"
)

// answer is an endpoint's response to a request.
type answer struct {
	status     int
	retryAfter time.Duration // 0 if the endpoint did not set it
	body       []byte
	text       string // the beginning of the body for the log; may be empty
}

// accepted reports whether the status is one from 200 to 299.
func (a answer) accepted() bool { return a.status >= 200 && a.status <= 299 }

// detail returns the status and the text for an error.
func (a answer) detail() string {
	s := strconv.Itoa(a.status)
	switch {
	case a.status >= 300 && a.status <= 399:
		return s + " (redirects are not followed: configure the final URL)"
	case a.text != "":
		return s + ": " + a.text
	}
	return s
}

// post sends one request and returns the answer, whatever its status. The error is a
// *failure.
func (c *Client) post(ctx context.Context, e *endpoint, id string, body []byte) (answer, error) {
	e.counts.sent()
	defer e.counts.answered()
	if c.cfg.Requested != nil {
		began := time.Now()
		defer func() { c.cfg.Requested(RequestInfo{Type: e.kind, Duration: time.Since(began)}) }()
	}
	if c.cfg.Tracer != nil {
		return c.exchangeTraced(ctx, e, c.newRequest(e, id, body), body)
	}
	return c.exchange(ctx, e, c.newRequest(e, id, body), body)
}

// exchangeTraced is like exchange, in a span.
func (c *Client) exchangeTraced(ctx context.Context, e *endpoint, r *http.Request, body []byte) (a answer, err error) {
	ctx, end := c.cfg.Tracer.StartSpan(ctx, ignis.Span{Kind: ignis.SpanWebhook, Event: e.kind, Header: r.Header})
	defer func() {
		result := ignis.SpanEnd{Status: a.status, Err: err}
		if err == nil && a.status >= http.StatusInternalServerError {
			result.Err = errors.New("the endpoint answered " + strconv.Itoa(a.status)) // without its text
		}
		end(result)
	}()
	return c.exchange(ctx, e, r, body)
}

// exchange sends a request with the given body and reads the answer.
func (c *Client) exchange(ctx context.Context, e *endpoint, r *http.Request, body []byte) (answer, error) {
	fail := func(cause Cause, err error) (answer, error) {
		return answer{}, &failure{kind: e.kind, cause: cause, err: err}
	}
	resp, err := c.transport.RoundTrip(r.WithContext(ctx))
	if err != nil {
		return fail(brokenBy(ctx, err), printable.HTTPError(err))
	}
	defer resp.Body.Close()
	limit := int64(c.cfg.MaxAnswer)
	text, err := io.ReadAll(io.LimitReader(resp.Body, limit+1))
	switch {
	case err != nil:
		return fail(brokenBy(ctx, err), err)
	case int64(len(text)) > limit:
		return fail(CauseTooLarge, nil)
	}
	a := answer{status: resp.StatusCode, retryAfter: retryAfter(resp.Header, time.Now()), body: text}
	if !a.accepted() {
		a.text = textForLog(resp.Header, text, body)
	}
	return a, nil
}

// newRequest returns a signed request.
func (c *Client) newRequest(e *endpoint, id string, body []byte) *http.Request {
	timestamp := strconv.FormatInt(time.Now().Unix(), 10)
	open := func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
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
		ContentLength: int64(len(body)),
		// Lets net/http use another connection if the endpoint closed the first one before
		// anything was written.
		GetBody: open,
	}
	r.Body, _ = open()
	return r
}

// brokenBy returns the reason why a request was not answered.
func brokenBy(ctx context.Context, err error) Cause {
	timeout, ok := errors.AsType[net.Error](err)
	switch {
	case errors.Is(context.Cause(ctx), errTimeout):
		return CauseTimeout
	case ctx.Err() != nil:
		return CauseCanceled
	case ok && timeout.Timeout():
		return CauseTimeout
	}
	return CauseConnection
}

// maxRetryAfter is the maximum time for which an endpoint can put off requests.
const maxRetryAfter = 5 * time.Minute

// retryAfter returns the value of the header Retry-After (RFC 9110, section 10.2.3), a
// number of seconds or a date. It is 0 if the header is missing or malformed, and never
// more than maxRetryAfter.
func retryAfter(h http.Header, now time.Time) time.Duration {
	text := strings.TrimSpace(h.Get("Retry-After"))
	if text == "" {
		return 0
	}
	if strings.Trim(text, "0123456789") == "" {
		seconds, err := strconv.ParseUint(text, 10, 64)
		if err != nil || seconds > uint64(maxRetryAfter/time.Second) {
			return maxRetryAfter
		}
		return time.Duration(seconds) * time.Second
	}
	date, err := http.ParseTime(text)
	if err != nil {
		return 0
	}
	return min(max(date.Sub(now), 0), maxRetryAfter)
}

const (
	maxText   = 200 // bytes of an answer in an error
	maxShared = 15  // bytes of a request that an error may repeat
)

// textForLog returns the beginning of an unsuccessful answer, which usually says what is
// wrong. Error pages of frameworks may show the request and the credentials in it. HTML is
// therefore left out, and so is a text that shares more than a few bytes with the request.
func textForLog(h http.Header, answer, request []byte) string {
	kind, _, _ := mime.ParseMediaType(h.Get("Content-Type"))
	if kind != "text/plain" && kind != "application/json" && kind != "application/problem+json" {
		return ""
	}
	text := bytes.TrimSpace(answer[:min(len(answer), maxText)])
	for rest := text; len(rest) > maxShared; rest = rest[1:] {
		if bytes.Contains(request, rest[:maxShared+1]) {
			return ""
		}
	}
	return printable.Text(string(text), maxText)
}

// newID returns an ID for a request. It contains no dot, which separates the ID from the
// timestamp in what is signed.
func newID() string { return "msg_" + rand.Text() }
