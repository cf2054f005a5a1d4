package otelignis_test

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/httpapi"
	"github.com/ignis-go/ignis/ignistest"
	"github.com/ignis-go/ignis/otelignis"
	"github.com/ignis-go/ignis/redisbus"
)

// patience is how long a failing test waits.
const patience = time.Minute

// spans is an exporter that tests can wait for.
type spans struct {
	t testing.TB

	mu    sync.Mutex
	list  tracetest.SpanStubs
	added chan struct{} // closed and replaced when spans are added
}

func newSpans(t testing.TB) *spans { return &spans{t: t, added: make(chan struct{})} }

func (s *spans) ExportSpans(_ context.Context, list []sdk.ReadOnlySpan) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.list = append(s.list, tracetest.SpanStubsFromReadOnlySpans(list)...)
	close(s.added)
	s.added = make(chan struct{})
	return nil
}

func (s *spans) Shutdown(context.Context) error { return nil }

// tracer returns a tracer that exports to s, with a sampler for traces that begin here.
func (s *spans) tracer(sampler sdk.Sampler) *otelignis.Tracer {
	provider := sdk.NewTracerProvider(sdk.WithSyncer(s), sdk.WithSampler(sdk.ParentBased(sampler)))
	s.t.Cleanup(func() { _ = provider.Shutdown(context.Background()) })
	return otelignis.New(otelignis.Config{TracerProvider: provider})
}

// named returns the spans with a name that have ended.
func (s *spans) named(name string) (found tracetest.SpanStubs, more <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, span := range s.list {
		if span.Name == name {
			found = append(found, span)
		}
	}
	return found, s.added
}

// wait waits until n spans with a name have ended, and returns the last of them.
func (s *spans) wait(name string, n int) tracetest.SpanStub {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	for {
		found, more := s.named(name)
		if len(found) > n {
			s.t.Fatalf("%d spans %s, want %d", len(found), name, n)
		}
		if len(found) == n {
			return found[n-1]
		}
		select {
		case <-more:
		case <-ctx.Done():
			s.t.Fatalf("%d spans %s, want %d", len(found), name, n)
		}
	}
}

// text returns everything in the spans that could contain a secret.
func (s *spans) text() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var b strings.Builder
	for _, span := range s.list {
		b.WriteString(span.Name + " " + attributes(span) + " " + span.Status.Description + "\n")
		for _, e := range span.Events {
			b.WriteString(e.Name + "\n")
			for _, a := range e.Attributes {
				b.WriteString(a.Value.String() + "\n")
			}
		}
	}
	return b.String()
}

// child fails the test unless a span is a child of parent.
func child(t testing.TB, span tracetest.SpanStub, parent trace.SpanContext) {
	t.Helper()
	if span.SpanContext.TraceID() != parent.TraceID() || span.Parent.SpanID() != parent.SpanID() {
		t.Errorf("%s: trace %v, parent %v, want trace %v, parent %v",
			span.Name, span.SpanContext.TraceID(), span.Parent.SpanID(), parent.TraceID(), parent.SpanID())
	}
}

// node is an instance with an HTTP API.
type node struct {
	*ignistest.Server
	*spans
	tracer *otelignis.Tracer
	api    *httptest.Server
	key    string
}

// authenticate accepts all clients. The token is the user.
func authenticate(_ context.Context, c ignis.Credentials) (ignis.Identity, error) {
	return ignis.Identity{UserID: c.Token}, nil
}

func allRooms(_ context.Context, _ *ignis.Client, rooms []string) ([]string, error) {
	return rooms, nil
}

// start runs an instance on a Redis.
func start(t *testing.T, url string, sampler sdk.Sampler, cfg ignis.Config) *node {
	t.Helper()
	quiet := slog.New(slog.DiscardHandler)
	bus, err := redisbus.New(redisbus.Config{URL: url, Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	n := &node{spans: newSpans(t)}
	n.tracer = n.spans.tracer(sampler)
	cfg.Bus, cfg.Tracer, cfg.Logger = bus, n.tracer, quiet
	if cfg.Authenticate == nil {
		cfg.Authenticate = authenticate
	}
	cfg.ValidateRooms = allRooms
	n.Server = ignistest.NewServer(t, cfg)
	key, hash, err := httpapi.NewKey("test")
	if err != nil {
		t.Fatal(err)
	}
	api, err := httpapi.New(httpapi.Config{
		Server: n.Server.Server, Tracer: n.tracer, Logger: quiet,
		Keys: []httpapi.Key{{ID: "test", Hashes: []string{hash}, Scopes: []httpapi.Scope{httpapi.ScopePublish}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	n.key, n.api = key, httptest.NewServer(api)
	t.Cleanup(n.api.Close)
	return n
}

// publish publishes through the API, and returns the status.
func (n *node) publish(path, body, key, traceparent string) int {
	n.t.Helper()
	r, err := http.NewRequestWithContext(n.t.Context(), http.MethodPost, n.api.URL+path, strings.NewReader(body))
	if err != nil {
		n.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+key)
	if traceparent != "" {
		r.Header.Set("traceparent", traceparent)
	}
	res, err := n.api.Client().Do(r)
	if err != nil {
		n.t.Fatal(err)
	}
	_ = res.Body.Close()
	return res.StatusCode
}
