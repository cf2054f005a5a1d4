package httpapi

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"
)

// maxCommandBody is the maximum size in bytes of the body of a command, whose arguments must fit
// into wire.MaxCommand.
const maxCommandBody = 64 << 10

// maxKeptBody is the maximum size in bytes of a buffer that is kept for another request.
const maxKeptBody = 64 << 10

var bodies = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// readBody reads the body, in time and up to the limit.
func (c *call) readBody() *problem {
	r, limit := c.r, int64(c.op.body)
	c.expectBody()
	if e := r.Header.Get("Content-Encoding"); e != "" && e != "identity" {
		return problemMediaType.problem("The body must not be compressed.")
	}
	if r.ContentLength > limit {
		return c.bodyTooLarge()
	}
	b := bodies.Get().(*bytes.Buffer)
	b.Reset()
	if n := r.ContentLength; n > 0 {
		b.Grow(int(min(n, maxKeptBody)) + bytes.MinRead)
	}
	c.limited = io.LimitedReader{R: r.Body, N: limit + 1}
	n, err := b.ReadFrom(&c.limited)
	c.buffer, c.body = b, b.Bytes()
	switch {
	case err == nil && n <= limit:
		// The deadline must not expire while the operation is executed, because that
		// would cancel the context of the request.
		c.setDeadline(time.Time{})
		return nil
	case err == nil:
		return c.bodyTooLarge()
	}
	if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() {
		return problemTimeout.problem(fmt.Sprintf("The body must arrive within %v.", c.h.cfg.BodyTimeout))
	}
	return problemMalformed.problem("The body is incomplete.")
}

// bodySize returns the size of the body, or the largest allowed one if it is not known.
func (c *call) bodySize() int64 {
	if n := c.r.ContentLength; n >= 0 && n < int64(c.op.body) {
		return n
	}
	return int64(c.op.body)
}

// expectBody limits the time in which the body must arrive. Before an answer, package net/http
// reads the rest of a body that was not read, and would wait for it without a limit.
func (c *call) expectBody() { c.setDeadline(time.Now().Add(c.h.cfg.BodyTimeout)) }

func (c *call) setDeadline(t time.Time) {
	_ = http.NewResponseController(c.w).SetReadDeadline(t) // not supported by the ResponseWriter of some middleware
}

func (c *call) bodyTooLarge() *problem {
	return problemTooLarge.problem(fmt.Sprintf("The body may have at most %d bytes.", c.op.body))
}

// freeBody keeps the buffer of the body for another request.
func (c *call) freeBody() {
	if b := c.buffer; b != nil && b.Cap() <= maxKeptBody {
		c.buffer, c.body = nil, nil
		bodies.Put(b)
	}
}
