package emitter_test

import (
	"context"
	"strings"
	"testing"

	"github.com/ignis-go/ignis/emitter"
	"github.com/ignis-go/ignis/wire"
)

type traceKey struct{}

// Envelopes carry the traceparent of the context, if it is valid.
func TestTraceparent(t *testing.T) {
	const valid = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	e, out := newEmitter(t, emitter.Config{Traceparent: func(ctx context.Context) string {
		s, _ := ctx.Value(traceKey{}).(string)
		return s
	}})
	for s, field := range map[string]string{
		"": "", "x": "", valid + "\"": "", strings.ToUpper(valid): "",
		valid: `,"traceparent":"` + valid + `"`,
	} {
		out.calls = nil
		ctx := context.WithValue(t.Context(), traceKey{}, s)
		_ = e.Send(ctx, wire.ToUser("ann"), "hi", 1)
		m := emitter.Message{To: wire.ToUser("ann"), Event: "hi", Data: 1}
		_ = e.SendAll(ctx, m, m)
		want := `ws:user:ann {"serverId":"emitter","type":"user","target":"ann","event":"hi","data":1` + field + `}`
		if len(out.calls) != 2 {
			t.Fatalf("%d calls", len(out.calls))
		}
		for _, got := range append(out.calls[0], out.calls[1]...) {
			if got != want {
				t.Errorf("%q: published %s, want %s", s, got, want)
			}
		}
	}
}
