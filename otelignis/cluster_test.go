package otelignis_test

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	sdk "go.opentelemetry.io/otel/sdk/trace"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/emitter"
	"github.com/ignis-go/ignis/emitter/httppublisher"
	"github.com/ignis-go/ignis/internal/redistest"
	"github.com/ignis-go/ignis/redisbus"
	"github.com/ignis-go/ignis/webhook"
	"github.com/ignis-go/ignis/wire"
)

const hello = `{"to":{"room":"lobby"},"event":"hello","data":"payload"}`

// A trace continues from a request to the API of one instance to the delivery on another.
func TestAcrossInstances(t *testing.T) {
	t.Parallel()
	r := redistest.Start(t)
	a := start(t, r.URL(), sdk.NeverSample(), ignis.Config{})
	b := start(t, r.URL(), sdk.NeverSample(), ignis.Config{})
	ann, bob := a.Dial(t, map[string]string{"token": "ann"}), b.Dial(t, map[string]string{"token": "bob"})
	ann.Join("lobby")
	bob.Join("lobby")

	if status := a.publish("/v1/publish", hello, a.key, sampled); status != 200 {
		t.Fatalf("answered %d", status)
	}
	bob.Expect("hello", nil)
	published, delivered := a.wait("ignis.publish", 1), b.wait("ignis.deliver", 1)
	if got := published.SpanContext.TraceID().String(); got != sampled[3:35] || published.Parent.SpanID().String() != sampled[36:52] {
		t.Errorf("published in the trace %s with the parent %v", got, published.Parent)
	}
	child(t, delivered, published.SpanContext)
	const want = "ignis.event=hello ignis.messages=1 ignis.recipients=1 ignis.to=room:lobby"
	for _, got := range []string{attributes(published), attributes(delivered)} {
		if got != want {
			t.Errorf("attributes %s, want %s", got, want)
		}
	}

	batch := `{"messages":[` + hello + `,{"to":{"user":"bob"},"event":"you"},` + hello + `]}`
	if status := a.publish("/v1/publish/batch", batch, a.key, sampled); status != 200 {
		t.Fatalf("answered %d", status)
	}
	published = a.wait("ignis.publish", 2)
	if got := attributes(published); got != "ignis.messages=3 ignis.recipients=2" {
		t.Errorf("attributes of a batch %s", got)
	}
	child(t, b.wait("ignis.deliver", 4), published.SpanContext)
	bob.Expect("hello", nil)
	bob.Expect("you", nil)
	bob.Expect("hello", nil)

	// Without a header, the sampler decides. Neither malformed headers nor those of strangers count.
	for header, key := range map[string]string{"": a.key, unsampled: a.key, "x" + sampled: a.key, sampled: "wrong"} {
		a.publish("/v1/publish", hello, key, header)
	}
	for range 3 {
		bob.Expect("hello", nil)
	}
	a.publish("/v1/publish", hello, a.key, sampled)
	bob.Expect("hello", nil)
	a.wait("ignis.publish", 3)
	b.wait("ignis.deliver", 5)
	if text := a.text() + b.text(); strings.Contains(text, "payload") || strings.Contains(text, a.key) {
		t.Errorf("the spans contain a payload or a key:\n%s", text)
	}
}

// An envelope with a malformed traceparent is delivered, and so is one of a peer that sends none.
func TestMalformedField(t *testing.T) {
	t.Parallel()
	r := redistest.Start(t)
	n := start(t, r.URL(), sdk.AlwaysSample(), ignis.Config{})
	bob := n.Dial(t, map[string]string{"token": "bob"})
	for _, field := range []string{
		``, `,"traceparent":""`, `,"traceparent":1`, `,"traceparent":{"a":[]}`, `,"traceparent":"` + sampled + `-x"`,
		`,"traceparent":"` + strings.ToUpper(sampled) + `"`, `,"traceparent":"` + strings.Repeat("0", 55) + `"`,
		`,"traceparent":"00-` + strings.Repeat("0", 32) + `-00f067aa0ba902b7-01"`,
		`,"traceparent":"` + sampled + `"`,
	} {
		r.Do("publish", "ws:user:bob", `{"serverId":"emitter","type":"user","target":"bob","event":"x","data":1`+field+`}`)
		bob.Expect("x", nil)
	}
	span := n.wait("ignis.deliver", 1)
	if got := span.SpanContext.TraceID().String(); got != sampled[3:35] {
		t.Errorf("delivered in the trace %s", got)
	}
}

