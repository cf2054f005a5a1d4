package otelignis_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/goleak"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/otelignis"
	"github.com/ignis-go/ignis/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The traceparents of a span in another process.
const (
	sampled   = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	unsampled = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"
)

// record returns a tracer with a sampler, and what it has recorded.
func record(t *testing.T, s sdk.Sampler) (*otelignis.Tracer, *tracetest.InMemoryExporter) {
	t.Helper()
	exporter := tracetest.NewInMemoryExporter()
	provider := sdk.NewTracerProvider(sdk.WithSyncer(exporter), sdk.WithSampler(sdk.ParentBased(s)))
	t.Cleanup(func() { _ = provider.Shutdown(context.Background()) })
	return otelignis.New(otelignis.Config{TracerProvider: provider}), exporter
}

// attributes returns the attributes of a span as text.
func attributes(s tracetest.SpanStub) string {
	list := make([]string, len(s.Attributes))
	for i, a := range s.Attributes {
		list[i] = string(a.Key) + "=" + a.Value.String()
	}
	slices.Sort(list)
	return strings.Join(list, " ")
}

// A trace that is not recorded is not carried to other processes, unless it began there.
func TestWhatIsCarried(t *testing.T) {
	for name, test := range map[string]struct {
		sampler sdk.Sampler
		from    string // the parent; empty: none
		want    string // the flags; empty: nothing is carried
	}{
		"sampled":                   {sdk.AlwaysSample(), "", "01"},
		"not sampled":               {sdk.NeverSample(), "", ""},
		"sampled elsewhere":         {sdk.NeverSample(), sampled, "01"},
		"not sampled elsewhere":     {sdk.AlwaysSample(), unsampled, "00"},
		"continues a malformed one": {sdk.NeverSample(), "x" + sampled[1:], ""},
	} {
		t.Run(name, func(t *testing.T) {
			tracer, _ := record(t, test.sampler)
			ctx := tracer.Extract(t.Context(), test.from)
			for range 3 { // spans in spans
				before := tracer.Inject(ctx)
				var end func(ignis.SpanEnd)
				ctx, end = tracer.StartSpan(ctx, ignis.Span{Kind: ignis.SpanPublish})
				defer end(ignis.SpanEnd{})
				got := tracer.Inject(ctx)
				flags := ""
				if got != "" {
					flags = got[53:]
				}
				if flags != test.want || got != "" && !wire.ValidTraceparent(got) {
					t.Errorf("carries %q, want the flags %q", got, test.want)
				}
				if flags == "01" && got == before || test.from == sampled && got[:35] != sampled[:35] {
					t.Errorf("carries %q after %q", got, before)
				}
				if test.want == "00" && got != unsampled {
					t.Errorf("carries %q, want that of the caller", got)
				}
			}
		})
	}
}

// Spans of other instrumentation are not replaced.
func TestExtractKeepsTheSpan(t *testing.T) {
	tracer, _ := record(t, sdk.AlwaysSample())
	ctx, end := tracer.StartSpan(t.Context(), ignis.Span{Kind: ignis.SpanPublish})
	defer end(ignis.SpanEnd{})
	want := tracer.Inject(ctx)
	if got := tracer.Inject(tracer.Extract(ctx, sampled)); got != want {
		t.Errorf("carries %q, want %q", got, want)
	}
}

// A handler begins a trace even if its context has a span.
func TestHandleBeginsATrace(t *testing.T) {
	tracer, exporter := record(t, sdk.AlwaysSample())
	_, end := tracer.StartSpan(tracer.Extract(t.Context(), sampled), ignis.Span{Kind: ignis.SpanHandle})
	end(ignis.SpanEnd{})
	s := exporter.GetSpans()[0]
	if s.Parent.IsValid() || s.SpanContext.TraceID().String() == sampled[3:35] {
		t.Errorf("the parent is %v", s.Parent)
	}
	if len(s.Links) != 1 || s.Links[0].SpanContext.SpanID().String() != sampled[36:52] {
		t.Errorf("the links are %v", s.Links)
	}
	// One that is not sampled does not continue the old trace either.
	tracer, _ = record(t, sdk.NeverSample())
	ctx, end := tracer.StartSpan(tracer.Extract(t.Context(), unsampled), ignis.Span{Kind: ignis.SpanHandle})
	defer end(ignis.SpanEnd{})
	if got := tracer.Inject(ctx); got != "" {
		t.Errorf("carries %q", got)
	}
}

