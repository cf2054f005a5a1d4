package httpapi_test

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/httpapi"
)

type traceKey struct{}

// traces is a Tracer that records the parents of spans.
type traces struct {
	mu      sync.Mutex
	parents []string
}

func (r *traces) StartSpan(ctx context.Context, s ignis.Span) (context.Context, func(ignis.SpanEnd)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if s.Kind == ignis.SpanPublish {
		parent, _ := ctx.Value(traceKey{}).(string)
		r.parents = append(r.parents, parent)
	}
	return ctx, func(ignis.SpanEnd) {}
}

func (r *traces) Inject(context.Context) string { return "" }

func (r *traces) Extract(ctx context.Context, traceparent string) context.Context {
	return context.WithValue(ctx, traceKey{}, traceparent)
}

// A request continues the trace that its header identifies, if its key is right.
func TestTraceparent(t *testing.T) {
	const valid = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	with, without := new(traces), new(traces)
	n := start(t, setup{server: ignis.Config{Tracer: with}, api: httpapi.Config{Tracer: with}})
	m := start(t, setup{server: ignis.Config{Tracer: without}})
	const body = `{"to":{"user":"ann"},"event":"x"}`
	const answer = `{"localRecipients":0}`
	for _, headers := range [][]string{
		nil,
		{"traceparent", "x"},
		{"traceparent", strings.ToUpper(valid)},
		{"traceparent", valid, "traceparent", valid},
	} {
		n.post("/v1/publish", body, headers...).ok(answer)
	}
	n.do("read", http.MethodPost, "/v1/publish", body, "traceparent", valid).problem(403, "forbidden")
	n.do("", http.MethodPost, "/v1/publish", body, "traceparent", valid).problem(401, "unauthorized")
	n.post("/v1/publish", body, "traceparent", valid).ok(answer)
	n.post("/v1/publish/batch", `{"messages":[`+body+`]}`, "traceparent", valid)
	n.post("/v1/publish", body, "traceparent", valid, "Idempotency-Key", "k").ok(answer)
	n.get("/v1/state")
	m.post("/v1/publish", body, "traceparent", valid).ok(answer)
	if want := []string{"", "", "", "", valid, valid, valid}; !slices.Equal(with.parents, want) {
		t.Errorf("the parents are %q, want %q", with.parents, want)
	}
	if want := []string{""}; !slices.Equal(without.parents, want) {
		t.Errorf("without Config.Tracer, the parents are %q", without.parents)
	}
}
