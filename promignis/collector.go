package promignis

import (
	"log/slog"
	"net/http"
	"runtime"
	"runtime/debug"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/access/enforce"
	"github.com/ignis-go/ignis/auth/jwtauth"
	"github.com/ignis-go/ignis/redisbus"
	"github.com/ignis-go/ignis/webhook"
)

// Config says what a Collector reports. What is nil is left out.
type Config struct {
	// Recorder counts what only hooks report. Its hooks must be in the configurations of the
	// server, the webhook and the jobs.
	Recorder *Recorder
	// Server is the server.
	Server *ignis.Server
	// Bus is the server's bus if it is one over Redis.
	Bus *redisbus.Bus
	// Tokens verifies the tokens of clients.
	Tokens *jwtauth.Verifier
	// TokenStatus returns the state of the keys of tokens, like the method Status of a
	// verifier. It is for programs that replace their verifier, and takes the place of Tokens.
	TokenStatus func() []jwtauth.SourceStatus
	// Webhook is the application's endpoint.
	Webhook *webhook.Client
	// Access enforces the access rules.
	Access *enforce.Policy
	// Listening returns the state of the program's listeners. It is called at each scrape.
	Listening func() Listening

	// Version and Revision describe the program in the metric ignis_build_info. Empty: what
	// the go command has recorded in the program.
	Version, Revision string
	// Logger receives errors of scrapes. Nil: slog.Default().
	Logger *slog.Logger
}

// Collector is a [prometheus.Collector] for a server and what belongs to it. To report
// several servers of one process, register each Collector with other labels; see
// [prometheus.WrapRegistererWith].
type Collector struct{ parts []part }

// NewCollector returns a Collector.
func NewCollector(c Config) *Collector {
	parts := []part{newSource(buildFamilies, fixed(c.build()))}
	if r := c.Recorder; r != nil {
		parts = append(parts, newSource(eventFamilies, fixed(r)), newSource(jobFamilies, fixed(r)))
	}
	if s := c.Server; s != nil {
		all := append(append(serverFamilies[:len(serverFamilies):len(serverFamilies)], messageFamilies...), busFamilies...)
		parts = append(parts, newSource(all, func() server { return serverState(s) }))
	}
	if b := c.Bus; b != nil {
		parts = append(parts, newSource(redisFamilies, func() redis { return redisState(b) }))
	}
	if c.TokenStatus == nil && c.Tokens != nil {
		c.TokenStatus = c.Tokens.Status
	}
	if c.TokenStatus != nil {
		parts = append(parts, newSource(tokenFamilies, c.TokenStatus))
	}
	if w := c.Webhook; w != nil {
		parts = append(parts, newSource(webhookFamilies, w.Stats))
	}
	if p := c.Access; p != nil {
		parts = append(parts, newSource(accessFamilies, p.Stats), newSource(ruleFamilies, p.Rules))
	}
	if c.Listening != nil {
		parts = append(parts, newSource(listeningFamilies, c.Listening))
	}
	return &Collector{parts}
}

func fixed[T any](v T) func() T { return func() T { return v } }

// Describe sends the descriptions of all metrics.
func (c *Collector) Describe(ch chan<- *prometheus.Desc) {
	for _, p := range c.parts {
		p.describe(ch)
	}
}

// Collect sends all metrics.
func (c *Collector) Collect(ch chan<- prometheus.Metric) {
	for _, p := range c.parts {
		p.collect(ch)
	}
}

// maxScrapes is the maximum number of scrapes at the same time. Each looks at every client.
const maxScrapes = 4

// Handler returns a handler that answers scrapes with the metrics of a Collector, of the
// process and of the Go runtime. It has no authentication, so it belongs on an address that
// only Prometheus reaches. It answers 503 while four scrapes are in progress.
func Handler(c Config) http.Handler {
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	r := prometheus.NewRegistry()
	r.MustRegister(
		NewCollector(c),
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	return promhttp.HandlerFor(r, promhttp.HandlerOpts{
		ErrorLog:            slog.NewLogLogger(c.Logger.Handler(), slog.LevelError),
		ErrorHandling:       promhttp.ContinueOnError,
		MaxRequestsInFlight: maxScrapes,
	})
}

// build describes a program.
type build struct{ version, revision string }

func (c Config) build() build {
	b := build{c.Version, c.Revision}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	if b.version == "" {
		b.version = info.Main.Version
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && b.revision == "" {
			b.revision = s.Value
		}
	}
	return b
}

// buildFamilies describe the program.
var buildFamilies = []family[build]{
	{
		"build_info", gauge, "1, with the version of the program, the revision of its source and the version of Go.",
		[]string{"version", "revision", "goversion"},
		func(b build, e emitter) { e.add(1, b.version, b.revision, runtime.Version()) },
	},
}
