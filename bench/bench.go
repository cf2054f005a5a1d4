package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"slices"
	"time"
)

// sizes are the sizes of the workloads.
type sizes struct {
	Clients  int           // clients in burst, steady, chat and scaling
	Crowd    int           // clients in connect, memory, idle, slow and encrypted-memory
	Size     int           // bytes of data in a message
	Burst    int           // messages back to back
	Bursts   int           // maximum number of bursts in a run
	Limit    time.Duration // time after which a run starts no more bursts
	Steady   time.Duration // duration of steady and of each half of slow
	Chat     time.Duration // duration of chat
	Rooms    int           // rooms in chat
	Settle   time.Duration // minimum time before memory is read
	Idle     time.Duration // time over which idle CPU is measured
	Messages int           // messages from Redis to one client
	Sealed   int           // encrypted clients
	Seals    int           // messages in a burst to encrypted clients

	Strangers int           // connections of a flood
	Visitors  int           // well-behaved clients during a flood
	Flood     time.Duration // duration of measurements during a flood
	Calm      time.Duration // duration of measurements before and after a flood

	Publish time.Duration // duration of each half of publish
	Senders int           // connections that send requests in publish
	Batch   int           // messages in a batch in publish
}

func fullSizes() sizes {
	return sizes{
		Clients: 5000, Crowd: 18000, Size: 128,
		Burst: 200, Bursts: 5, Limit: 30 * time.Second,
		Steady: 20 * time.Second, Chat: 30 * time.Second, Rooms: 100,
		Settle: 20 * time.Second, Idle: 65 * time.Second, // slightly more than two ping intervals
		Messages: 300_000,
		Sealed:   2000, Seals: 50,
		Strangers: 500, Visitors: 40, Flood: 3 * time.Second, Calm: time.Second,
		Publish: 10 * time.Second, Senders: 16, Batch: 100,
	}
}

// quickSizes returns tiny sizes for checking that everything works.
func quickSizes() sizes {
	return sizes{
		Clients: 50, Crowd: 60, Size: 128,
		Burst: 20, Bursts: 2, Limit: 5 * time.Second,
		Steady: 500 * time.Millisecond, Chat: time.Second, Rooms: 5,
		Settle: 200 * time.Millisecond, Idle: 500 * time.Millisecond,
		Messages: 500,
		Sealed:   50, Seals: 10,
		Strangers: 25, Visitors: 4, Flood: 300 * time.Millisecond, Calm: 300 * time.Millisecond,
		Publish: 300 * time.Millisecond, Senders: 4, Batch: 10,
	}
}

// scenario measures a system in one or more workloads.
type scenario struct {
	covers []string             // workloads
	text   func(z sizes) string // describes the sizes
	run    func(ctx context.Context, t *trial) error
	kind   string // kind of flood, empty if the workload has no floods
	rounds int    // default number of rounds, defaultRounds if 0
}

var scenarios = append([]scenario{
	{covers: []string{"burst"}, text: burstText, run: runBurst},
	{covers: []string{"steady"}, text: steadyText, run: runSteady},
	{covers: []string{"chat"}, text: chatText, run: runChat},
	{covers: []string{"connect", "memory", "idle"}, text: crowdText, run: runCrowd},
	{covers: []string{"slow"}, text: slowText, run: runSlow},
	{covers: []string{"redis"}, text: redisText, run: runRedis},
	{covers: []string{publishing}, text: publishText, run: runPublish},
	{covers: []string{"scaling"}, text: scalingText, run: runScaling},
	{covers: []string{"encrypted"}, text: encryptedText, run: runEncrypted},
	{covers: []string{"encrypted-memory"}, text: encryptedMemoryText, run: runEncryptedMemory},
}, floodScenarios()...)

// trial is a run of a scenario with a system.
type trial struct {
	*lab
	sizes
	system
	wanted []string           // workloads to measure
	got    map[string]outcome // results by workload
}

func (t *trial) wants(workload string) bool { return slices.Contains(t.wanted, workload) }

// plan describes what to measure.
type plan struct {
	sizes
	only    []string // workloads
	floods  []string // kinds of flood
	systems []system
	rounds  int  // 0 for the default of each scenario
	keep    bool // whether to keep runs of earlier sessions
	out     string
}

