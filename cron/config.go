package cron

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"log/slog"
	"strings"
	"time"
)

// Defaults of a [Config].
const (
	DefaultOverlapLimit = 100
	DefaultReplaceLimit = 10 // OverlapLimit with OverlapReplace
	DefaultReplaceGrace = 5 * time.Second
	DefaultDeadline     = time.Hour
	DefaultMisfireLimit = 100
	DefaultDrainTimeout = 30 * time.Second
	DefaultHistory      = 20
)

// Tolerance is how late a run may start and still count as on time. An instant that is later
// than that is a misfire: the process was down, asleep or busy, or the store was unreachable.
// If the next instant is due too, two seconds late is already a misfire, so that the backlog
// of a short sleep does not start all at once.
const Tolerance = 10 * time.Second

// Overlap selects what happens when an instant is due while an earlier run of the same
// job is still in progress in this process.
type Overlap uint8

// The overlap policies.
const (
	OverlapSkip    Overlap = iota // skip the instant
	OverlapAllow                  // run both, up to OverlapLimit concurrently
	OverlapQueue                  // run it afterwards; up to OverlapLimit runs wait
	OverlapReplace                // cancel the earlier run, wait up to ReplaceGrace for it to return, then start
)

// Misfire selects what happens to instants that were missed by more than [Tolerance].
type Misfire uint8

// The misfire policies. None of them runs an instant that is late by more than the Deadline.
const (
	MisfireOnce           Misfire = iota // run the newest, unless another instant is already due on time
	MisfireAll                           // run the newest MisfireLimit instants one after another, oldest first
	MisfireSkip                          // run none of them
	MisfireAllNewestFirst                // like MisfireAll, but newest first
)

// Config configures a [Job]. Pattern and Do are required; the zero value of every other
// field selects its default. The callbacks are called from several goroutines. A panic in
// one of them is handled as an error and does not crash the program.
type Config struct {
	// Name identifies the job in logs, history and the store. It consists of 1 to 128
	// letters, digits and the characters . _ : / -. Processes that share a Store run each
	// name as one job. Name is required with Store and with Jitter.
	Name string
	// Pattern is the schedule, parsed by [Parse] with ParseOptions.
	Pattern      string
	ParseOptions []ParseOption
	// Zone is the IANA name of the time zone, such as Europe/Paris. Empty means the local
	// time zone.
	Zone string
	// ManualStart makes a [Scheduler] leave the schedule stopped until [Job.Start] is
	// called. By default the schedule starts with the Scheduler. It has no effect on
	// [Job.Run], which always starts the schedule.
	ManualStart bool

	// Do does the work. Its context is canceled after Timeout, when another run replaces
	// this one, and DrainTimeout after Run was told to stop. If Do returns an error or
	// panics, OnRunError is called and the job carries on.
	Do func(context.Context, Run) error
	// OnStop is called each time the schedule stops, because of [Job.Stop] or because Run
	// ends, before that call returns. Runs may still be in progress.
	OnStop func()
	// OnRunError is called with the error of a failed run: the one that Do returned, a
	// *PanicError, or an error that wraps ErrTimeout, ErrReplaced or ErrShutdown. If nil,
	// the error is logged.
	OnRunError func(Run, error)
	// OnRunStart is called when a run starts. OnRecord is called when a run has ended and
	// when instants were skipped or missed. They are meant for metrics and should return
	// quickly.
	OnRunStart func(Run)
	OnRecord   func(Record)

	// Overlap is the policy for an instant that is due while an earlier run is in progress
	// in this process. The default is OverlapSkip.
	Overlap Overlap
	// OverlapLimit bounds the concurrent runs with OverlapAllow, the waiting runs with
	// OverlapQueue, and the runs that ignore their canceled contexts with OverlapReplace.
	// Zero means DefaultReplaceLimit with OverlapReplace and DefaultOverlapLimit otherwise.
	OverlapLimit int
	// ReplaceGrace is how long a replaced run may take to return. After that the next run
	// starts alongside it. Zero means DefaultReplaceGrace.
	ReplaceGrace time.Duration

	// Misfire is the policy for missed instants. The default is MisfireOnce.
	Misfire Misfire
	// Deadline is the maximum delay after which an instant may still be run. Zero means
	// DefaultDeadline.
	Deadline time.Duration
	// MisfireLimit bounds the number of missed instants that MisfireAll and
	// MisfireAllNewestFirst run. Zero means DefaultMisfireLimit.
	MisfireLimit int

	// Timeout is how long a run may take before its context is canceled. Zero means no
	// timeout.
	Timeout time.Duration
	// Jitter spreads out jobs that are due at the same instant. Each job starts later by a
	// delay below Jitter that is derived from its Name and therefore never changes. Zero
	// means no jitter.
	Jitter time.Duration
	// DrainTimeout is how long runs may continue after Run was told to stop, before their
	// contexts are canceled. Zero means DefaultDrainTimeout.
	DrainTimeout time.Duration
	// History is the maximum number of records that [Job.History] returns. Zero means
	// DefaultHistory.
	History int

	// Fingerprint identifies what Do does, in any form, such as the event that it sends
	// and its recipients. Processes that share a Store take each other's instants; a
	// process logs a warning when another one runs a job of the same name with a different
	// schedule or Fingerprint. If empty, only schedules are compared.
	Fingerprint string
	// Store coordinates processes so that each instant is run once among them, and
	// remembers what was run while this process was down. If nil, the job runs in this
	// process only and does not know what was run before it started.
	Store Store
	// Logger receives warnings and errors. Repeated lines are limited: each cause is
	// logged once, and then every ten seconds with the number of lines left out. If nil,
	// slog.Default() is used.
	Logger *slog.Logger
	// Now returns the current time. It lets tests simulate a wrong clock. If nil, time.Now
	// is used.
	Now func() time.Time
}

