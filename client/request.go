package client

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/ignis-go/ignis/wire"
)

// requestPrefix is the prefix of the IDs of requests. It distinguishes them from IDs that
// the application chooses.
const requestPrefix = "#"

// Error is the server's answer to a request that it refused or could not carry out. The
// errors of [Dial] wrap one if the server says why it does not accept the client.
type Error struct {
	Code    wire.ErrorCode // for programs; empty in protocol 1
	Message string         // human-readable, as the server sent it; may be empty
}

// Error returns the code and the message.
func (e *Error) Error() string {
	s := "the server refused: " + codeText(e.Code)
	if e.Message != "" {
		s += fmt.Sprintf(" %.200q", e.Message)
	}
	return s
}

// codeText returns a code of the protocol unchanged, and quotes any other code, which may
// be any text.
func codeText(code wire.ErrorCode) string {
	if slices.Contains(wire.ErrorCodes(), code) {
		return string(code)
	}
	return fmt.Sprintf("%.64q", string(code))
}

// Request sends an event with data v, as [Conn.Send] does, and waits for the server's
// answer. The data of the answer is the reply of the server's handler; it is nil if
// there was no reply. If the server refuses the request, the error wraps an [*Error].
//
// The goroutine that calls [Conn.Receive] may also call Request: messages that arrive
// before the answer wait for Receive, up to 4096 messages or 16 MiB. Beyond that, the
// answer arrives only if another goroutine calls Receive.
//
// If ctx is done first, Request returns ctx's error and the answer is dropped; the
// server may have carried out the request. If the connection ends first, Request
// returns the error that Receive returns. The error wraps [ErrNoAnswers] if the
// server uses protocol 1.
func (c *Conn) Request(ctx context.Context, event string, v any) (wire.Message, error) {
	data, err := wire.EncodeData(v)
	if err != nil {
		return wire.Message{}, fmt.Errorf("event %q: %w", event, err)
	}
	return c.RequestMessage(ctx, wire.Message{Event: event, Data: data})
}

// RequestMessage is like [Conn.Request] for a complete message, which may name a
// room. The message must not have an ID; RequestMessage chooses one.
func (c *Conn) RequestMessage(ctx context.Context, m wire.Message) (wire.Message, error) {
	if m.ID != "" {
		return wire.Message{}, fmt.Errorf("event %q: a request must not have an ID: the client chooses one", m.Event)
	}
	if c.connected.Protocol < 2 {
		return wire.Message{}, fmt.Errorf("event %q: %w", m.Event, ErrNoAnswers)
	}
	id, answer, err := c.requests.begin(c.cfg.MaxRequests)
	if err != nil {
		return wire.Message{}, fmt.Errorf("event %q: %w", m.Event, err)
	}
	c.in.await(1)
	defer c.in.await(-1)
	m.ID = id
	if taken, err := c.sendMessage(ctx, m); err != nil {
		c.requests.abandon(id, taken)
		return wire.Message{}, err
	}
	var reply wire.Message
	select {
	case reply = <-answer:
	case <-ctx.Done():
		c.requests.abandon(id, true)
		return wire.Message{}, ctx.Err()
	case <-c.over:
		select {
		case reply = <-answer: // the answer came before the end
		default:
			return wire.Message{}, c.err
		}
	}
	if reply.Event == wire.EventAck {
		return reply, nil
	}
	var why wire.ErrorData
	if err := reply.Decode(&why); err != nil {
		return wire.Message{}, fmt.Errorf("event %q: %w: answer: %w", m.Event, ErrProtocol, err)
	}
	return wire.Message{}, fmt.Errorf("event %q: %w", m.Event, &Error{why.Code, why.Message})
}

// requests matches answers with requests.
type requests struct {
	mu   sync.Mutex
	last uint64
	// open holds the unanswered requests by ID. A channel has room for the answer; it
	// is nil if the request was abandoned.
	open map[string]chan wire.Message
}

// begin registers a request and chooses its ID.
func (r *requests) begin(limit int) (id string, answer <-chan wire.Message, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.open) >= limit {
		return "", nil, fmt.Errorf("%d requests are waiting for their answers: see Config.MaxRequests", limit)
	}
	if r.open == nil {
		r.open = make(map[string]chan wire.Message)
	}
	r.last++
	id = requestPrefix + strconv.FormatUint(r.last, 10)
	c := make(chan wire.Message, 1)
	r.open[id] = c
	return id, c, nil
}

// abandon records that the answer to a request is not needed. If the request was sent, its
// ID remains registered until the answer arrives.
func (r *requests) abandon(id string, sent bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, open := r.open[id]; !open {
		return
	}
	if sent {
		r.open[id] = nil
	} else {
		delete(r.open, id)
	}
}

// take delivers m if it is the answer to a request, and reports whether it is.
func (r *requests) take(m wire.Message) bool {
	if m.Event != wire.EventAck && m.Event != wire.EventError {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	answer, ok := r.open[m.ID]
	delete(r.open, m.ID)
	if answer != nil {
		answer <- m
	}
	return ok
}

// checkID returns an error for an ID that could belong to a request.
func checkID(m wire.Message) error {
	if strings.HasPrefix(m.ID, requestPrefix) {
		return fmt.Errorf("message ID %.64q starts with %q, which is reserved for Conn.Request", m.ID, requestPrefix)
	}
	return nil
}