// Each kind of span has its attributes.
func TestAttributes(t *testing.T) {
	failed := errors.New("no database")
	for _, test := range []struct {
		span     ignis.Span
		end      ignis.SpanEnd
		kind     trace.SpanKind
		want     string
		wantCode codes.Code
	}{
		{
			ignis.Span{Kind: ignis.SpanUpgrade},
			ignis.SpanEnd{ClientID: "c1", Status: 101},
			trace.SpanKindServer, "http.response.status_code=101 ignis.client.id=c1", codes.Unset,
		},
		{
			ignis.Span{Kind: ignis.SpanAuthenticate, ClientID: "c1"},
			ignis.SpanEnd{UserID: "ann", Outcome: "unavailable", Err: failed},
			trace.SpanKindInternal, "ignis.client.id=c1 ignis.outcome=unavailable ignis.user.id=ann", codes.Error,
		},
		{
			ignis.Span{Kind: ignis.SpanHandle, ClientID: "c1", UserID: "ann", Event: "say"},
			ignis.SpanEnd{Outcome: "forbidden"},
			trace.SpanKindServer, "ignis.client.id=c1 ignis.event=say ignis.outcome=forbidden ignis.user.id=ann", codes.Unset,
		},
		{
			ignis.Span{Kind: ignis.SpanWebhook, Event: "message"},
			ignis.SpanEnd{Status: 200},
			trace.SpanKindClient, "http.response.status_code=200 ignis.event=message", codes.Unset,
		},
		{
			ignis.Span{Kind: ignis.SpanPublish, Event: "say", To: ignis.ToRoom("lobby"), Messages: 1},
			ignis.SpanEnd{Recipients: 3, Err: failed},
			trace.SpanKindProducer, "ignis.event=say ignis.messages=1 ignis.recipients=3 ignis.to=room:lobby", codes.Error,
		},
		{
			ignis.Span{Kind: ignis.SpanDeliver, Event: "say", To: ignis.ToEveryone(), Messages: 1},
			ignis.SpanEnd{},
			trace.SpanKindConsumer, "ignis.event=say ignis.messages=1 ignis.recipients=0 ignis.to=everyone", codes.Unset,
		},
	} {
		tracer, exporter := record(t, sdk.AlwaysSample())
		_, end := tracer.StartSpan(t.Context(), test.span)
		end(test.end)
		s := exporter.GetSpans()[0]
		if got := attributes(s); got != test.want || s.Name != "ignis."+string(test.span.Kind) || s.SpanKind != test.kind {
			t.Errorf("%s: %s %v\ngot  %s\nwant %s", test.span.Kind, s.Name, s.SpanKind, got, test.want)
		}
		if s.Status.Code != test.wantCode || s.Status.Code == codes.Error && s.Status.Description != failed.Error() {
			t.Errorf("%s: status %+v", test.span.Kind, s.Status)
		}
	}
}

// Texts that clients choose are cut.
func TestLongTexts(t *testing.T) {
	tracer, exporter := record(t, sdk.AlwaysSample())
	long := strings.Repeat("ü", 10_000) + "\xff"
	_, end := tracer.StartSpan(t.Context(), ignis.Span{
		Kind: ignis.SpanPublish, ClientID: long, UserID: "x" + long, Event: "\xff" + long, To: ignis.ToRoom(long),
	})
	end(ignis.SpanEnd{ClientID: long, UserID: long, Outcome: long, Err: errors.New(long)})
	s := exporter.GetSpans()[0]
	texts := []string{s.Status.Description}
	for _, a := range s.Attributes {
		if a.Value.Type() == attribute.STRING {
			texts = append(texts, a.Value.AsString())
		}
	}
	if len(texts) != 6 {
		t.Errorf("%d texts", len(texts))
	}
	for _, text := range texts {
		if len(text) > 200 || len(text) < 190 || !utf8.ValidString(text) {
			t.Errorf("%d bytes: %q", len(text), text)
		}
	}
}

// Requests to the webhook carry the span, sampled or not.
func TestHeaders(t *testing.T) {
	for flags, sampler := range map[string]sdk.Sampler{"01": sdk.AlwaysSample(), "00": sdk.NeverSample()} {
		tracer, _ := record(t, sampler)
		h := http.Header{}
		_, end := tracer.StartSpan(t.Context(), ignis.Span{Kind: ignis.SpanWebhook, Header: h})
		end(ignis.SpanEnd{})
		if got := h.Get("traceparent"); !wire.ValidTraceparent(got) || got[53:] != flags {
			t.Errorf("the header is %q", got)
		}
	}
}

// By default, a tracer uses the global provider.
func TestGlobalProvider(t *testing.T) {
	before := otel.GetTracerProvider()
	defer otel.SetTracerProvider(before)
	exporter := tracetest.NewInMemoryExporter()
	otel.SetTracerProvider(sdk.NewTracerProvider(sdk.WithSyncer(exporter)))
	_, end := otelignis.New(otelignis.Config{}).StartSpan(t.Context(), ignis.Span{Kind: ignis.SpanHandle})
	end(ignis.SpanEnd{})
	if len(exporter.GetSpans()) != 1 {
		t.Error("the global provider was not used")
	}
}