// withDefaults validates c and returns it with its defaults, its parsed schedule and its
// location.
func (c Config) withDefaults() (Config, *Schedule, *time.Location, error) {
	s, err := Parse(c.Pattern, c.ParseOptions...)
	if err != nil {
		return c, nil, nil, err
	}
	loc, err := LoadZone(c.Zone)
	if err != nil {
		return c, nil, nil, fmt.Errorf("cron: Config.Zone: %w", err)
	}
	switch {
	case c.Do == nil:
		err = errors.New("cron: Config.Do is required")
	case c.Name == "" && c.Store != nil:
		err = errors.New("cron: Config.Name is required with Store, and must be the same in each process")
	case c.Name == "" && c.Jitter > 0:
		err = errors.New("cron: Config.Name is required with Jitter")
	case !validName(c.Name):
		err = fmt.Errorf("cron: Config.Name %.150q is invalid, want 1 to 128 letters, digits and . _ : / -", c.Name)
	case c.Overlap > OverlapReplace:
		err = fmt.Errorf("cron: Config.Overlap has unknown value %d", c.Overlap)
	case c.Misfire > MisfireAllNewestFirst:
		err = fmt.Errorf("cron: Config.Misfire has unknown value %d", c.Misfire)
	case c.Timeout < 0 || c.Jitter < 0:
		err = errors.New("cron: Config.Timeout and Config.Jitter must not be negative")
	case c.ReplaceGrace < 0 || c.Deadline < 0 || c.DrainTimeout < 0:
		err = errors.New("cron: Config.ReplaceGrace, Config.Deadline and Config.DrainTimeout must not be negative")
	case c.OverlapLimit < 0 || c.MisfireLimit < 0 || c.History < 0:
		err = errors.New("cron: Config.OverlapLimit, Config.MisfireLimit and Config.History must not be negative")
	}
	if err != nil {
		return c, nil, nil, err
	}
	limit := DefaultOverlapLimit
	if c.Overlap == OverlapReplace {
		limit = DefaultReplaceLimit
	}
	c.OverlapLimit = orDefault(c.OverlapLimit, limit)
	c.MisfireLimit = orDefault(c.MisfireLimit, DefaultMisfireLimit)
	c.History = orDefault(c.History, DefaultHistory)
	c.ReplaceGrace = orDefault(c.ReplaceGrace, DefaultReplaceGrace)
	c.Deadline = orDefault(c.Deadline, DefaultDeadline)
	c.DrainTimeout = orDefault(c.DrainTimeout, DefaultDrainTimeout)
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.Name != "" {
		c.Logger = c.Logger.With("job", c.Name)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return c, s, loc, nil
}

func orDefault[T int | time.Duration](v, zero T) T {
	if v == 0 {
		return zero
	}
	return v
}

// maxName is the maximum length of a name in bytes.
const maxName = 128

func validName(name string) bool {
	return len(name) <= maxName && !strings.ContainsFunc(name, func(r rune) bool {
		alphanumeric := 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9'
		return !alphanumeric && !strings.ContainsRune("._:/-", r)
	})
}

// delay returns the delay that Jitter assigns to the job's name.
func (c *Config) delay() time.Duration {
	if c.Jitter == 0 {
		return 0
	}
	return time.Duration(c.hash() % uint64(c.Jitter))
}

// spread returns a number in [0, 1) that is derived from the name.
func (c *Config) spread() float64 { return float64(c.hash()%1000) / 1000 }

func (c *Config) hash() uint64 {
	h := fnv.New64a()
	h.Write([]byte(c.Name))
	return h.Sum64()
}
