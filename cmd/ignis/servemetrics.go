package main

import (
	"fmt"

	"github.com/ignis-go/ignis/internal/app"
	"github.com/ignis-go/ignis/internal/configfile"
	"github.com/ignis-go/ignis/internal/listen"
)

// metricsFlags are the settings for metrics and profiles.
type metricsFlags struct {
	MetricsListen metricsAddress `key:"metrics.listen" name:"metrics-listen" group:"Metrics" placeholder:"ADDRESS" help:"Address, as host:port, that serves metrics for Prometheus at /metrics, and the probes, over plain HTTP and without authentication (none). See docs/metrics.md."`
	Pprof         bool           `key:"pprof" group:"Metrics" help:"Serve profiles of the process below /debug/pprof/ on that address, which must then be a loopback address, because profiles reveal what is in the memory of the process."`
}

func (f *metricsFlags) config() app.Metrics {
	b := thisBuild()
	return app.Metrics{Listen: string(f.MetricsListen), Profiles: f.Pprof, Version: b.Version, Revision: b.Revision}
}

// metricsAddress is a host:port, or empty.
type metricsAddress string

// UnmarshalText parses host:port.
func (a *metricsAddress) UnmarshalText(text []byte) error {
	var parsed listen.Address
	if err := parsed.UnmarshalText(text); len(text) > 0 && (err != nil || parsed.Network != listen.TCP) {
		return fmt.Errorf("expected host:port such as 127.0.0.1:9464 or :9464, but got %q", text)
	}
	*a = metricsAddress(parsed.Name)
	return nil
}

// Syntax implements [configfile.Scalar].
func (metricsAddress) Syntax() configfile.Syntax {
	return configfile.Syntax{Type: "string", Pattern: "^([^,]*:[0-9]+)?$"}
}

func (a metricsAddress) String() string { return string(a) }
