package otelignis

import (
	"context"
	"strings"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/ignis-go/ignis"
)

// Config configures a [Tracer]. The zero value is ready to use.
type Config struct {
	// TracerProvider makes the spans. Nil: the global one of package otel at the time of New.
	TracerProvider trace.TracerProvider
	// Propagator adds the headers to requests of package webhook. Nil:
	// propagation.TraceContext, whose headers are traceparent and tracestate.
	Propagator propagation.TextMapPropagator
}

// Tracer is an [ignis.Tracer] that makes spans of OpenTelemetry. Its methods may be called
// concurrently.
type Tracer struct {
	tracer     trace.Tracer
	propagator propagation.TextMapPropagator
}

var _ ignis.Tracer = (*Tracer)(nil)

// scopeName is the name of the instrumentation scope.
const scopeName = "github.com/ignis-go/ignis/otelignis"

// New returns a Tracer.
func New(c Config) *Tracer {
	if c.TracerProvider == nil {
		c.TracerProvider = otel.GetTracerProvider()
	}
	if c.Propagator == nil {
		c.Propagator = propagation.TraceContext{}
	}
	return &Tracer{c.TracerProvider.Tracer(scopeName), c.Propagator}
}

// kinds are the kinds of OpenTelemetry. All others are internal.
var kinds = map[ignis.SpanKind]trace.SpanKind{
	ignis.SpanUpgrade: trace.SpanKindServer,
	ignis.SpanHandle:  trace.SpanKindServer,
	ignis.SpanWebhook: trace.SpanKindClient,
	ignis.SpanPublish: trace.SpanKindProducer,
	ignis.SpanDeliver: trace.SpanKindConsumer,
}

// StartSpan begins a span. A span of the kind [ignis.SpanHandle] begins a trace, with a link to
// the span in ctx, if there is one. If the sampler drops the span, as it does for most children
// of a span that is not sampled, StartSpan returns ctx.
func (t *Tracer) StartSpan(ctx context.Context, s ignis.Span) (context.Context, func(ignis.SpanEnd)) {
	parent := trace.SpanContextFromContext(ctx)
	options := make([]trace.SpanStartOption, 0, 4)
	options = append(options, trace.WithSpanKind(kinds[s.Kind]), trace.WithAttributes(attributes(s)...))
	if s.Kind == ignis.SpanHandle && parent.IsValid() {
		options = append(options, trace.WithNewRoot(), trace.WithLinks(trace.Link{SpanContext: parent}))
		parent = trace.SpanContext{}
	}
	child, span := t.tracer.Start(ctx, "ignis."+string(s.Kind), options...)
	if s.Header != nil {
		t.propagator.Inject(child, propagation.HeaderCarrier(s.Header))
	}
	if !span.IsRecording() {
		// Inject needs to know whether the trace began elsewhere.
		if parent.IsValid() && !parent.IsSampled() && !span.SpanContext().IsSampled() {
			child = ctx
		}
		return child, func(ignis.SpanEnd) {}
	}
	return child, func(e ignis.SpanEnd) { end(span, s.Kind, e) }
}

// end ends a span.
func end(span trace.Span, kind ignis.SpanKind, e ignis.SpanEnd) {
	span.SetAttributes(endAttributes(kind, e)...)
	if e.Err != nil {
		span.SetStatus(codes.Error, cut(e.Err.Error()))
	}
	span.End()
}

// Inject returns the traceparent of the span in ctx. It is empty if there is no span, or if the
// span is not sampled and the trace began in this process.
func (t *Tracer) Inject(ctx context.Context) string {
	s := trace.SpanContextFromContext(ctx)
	if !s.IsSampled() && !s.IsRemote() {
		return ""
	}
	var c carrier
	propagation.TraceContext{}.Inject(ctx, &c)
	return c.traceparent
}

// Extract returns a context in which the span that traceparent identifies is the parent of new
// spans. It returns ctx if ctx already has a span, or if traceparent is invalid.
func (t *Tracer) Extract(ctx context.Context, traceparent string) context.Context {
	if traceparent == "" || trace.SpanContextFromContext(ctx).IsValid() {
		return ctx
	}
	return propagation.TraceContext{}.Extract(ctx, &carrier{traceparent})
}

// carrier carries only the traceparent of a span.
type carrier struct{ traceparent string }

const traceparentKey = "traceparent"

func (c *carrier) Get(key string) string {
	if key == traceparentKey {
		return c.traceparent
	}
	return ""
}

func (c *carrier) Set(key, value string) {
	if key == traceparentKey {
		c.traceparent = value
	}
}

func (c *carrier) Keys() []string { return []string{traceparentKey} }

// attributes returns the attributes that are known when a span begins.
func attributes(s ignis.Span) []attribute.KeyValue {
	list := make([]attribute.KeyValue, 0, 4)
	list = appendText(list, "ignis.client.id", s.ClientID)
	list = appendText(list, "ignis.user.id", s.UserID)
	if s.To != (ignis.Address{}) {
		list = appendText(list, "ignis.to", s.To.String())
	}
	list = appendText(list, "ignis.event", s.Event)
	if s.Messages > 0 {
		list = append(list, attribute.Int("ignis.messages", s.Messages))
	}
	return list
}

// endAttributes returns the attributes that are known when a span ends.
func endAttributes(kind ignis.SpanKind, e ignis.SpanEnd) []attribute.KeyValue {
	list := make([]attribute.KeyValue, 0, 4)
	list = appendText(list, "ignis.client.id", e.ClientID)
	list = appendText(list, "ignis.user.id", e.UserID)
	list = appendText(list, "ignis.outcome", e.Outcome)
	if kind == ignis.SpanPublish || kind == ignis.SpanDeliver {
		list = append(list, attribute.Int("ignis.recipients", e.Recipients))
	}
	if e.Status > 0 {
		list = append(list, attribute.Int("http.response.status_code", e.Status))
	}
	return list
}

func appendText(list []attribute.KeyValue, key, value string) []attribute.KeyValue {
	if value == "" {
		return list
	}
	return append(list, attribute.String(key, cut(value)))
}

// maxText is the maximum length of a text in a span, in bytes.
const maxText = 200

// cut returns the beginning of s, without invalid UTF-8.
func cut(s string) string { return strings.ToValidUTF8(s[:min(len(s), maxText)], "") }