// measure executes the plan and saves the results after each run. src is the folder of this module.
func (p *plan) measure(ctx context.Context, src string) error {
	if err := os.MkdirAll(p.out, 0o755); err != nil {
		return err
	}
	var res results
	if err := res.load(p.out); err != nil {
		return err
	}
	l, err := openLab(ctx, src, p.systems, slices.Contains(p.only, strangers) || slices.Contains(p.only, attacks))
	if err != nil {
		return err
	}
	defer l.close()
	m := l.machine
	if len(res.Runs) == 0 {
		res.Machine = m
	}
	var names []string
	for _, s := range p.systems {
		names = append(names, s.name)
	}
	if w := res.elsewhere(m, p.only, names); w != "" {
		return fmt.Errorf("%s contains runs of the workload %s on a different machine (%+v); measure all systems of that workload, or set -out to another folder",
			res.path(p.out), w, res.Machine)
	}
	if err := pinSelf(); err != nil {
		return err
	}
	session := time.Now().UTC().Truncate(time.Second)
	failed := 0
	for _, sc := range scenarios {
		for round := range p.roundsOf(sc) {
			for i := range p.systems {
				s := p.systems[(i+round)%len(p.systems)] // rotate the order of the systems
				err := p.once(ctx, l, sc, s, round, session, &res)
				if ctx.Err() != nil {
					return context.Cause(ctx)
				}
				if err != nil { // continue with the others
					fmt.Fprintln(os.Stderr, "FAILED:", err)
					failed++
				}
			}
		}
	}
	if failed > 0 {
		return fmt.Errorf("%d runs failed", failed)
	}
	return nil
}

// defaultRounds is the default number of rounds of a scenario.
const defaultRounds = 5

func (p *plan) roundsOf(sc scenario) int { return cmp.Or(p.rounds, sc.rounds, defaultRounds) }

// once runs a scenario with a system if that is part of the plan.
func (p *plan) once(ctx context.Context, l *lab, sc scenario, s system, round int, session time.Time, res *results) error {
	t := &trial{lab: l, sizes: p.sizes, system: s, got: make(map[string]outcome)}
	for _, w := range workloads {
		if slices.Contains(sc.covers, w.name) && slices.Contains(p.only, w.name) && w.has(s) {
			t.wanted = append(t.wanted, w.name)
		}
	}
	if len(t.wanted) == 0 || sc.kind != "" && !slices.Contains(p.floods, sc.kind) {
		return nil
	}
	began := time.Now()
	fmt.Fprintf(os.Stderr, "%s round %d/%d  %-10s ", began.Format(time.TimeOnly), round+1, p.roundsOf(sc), s.name)
	if err := sc.run(ctx, t); err != nil {
		fmt.Fprintln(os.Stderr)
		return fmt.Errorf("%v with %s: %w", t.wanted, s.name, err)
	}
	version, err := l.version(s)
	if err != nil {
		return err
	}
	for _, w := range workloads {
		o, ok := t.got[w.name]
		if !ok {
			continue
		}
		n := run{
			Workload: w.name, Kind: sc.kind, System: s.name, Session: session, Round: round, Version: version,
			Settings: sc.text(p.sizes), outcome: o,
		}
		if l.machine != res.Machine {
			n.Machine = l.machine
		}
		res.add(n, p.keep)
		fmt.Fprintf(os.Stderr, " %s", n.brief(w))
	}
	fmt.Fprintf(os.Stderr, "  (%.0f s)\n", time.Since(began).Seconds())
	return res.save(p.out)
}

// brief summarizes a run in one line.
func (n run) brief(w workload) string {
	s := cmp.Or(n.Kind, w.name) + ":"
	for _, m := range w.metrics {
		v, ok := n.Values[m.key]
		switch {
		case ok && n.Kind != "": // there are too many to recognize them by their positions
			s += " " + m.title + " " + m.text(v) + ","
		case ok:
			s += " " + m.text(v)
		}
	}
	o := n.outcome
	if o.Lost+o.Reordered+o.Repeated+o.Closed > 0 {
		s += fmt.Sprintf(" lost %d reordered %d repeated %d closed %d", o.Lost, o.Reordered, o.Repeated, o.Closed)
	}
	return s + fmt.Sprintf(" clients' core %s", percentText(o.HerdBusy))
}
