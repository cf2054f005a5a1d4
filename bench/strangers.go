package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/ignis-go/ignis/bench/internal/flood"
	"github.com/ignis-go/ignis/internal/childproc"
	"github.com/ignis-go/ignis/internal/herd"
)

const (
	strangers = "strangers"
	// floodRounds is the default number of rounds of each flood. It is lower than
	// defaultRounds, because there are many kinds of floods.
	floodRounds = 3
	// fullFlood is the number of strangers for which flood.Kind.Strangers applies.
	fullFlood = 500
	// bothCores are the cores of the server, the strangers and the clients.
	bothCores = serverCore + "," + herdCore
	// strangerNice is the nice value of the strangers relative to the server.
	strangerNice = "10"
	// rampUp is the time from the start of a flood to the start of the measurements.
	rampUp = 300 * time.Millisecond
)

// floodScenarios returns a scenario for each kind of flood, so that the systems take turns with each
// kind.
func floodScenarios() (list []scenario) {
	for _, k := range flood.Kinds() {
		list = append(list, scenario{
			covers: []string{strangers}, kind: k.Name, rounds: floodRounds, text: strangersText,
			run: func(ctx context.Context, t *trial) error { return t.flooded(ctx, strangers, k) },
		})
	}
	for _, k := range flood.Attacks() {
		list = append(list, scenario{
			covers: []string{attacks}, kind: k.Name, rounds: floodRounds, text: attacksText,
			run: func(ctx context.Context, t *trial) error { return t.flooded(ctx, attacks, k) },
		})
	}
	return list
}

func strangersText(z sizes) string {
	return fmt.Sprintf("%d strangers (`frames` %d, `deflate` %d), %d clients with 10 messages per second each, %v during the flood, %v before and %v after it",
		z.Strangers, z.strangers(100), z.strangers(20), z.Visitors, z.Flood, z.Calm, z.Calm)
}

// strangers returns the number of strangers in a flood that has n strangers if z.Strangers is fullFlood.
func (z sizes) strangers(n int) int { return max(1, n*z.Strangers/fullFlood) }

// target is a server that is flooded.
type target struct {
	*server
	order probeOrder // connects the probe
	// begin and stop are set for attacks. begin is called when the flood starts. stop shuts the server
	// down and returns how much it has refused.
	begin, calm func()
	stop        func(context.Context) (float64, error)
	kill        func()
}

// serveTarget starts the server of a kind of flood.
func (t *trial) serveTarget(ctx context.Context, k flood.Kind) (*target, error) {
	const secret = "0123456789abcdef0123456789abcdef" // protects nothing
	g := &target{begin: func() {}, calm: func() {}}
	if a := k.Attack; a != nil {
		s, err := t.serveAttacked(ctx, *a, secret)
		if err != nil {
			return nil, err
		}
		g.server, g.stop, g.kill = s.server, s.stop, s.kill
		g.begin, g.calm = func() { s.endpoint.Break(a.Broken) }, func() { s.endpoint.Break(flood.None) }
		g.order.Target = flood.Target{Attacked: true, TLS: a.TLS, Closed: a.Webhook, Secret: secret}
	} else {
		if k.Tokens {
			g.order.Secret = secret
		}
		srv, err := t.serveProgram(ctx, g.order.Secret, k.Server...)
		if err != nil {
			return nil, err
		}
		g.server, g.kill = srv, srv.kill
	}
	g.order.Addr, g.order.Clients = g.addr, t.Visitors
	return g, nil
}

// flooded measures round-trip times before, during and after a flood.
func (t *trial) flooded(ctx context.Context, workload string, k flood.Kind) error {
	srv, err := t.serveTarget(ctx, k)
	if err != nil {
		return err
	}
	defer srv.kill()
	probe, err := t.startProbe(ctx, srv.order)
	if err != nil {
		return err
	}
	defer probe.kill()
	if _, err := tell[flood.Sample](ctx, probe, probeOrder{Window: flood.Calm, Duration: t.Calm}); err != nil {
		return err
	}
	f, err := startSelf("the flood", t.dir, []string{"nice", "-n", strangerNice}, floodArgument)
	if err != nil {
		return err
	}
	defer f.kill()
	o, err := t.duringFlood(ctx, srv, f, probe, k)
	if err != nil {
		return err
	}
	f.kill()
	srv.calm()
	if err := waitQuiet(ctx, srv.pid()); err != nil {
		return err
	}
	calm, err := tell[flood.Sample](ctx, probe, probeOrder{Window: flood.Calm, Duration: t.Calm})
	if err != nil {
		return err
	}
	o.Values[keyCalmP50], o.Values[keyCalmP99] = calm.P50.Seconds(), calm.P99.Seconds()
	o.Lost += calm.Lost
	o.Closed = calm.Closed
	if err := srv.alive(); err != nil {
		return err
	}
	if srv.stop != nil {
		if o.Values[keyRefused], err = srv.stop(ctx); err != nil {
			return err
		}
	}
	t.got[workload] = o
	return nil
}

