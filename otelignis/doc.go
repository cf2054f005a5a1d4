// Package otelignis records what servers of package ignis do as spans of OpenTelemetry. It is a
// module of its own, so that programs without tracing do not depend on OpenTelemetry.
//
//	tracer := otelignis.New(otelignis.Config{TracerProvider: provider})
//	srv, err := ignis.New(ignis.Config{Tracer: tracer, Bus: bus, ...})
//
// The spans are those of the kinds in [ignis.SpanKind]. A span has a name such as ignis.publish
// and attributes such as ignis.client.id, but neither payloads nor credentials. The sampler of
// the provider decides which traces are recorded. Traces continue on the other instances of a
// cluster.
//
// [Tracer] is also the Tracer of [httpapi.Config] and [webhook.Config], and its Inject method is
// the Traceparent of [emitter.Config].
//
// [emitter.Config]: https://pkg.go.dev/github.com/ignis-go/ignis/emitter#Config
// [httpapi.Config]: https://pkg.go.dev/github.com/ignis-go/ignis/httpapi#Config
// [webhook.Config]: https://pkg.go.dev/github.com/ignis-go/ignis/webhook#Config
package otelignis