// A trace continues from an emitter, over Redis and over the HTTP API.
func TestFromAnEmitter(t *testing.T) {
	t.Parallel()
	r := redistest.Start(t)
	n := start(t, r.URL(), sdk.NeverSample(), ignis.Config{})
	bob := n.Dial(t, map[string]string{"token": "bob"})
	worker := newSpans(t).tracer(sdk.NeverSample())
	ctx := worker.Extract(t.Context(), sampled)

	redis, err := redisbus.Dial(t.Context(), redisbus.Config{URL: r.URL(), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer redis.Close()
	api, err := httppublisher.New(httppublisher.Config{URL: n.api.URL, Key: n.key, Client: n.api.Client()})
	if err != nil {
		t.Fatal(err)
	}
	for name, p := range map[string]emitter.Publisher{"ignis.deliver": redis, "ignis.publish": api} {
		e, err := emitter.New(p, emitter.Config{Traceparent: worker.Inject})
		if err != nil {
			t.Fatal(err)
		}
		if err := e.Send(ctx, wire.ToUser("bob"), "one", 1); err != nil {
			t.Fatal(err)
		}
		bob.Expect("one", nil)
		if err := e.SendAll(ctx, emitter.Message{To: wire.ToUser("bob"), Event: "two"}); err != nil {
			t.Fatal(err)
		}
		bob.Expect("two", nil)
		span := n.wait(name, 2)
		if got := span.SpanContext.TraceID().String(); got != sampled[3:35] || span.Parent.SpanID().String() != sampled[36:52] {
			t.Errorf("%s in the trace %s with the parent %v", name, got, span.Parent)
		}
		if err := e.Send(t.Context(), wire.ToUser("bob"), "without", nil); err != nil {
			t.Fatal(err)
		}
		bob.Expect("without", nil)
		n.wait(name, 2)
	}
}

// A handler asks the webhook and relays the message: all of it is one trace, which also
// continues at the endpoint and on the other instance. So is the path of a connection, up to the
// endpoint that authenticates it.
func TestHandlerAndWebhook(t *testing.T) {
	t.Parallel()
	headers := make(chan http.Header, 10)
	endpoint := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var in struct{ Type string }
		text, _ := io.ReadAll(r.Body)
		_ = json.Unmarshal(text, &in)
		headers <- r.Header
		w.Header().Set("Content-Type", "application/json")
		answer := `{"reply":"ok"}`
		if in.Type == "authenticate" {
			answer = `{"user":"ann"}`
		}
		_, _ = io.WriteString(w, answer)
	}))
	t.Cleanup(endpoint.Close)
	r := redistest.Start(t)
	b := start(t, r.URL(), sdk.NeverSample(), ignis.Config{})
	spansA := newSpans(t)
	hooks, err := webhook.New(webhook.Config{
		URL: endpoint.URL, Secrets: []string{"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}, Tracer: spansA.tracer(sdk.AlwaysSample()),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { // closes the idle connections
		done, cancel := context.WithCancel(context.Background())
		cancel()
		_ = hooks.Run(done)
	})
	var a *node
	a = start(t, r.URL(), sdk.AlwaysSample(), ignis.Config{
		Authenticate: hooks.Authenticate,
		OnMessage: func(ctx context.Context, c *ignis.Client, m wire.Message) (any, error) {
			if _, err := hooks.OnMessage(ctx, c, m); err != nil {
				return nil, err
			}
			return "done", a.Send(ctx, ignis.ToUser("bob"), "say", m.Data)
		},
	})
	bob := b.Dial(t, map[string]string{"token": "bob"})
	ann := a.Dial(t, map[string]string{"token": "secret-token"})
	upgrade, auth := a.wait("ignis.upgrade", 1), a.wait("ignis.authenticate", 1)
	child(t, auth, upgrade.SpanContext)
	asked := spansA.wait("ignis.webhook", 1)
	child(t, asked, auth.SpanContext)
	if got, want := (<-headers).Get("traceparent"), "00-"+asked.SpanContext.TraceID().String()+"-"+asked.SpanContext.SpanID().String()+"-01"; got != want {
		t.Errorf("the endpoint received the header %q, want %q", got, want)
	}
	if got, want := attributes(upgrade), "http.response.status_code=101 ignis.client.id="+ann.ID(); got != want {
		t.Errorf("upgrade: attributes %s, want %s", got, want)
	}
	if got, want := attributes(auth), "ignis.client.id="+ann.ID()+" ignis.outcome=accepted ignis.user.id=ann"; got != want {
		t.Errorf("authenticate: attributes %s, want %s", got, want)
	}
	if got, want := attributes(asked), "http.response.status_code=200 ignis.event=authenticate"; got != want {
		t.Errorf("webhook: attributes %s, want %s", got, want)
	}

	ann.Request("say", "payload", nil)
	bob.Expect("say", nil)
	handled := a.wait("ignis.handle", 1)
	if handled.Parent.IsValid() || len(handled.Links) != 0 {
		t.Errorf("the handler has the parent %v and the links %v", handled.Parent, handled.Links)
	}
	child(t, spansA.wait("ignis.webhook", 2), handled.SpanContext)
	published := a.wait("ignis.publish", 1)
	child(t, published, handled.SpanContext)
	child(t, b.wait("ignis.deliver", 1), published.SpanContext)
	for _, text := range []string{"payload", "secret-token", endpoint.URL} {
		if strings.Contains(a.text()+b.text()+spansA.text(), text) {
			t.Errorf("the spans contain %q", text)
		}
	}
}

// If the sampler drops a trace, nothing of it is recorded anywhere, and Redis does not carry it.
func TestNotSampled(t *testing.T) {
	t.Parallel()
	r := redistest.Start(t)
	b := start(t, r.URL(), sdk.AlwaysSample(), ignis.Config{})
	var a *node
	a = start(t, r.URL(), sdk.NeverSample(), ignis.Config{
		OnMessage: func(ctx context.Context, _ *ignis.Client, m wire.Message) (any, error) {
			return nil, a.Send(ctx, ignis.ToUser("bob"), "say", m.Data)
		},
	})
	bob, ann := b.Dial(t, map[string]string{"token": "bob"}), a.Dial(t, map[string]string{"token": "ann"})
	ann.Request("say", 1, nil)
	bob.Expect("say", nil)
	if err := a.Send(t.Context(), ignis.ToUser("bob"), "again", nil); err != nil {
		t.Fatal(err)
	}
	bob.Expect("again", nil)
	if text := a.text(); text != "" {
		t.Errorf("recorded %s", text)
	}
	// The next trace, which is sampled elsewhere, is the first that is recorded.
	if err := a.Send(a.tracer.Extract(t.Context(), sampled), ignis.ToUser("bob"), "sampled", nil); err != nil {
		t.Fatal(err)
	}
	child(t, b.wait("ignis.deliver", 1), a.wait("ignis.publish", 1).SpanContext)
}
