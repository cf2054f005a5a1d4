package ignis

import (
	"context"
	"errors"
	"net/http"
	"slices"

	"github.com/ignis-go/ignis/wire"
)

// Tracer records what servers do as spans of distributed traces. Package otelignis
// implements it with OpenTelemetry. The methods are called from the goroutine that does the
// work, so they must return immediately. They are called concurrently and must not panic.
type Tracer interface {
	// StartSpan begins a span, whose parent is the span in ctx. It returns a context with the
	// new span, from which the work continues, and a function that ends the span. The
	// function is called once.
	StartSpan(ctx context.Context, s Span) (context.Context, func(SpanEnd))
	// Inject returns the traceparent (see [wire.ValidTraceparent]) that identifies the span in
	// ctx, so that another process can continue the trace. It is empty if there is no span, or
	// if other processes need not continue the trace because it is not recorded.
	Inject(ctx context.Context) string
	// Extract returns a context in which the span that traceparent identifies is the parent
	// of new spans. It returns ctx if ctx already has a span, or if traceparent is invalid.
	Extract(ctx context.Context, traceparent string) context.Context
}

// SpanKind says what a [Span] stands for. The texts are stable.
type SpanKind string

// The kinds of spans.
const (
	// SpanUpgrade is the request of a client, until the connection is upgraded or refused. Its
	// parent is the span in the context of the request, if there is one. The server does not
	// read the header traceparent of the request, because any stranger can send it.
	SpanUpgrade SpanKind = "upgrade"
	// SpanAuthenticate is the authentication of a client: the calls of Authenticate, AgreeKeys
	// and OnConnect, and the time that it waits for Config.AuthConcurrency. Its parent is the
	// client's SpanUpgrade, if that is recorded. A refresh has such a span, too.
	SpanAuthenticate SpanKind = "authenticate"
	// SpanHandle is a call of OnMessage. It begins a trace, even if the context of the
	// callback has a span, which may have ended long ago.
	SpanHandle SpanKind = "handle"
	// SpanWebhook is a request of package webhook to the application's endpoint.
	SpanWebhook SpanKind = "webhook"
	// SpanPublish is a call of Server.Send or Server.SendAll: queuing the messages for the
	// clients of this instance, and passing them to the bus.
	SpanPublish SpanKind = "publish"
	// SpanDeliver is queuing a message from the bus for the clients of this instance. Its
	// parent is the SpanPublish of another instance, or the span of an emitter. Messages that
	// arrive without a traceparent have no such span.
	SpanDeliver SpanKind = "deliver"
)

// Span describes a span that begins. Fields that do not apply or are not known yet are zero.
// It contains neither credentials nor payloads. Clients choose some of its texts and their
// lengths.
type Span struct {
	Kind             SpanKind
	ClientID, UserID string
	To               Address // SpanPublish and SpanDeliver; of several messages, if they have the same
	Event            string  // like To; for SpanWebhook, the type of the request
	Messages         int     // SpanPublish and SpanDeliver
	// Header is the header of the request that a SpanWebhook stands for. StartSpan may add
	// fields that identify the span.
	Header http.Header
}

// SpanEnd describes a span that ends. Fields that do not apply are zero.
type SpanEnd struct {
	ClientID, UserID string // unless they were known when the span began
	Recipients       int    // SpanPublish and SpanDeliver: clients of this instance, counted once for each message
	Status           int    // the HTTP status with which a request was answered
	// Outcome is one of a few fixed texts: an AuthOutcome, the reason why a request was
	// refused, or the code of the [*Error] of OnMessage.
	Outcome string
	// Err is why it failed. It is nil if a client was refused for a reason that is not a
	// failure of the server or the application.
	Err error
}

// errUnfinished is the error of a span if the work panicked or called runtime.Goexit.
var errUnfinished = errors.New("panicked or called runtime.Goexit")

// traceparent returns the traceparent of the span in ctx, or "" if there is none to pass on.
func (s *Server) traceparent(ctx context.Context) string {
	if text := s.cfg.Tracer.Inject(ctx); wire.ValidTraceparent(text) {
		return text
	}
	return ""
}

// connectTraced is like connect, in a span.
func (s *Server) connectTraced(w http.ResponseWriter, r *http.Request) {
	t := s.cfg.Tracer
	ctx, end := t.StartSpan(r.Context(), Span{Kind: SpanUpgrade})
	result := SpanEnd{Err: errUnfinished}
	defer func() { end(result) }()
	s.connect(w, r.WithContext(ctx), &result, s.traceparent(ctx))
}

