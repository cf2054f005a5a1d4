package httppublisher

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/ignis-go/ignis/wire"
)

// maxAnswer is the maximum size of an answer that is read, in bytes.
const maxAnswer = 1 << 20

// problemPrefix is the beginning of the types of problems.
const problemPrefix = "urn:ignis:problem:"

// Error is an answer that is not a success.
type Error struct {
	// Status is the HTTP status.
	Status int
	// Type is the type of the problem, such as urn:ignis:problem:forbidden. It is empty if the
	// answer does not come from the API, but for example from a proxy.
	Type string
	// Detail says what is wrong.
	Detail string
	// RequestID identifies the request in the log of the server.
	RequestID string

	messages   []messageResult
	local      bool // something was done on the server that has answered
	retryAfter time.Duration
}

type messageResult struct {
	LocalRecipients int
	HandedToBus     bool
}

func (e *Error) Error() string {
	text := "the server answers " + strconv.Itoa(e.Status)
	if e.Type != "" {
		text += " " + strings.TrimPrefix(e.Type, problemPrefix)
	}
	if e.Detail != "" {
		text += ": " + e.Detail
	}
	if e.RequestID != "" {
		text += " (request " + e.RequestID + ")"
	}
	return text
}

func (e *Error) is(kind string) bool { return e.Type == problemPrefix+kind }

// temporary reports whether the same request may succeed later.
func (e *Error) temporary() bool {
	switch strings.TrimPrefix(e.Type, problemPrefix) {
	case "rate-limited", "overloaded", "not-running", "idempotency-unavailable", "idempotency-in-progress":
		return true
	case "bus-unavailable":
		return !e.local
	case "":
		return e.Status == http.StatusBadGateway || e.Status == http.StatusServiceUnavailable || e.Status == http.StatusGatewayTimeout
	}
	return false
}

// executed reports whether the request may have been executed.
func (e *Error) executed() bool {
	switch strings.TrimPrefix(e.Type, problemPrefix) {
	case "", "idempotency-unknown", "idempotency-in-progress", "internal", "no-commands", "too-many-revocations":
		return true
	}
	return e.local
}

// request is a request to the API.
type request struct {
	path        string
	body        []byte
	id          string // the idempotency key; empty: a random one
	traceparent string // may be empty
}

// post sends a request until an answer arrives. The error wraps wire.ErrNotSent if no attempt
// can have been executed.
func (p *Publisher) post(ctx context.Context, req request) error {
	if ctx.Err() != nil {
		return fmt.Errorf("%w: %w", wire.ErrNotSent, context.Cause(ctx))
	}
	if req.id == "" {
		req.id = rand.Text()
	}
	if p.cfg.Attempts == 1 {
		req.id = ""
	}
	executed := false
	for attempt := 1; ; attempt++ {
		now, err := p.try(ctx, &req)
		if err == nil {
			return nil
		}
		executed = executed || now
		answer, answered := errors.AsType[*Error](err)
		if attempt < p.cfg.Attempts && (!answered || answer.temporary()) && p.pause(ctx, answer) {
			continue
		}
		if executed {
			return err
		}
		return fmt.Errorf("%w: %w", wire.ErrNotSent, err)
	}
}

// maxRetryAfter is the longest time that the server may ask for before the next attempt.
const maxRetryAfter = 30 * time.Second

// pause waits before the next attempt. It reports false if ctx ends first, or if the server asks
// for too long a time.
func (p *Publisher) pause(ctx context.Context, answer *Error) bool {
	d := p.cfg.Pause
	if answer != nil {
		if answer.retryAfter > maxRetryAfter {
			return false
		}
		d = max(d, answer.retryAfter)
	}
	if end, ok := ctx.Deadline(); ok && time.Until(end) < d {
		return false
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// try sends a request once. If it fails, try reports whether the request may have been executed.
func (p *Publisher) try(ctx context.Context, req *request) (executed bool, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, p.base+req.path, bytes.NewReader(req.body))
	if err != nil {
		return false, err
	}
	r.Header.Set("Authorization", "Bearer "+p.cfg.Key)
	r.Header.Set("Content-Type", "application/json")
	if req.id != "" {
		r.Header.Set("Idempotency-Key", req.id)
	}
	if req.traceparent != "" {
		r.Header.Set("Traceparent", req.traceparent)
	}
	res, err := p.cfg.Client.Do(r)
	if err != nil {
		failed, ok := errors.AsType[*net.OpError](err)
		return !ok || failed.Op != "dial", err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if res.StatusCode == http.StatusOK {
		return true, nil // the body is not needed
	}
	if err != nil {
		return true, err
	}
	e := newError(res, text)
	return e.executed(), e
}

// newError returns the error for an answer.
func newError(res *http.Response, text []byte) *Error {
	e := &Error{Status: res.StatusCode, RequestID: printable(res.Header.Get("X-Request-Id"))}
	var p struct {
		Type, Detail                  string
		Messages                      []messageResult
		LocalRecipients, LocalClients *int
	}
	if json.Unmarshal(text, &p) == nil && strings.HasPrefix(p.Type, problemPrefix) {
		e.Type, e.Detail, e.messages = printable(p.Type), printable(p.Detail), p.Messages
		e.local = p.LocalRecipients != nil || p.LocalClients != nil
	}
	if seconds, err := strconv.Atoi(res.Header.Get("Retry-After")); err == nil && seconds > 0 {
		e.retryAfter = time.Duration(min(seconds, 3600)) * time.Second
	}
	return e
}

// printable returns text for an error message, without characters that control a terminal or the
// direction of text.
func printable(text string) string {
	text = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, text)
	return fmt.Sprintf("%.500s", text)
}
