package otelignis_test

import (
	"context"
	"fmt"
	"log"

	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/otelignis"
)

func Example() {
	exporter := tracetest.NewInMemoryExporter() // in place of one that sends the spans to a collector
	provider := sdk.NewTracerProvider(
		sdk.WithSyncer(exporter), // in a real application: WithBatcher
		sdk.WithSampler(sdk.ParentBased(sdk.AlwaysSample())),
	)
	srv, err := ignis.New(ignis.Config{
		Tracer: otelignis.New(otelignis.Config{TracerProvider: provider}),
		Authenticate: func(_ context.Context, c ignis.Credentials) (ignis.Identity, error) {
			return ignis.Identity{UserID: c.Token}, nil // a real application verifies the token
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ran := make(chan error)
	go func() { ran <- srv.Run(ctx) }()
	<-srv.Ready()

	// The parent of the span is the one in the context, for example that of an HTTP request.
	ctx, parent := provider.Tracer("shop").Start(ctx, "place order")
	if err := srv.Send(ctx, ignis.ToUser("ann"), "order placed", map[string]int{"number": 17}); err != nil {
		log.Fatal(err)
	}
	parent.End()
	cancel()
	if err := <-ran; err != nil {
		log.Fatal(err)
	}
	for _, span := range exporter.GetSpans() {
		fmt.Println(span.Name, span.SpanContext.TraceID() == parent.SpanContext().TraceID())
	}
	// Output:
	// ignis.publish true
	// place order true
}