// upgraded sets the result of a request that was upgraded. It is a no-op if e is nil.
func (e *SpanEnd) upgraded(clientID string) {
	if e != nil {
		*e = SpanEnd{ClientID: clientID, Status: http.StatusSwitchingProtocols}
	}
}

// refused sets the result of a request that was refused. It is a no-op if e is nil.
func (e *SpanEnd) refused(status int, reason string, err error) {
	if e == nil {
		return
	}
	*e = SpanEnd{Status: status, Outcome: reason}
	if status == 0 || status == http.StatusInternalServerError {
		e.Err = err
	}
}

// traced runs a step in a span.
func (c *session) traced(ctx context.Context, kind SpanKind, do step, m wire.Message) (reply any, err error) {
	t := c.server.cfg.Tracer
	span := Span{Kind: kind, ClientID: c.member.ID}
	if id := c.who(); id != nil {
		span.UserID = id.UserID
	}
	switch kind {
	case SpanHandle:
		span.Event = m.Event
	case SpanAuthenticate:
		ctx = t.Extract(ctx, c.upgradeSpan())
	}
	ctx, end := t.StartSpan(ctx, span)
	result := SpanEnd{Err: errUnfinished}
	defer func() { end(result) }()
	reply, err = do(c, ctx, m)
	result = c.spanEnd(kind, err)
	return reply, err
}

// upgradeSpan returns the traceparent of the client's SpanUpgrade, or "" if it is not known or
// the client was authenticated before.
func (c *session) upgradeSpan() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.entry == nil {
		return ""
	}
	return c.entry.traceparent
}

// spanEnd returns the result of a step.
func (c *session) spanEnd(kind SpanKind, err error) SpanEnd {
	if kind == SpanAuthenticate {
		result := SpanEnd{Outcome: string(authOutcome(err))}
		if id := c.who(); id != nil {
			result.UserID = id.UserID
		}
		switch AuthOutcome(result.Outcome) {
		case AuthUnavailable, AuthFailed:
			result.Err = err
		}
		return result
	}
	e := asError(err)
	if e == nil {
		return SpanEnd{Err: err}
	}
	result := SpanEnd{Outcome: string(e.code())}
	if e.status() >= http.StatusInternalServerError {
		result.Err = err
	}
	return result
}

// sendTraced sends a letter in a span.
func (s *Server) sendTraced(ctx context.Context, l letter) error {
	t := s.cfg.Tracer
	ctx, end := t.StartSpan(ctx, Span{Kind: SpanPublish, To: l.to, Event: l.message.Event, Messages: 1})
	result := SpanEnd{Err: errUnfinished}
	defer func() { end(result) }()
	l.traceparent = s.traceparent(ctx)
	recipients := s.post(l)
	err := s.publish(l)
	result = SpanEnd{Recipients: recipients, Err: err}
	return err
}

// mailTraced is like mail, in a span.
func (s *Server) mailTraced(ctx context.Context, m *mailing, receipts []Receipt) error {
	t := s.cfg.Tracer
	first := &m.letters[0]
	span := Span{Kind: SpanPublish, To: first.to, Event: first.message.Event, Messages: len(m.letters)}
	for i := range m.letters {
		if m.letters[i].to != span.To {
			span.To = Address{}
		}
		if m.letters[i].message.Event != span.Event {
			span.Event = ""
		}
	}
	ctx, end := t.StartSpan(ctx, span)
	result := SpanEnd{Err: errUnfinished}
	defer func() { end(result) }()
	traceparent := s.traceparent(ctx)
	for i := range m.letters {
		m.letters[i].traceparent = traceparent
	}
	err := s.mail(m, receipts)
	result = SpanEnd{Err: err}
	for i := range receipts {
		result.Recipients += receipts[i].Recipients
	}
	return err
}

// deliverTraced delivers a run of messages from the bus, with a span for each that has a
// traceparent.
func (s *Server) deliverTraced(r run) (recipients int) {
	t := s.cfg.Tracer
	ends := make([]func(SpanEnd), len(r.traced))
	for i, m := range r.traced {
		ctx := t.Extract(context.Background(), m.traceparent)
		_, ends[i] = t.StartSpan(ctx, Span{Kind: SpanDeliver, To: r.to, Event: m.event, Messages: 1})
	}
	recipients = s.deliver(r.to, r.exclude, r.messages...)
	for _, end := range slices.Backward(ends) {
		end(SpanEnd{Recipients: recipients})
	}
	return recipients
}

// tracedMessage is a message from the bus that is part of a trace.
type tracedMessage struct{ traceparent, event string }