// duringFlood starts the flood, measures, and ends the flood.
func (t *trial) duringFlood(ctx context.Context, srv *target, f, probe *process, k flood.Kind) (o outcome, err error) {
	order := floodOrder{Do: "connect", Addr: srv.addr, Secret: srv.order.Secret, Kind: k.Name, Strangers: t.strangers(k.Strangers)}
	if _, err := tell[flood.Report](ctx, f, order); err != nil {
		return o, err
	}
	srv.begin()
	if _, err := tell[flood.Report](ctx, f, floodOrder{Do: "start"}); err != nil {
		return o, err
	}
	if err := pause(ctx, min(rampUp, t.Flood)); err != nil {
		return o, err
	}
	began, err := t.readCPU(srv.process, f, probe)
	if err != nil {
		return o, err
	}
	s, err := tell[flood.Sample](ctx, probe, probeOrder{Window: "flood", Duration: t.Flood})
	if err != nil {
		return o, err
	}
	ended, err := t.readCPU(srv.process, f, probe)
	if err != nil {
		return o, err
	}
	r, err := tell[flood.Report](ctx, f, floodOrder{Do: "end"})
	if err != nil {
		return o, err
	}
	peak, err := herd.Keyed(fmt.Sprintf("/proc/%d/status", srv.pid()), "VmHWM:")
	if err != nil {
		return o, err
	}
	wall := ended.at.Sub(began.at).Seconds()
	share := func(i int) float64 { return (ended.used[i] - began.used[i]).Seconds() / wall }
	o = outcome{Lost: s.Lost, HerdBusy: share(2)}
	o.Foreign = max(0, (ended.cores-began.cores).Seconds()/wall-share(0)-share(1)-share(2)-share(3))
	seconds := r.Wall.Seconds()
	o.Values = map[string]float64{
		keyP50: s.P50.Seconds(), keyP99: s.P99.Seconds(), keyMax: s.Max.Seconds(),
		keyLate: s.Late.Seconds(), keyCPU: share(1), keyFloodCPU: share(2),
		keyFrames: r.Delivered / seconds, keyBytes: r.Bytes / seconds, keyShare: r.Delivered / r.Offered,
		keyWaiting: r.Waiting, keyPeak: peak * 1024,
		keyOpened: float64(r.Opened) / seconds, keyClosed: float64(r.Closed+r.Refused) / seconds,
	}
	if s.EntryMax > 0 { // there were newcomers
		o.Values[keyEntry], o.Values[keyEntryMax] = s.EntryP50.Seconds(), s.EntryMax.Seconds()
	}
	return o, nil
}

// cpuTimes contains CPU times at a moment.
type cpuTimes struct {
	at    time.Time
	used  []time.Duration // CPU times of this process and of others
	cores time.Duration   // busy time of both cores
}

func (t *trial) readCPU(procs ...*process) (c cpuTimes, err error) {
	for _, core := range []string{serverCore, herdCore} {
		d, err := busy(core)
		if err != nil {
			return c, err
		}
		c.cores += d
	}
	pids := []int{os.Getpid()} // the endpoint of an attack runs in this process
	for _, p := range procs {
		pids = append(pids, p.pid())
	}
	for _, pid := range pids {
		d, err := herd.CPUTime(pid)
		if err != nil {
			return c, err
		}
		c.used = append(c.used, d)
	}
	c.at = time.Now()
	return c, nil
}

// startProbe starts the well-behaved clients. If permitted, they get real-time priority, so that they do
// not wait for a core themselves, which would increase the measured times.
func (t *trial) startProbe(ctx context.Context, order probeOrder) (*process, error) {
	var realTime []string
	if childproc.CommandContext(ctx, "chrt", "-f", "1", "true").Run() == nil {
		realTime = []string{"chrt", "-f", "1"}
	}
	p, err := startSelf("the probe", t.dir, realTime, probeArgument)
	if err != nil {
		return nil, err
	}
	if _, err := tell[flood.Sample](ctx, p, order); err != nil {
		p.kill()
		return nil, err
	}
	return p, nil
}

// startSelf starts this program in the role that argument selects. If by is not empty, it is a command that
// runs it with a different priority.
func startSelf(name, dir string, by []string, argument string) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	return start(name, bothCores, dir, []string{"GOMAXPROCS=1", "GOGC=400"}, append(by, self, argument)...)
}

// serveProgram starts ignis serve on both cores. With a secret, the server requires tokens. Otherwise it
// runs in development mode: it accepts everyone and relays messages to the rooms that they name.
func (t *trial) serveProgram(ctx context.Context, secret string, flags ...string) (*server, error) {
	argv := []string{"--listen", "127.0.0.1:0", "--log-level", "info"}
	if secret != "" {
		file := filepath.Join(t.dir, "secret")
		if err := os.WriteFile(file, []byte(secret), 0o600); err != nil {
			return nil, err
		}
		argv = append(argv, "--jwt-secret-file", file)
	} else {
		argv = append(argv, "--dev")
	}
	return t.startProgram(ctx, nil, append(argv, flags...)...)
}

// startProgram starts ignis serve with arguments on both cores. If tap is not nil, it is called with each
// line of the log.
func (t *trial) startProgram(ctx context.Context, tap func(string), args ...string) (*server, error) {
	argv := append([]string{t.program(t.system), "serve"}, args...)
	p, err := startTapped(t.system.name, bothCores, t.dir, tap, []string{"GOMAXPROCS=2"}, argv...)
	if err != nil {
		return nil, err
	}
	url, err := p.await(ctx, "listening on http")
	if err != nil {
		p.kill()
		return nil, err
	}
	_, addr, _ := strings.Cut(url, "://")
	addr, _, _ = strings.Cut(addr, " ") // a note about development mode may follow
	return &server{process: p, system: t.system, addr: addr}, nil
}
