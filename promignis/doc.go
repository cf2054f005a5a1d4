// Package promignis reports the metrics of an Ignis server to Prometheus.
//
// A [Recorder] counts what only hooks report, such as durations. A [Collector] reads the
// statistics of the server, of its bus and of other parts when Prometheus asks for them, and
// reports them together with what the Recorder has counted. [Handler] is a handler for
// scrapes:
//
//	recorder := promignis.NewRecorder()
//	srv, err := ignis.New(ignis.Config{
//		Hooks: recorder.Hooks(),
//		...
//	})
//	...
//	http.Handle("/metrics", promignis.Handler(promignis.Config{
//		Recorder: recorder,
//		Server:   srv,
//		Bus:      bus,
//	}))
//
// docs/metrics.md lists the metrics. The folder ops has a dashboard for Grafana and rules for
// alerts, and docs/oncall.md says what to do about them.
//
// # Labels
//
// No label has values that clients can choose: rooms, users, events and texts of errors are
// not labels. Close codes and reasons come from fixed lists. The application determines the
// names of jobs and what the method LogCause of its errors returns. The first 100 of each are
// kept, and all others are counted as other.
//
// # Cost
//
// The hooks count with a few atomic additions per message or write, and none per recipient. A
// scrape looks at every client once, which takes a few milliseconds for 20,000 clients.
package promignis
