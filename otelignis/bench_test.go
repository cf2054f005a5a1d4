package otelignis_test

import (
	"testing"

	sdk "go.opentelemetry.io/otel/sdk/trace"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/otelignis"
)

// BenchmarkSpan measures a span and what the bus carries of it.
func BenchmarkSpan(b *testing.B) {
	for name, s := range map[string]sdk.Sampler{"sampled": sdk.AlwaysSample(), "dropped": sdk.NeverSample()} {
		b.Run(name, func(b *testing.B) {
			tracer := otelignis.New(otelignis.Config{TracerProvider: sdk.NewTracerProvider(sdk.WithSampler(sdk.ParentBased(s)))})
			b.ReportAllocs()
			for b.Loop() {
				ctx, end := tracer.StartSpan(b.Context(), ignis.Span{Kind: ignis.SpanPublish, To: ignis.ToRoom("lobby"), Event: "say", Messages: 1})
				_ = tracer.Inject(ctx)
				end(ignis.SpanEnd{Recipients: 1})
			}
		})
	}
}
