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
	DefaultReplaceLimit = 10 // OverlapLimit of Replace
	DefaultReplaceGrace = 5 * time.Second
	DefaultDeadline     = time.Hour
	DefaultMisfireLimit = 100
	DefaultDrainTimeout = 30 * time.Second
	DefaultHistory      = 20
)

// Tolerance is how late a run may start and still count as on time. What is later
// is a misfire: the process was down, asleep or busy, or the store was away. So is what is more
// than two seconds late when the next instant is due as well: of those that were
// missed in a row not all start at once.
const Tolerance = 10 * time.Second

// Overlap says what happens when an instant comes while an earlier run of the same job
// goes on in this process.
type Overlap uint8

// The policies.
const (
	Skip    Overlap = iota // leave the instant out
	Allow                  // run both, up to OverlapLimit at once
	Queue                  // run it afterwards; up to OverlapLimit wait
	Replace                // cancel the earlier run's context, wait ReplaceGrace, run it: beside what did not end, up to OverlapLimit
)

// Misfire says what happens to instants whose time was missed by more than [Tolerance].
type Misfire uint8

// The policies. None of them runs what is more than the Deadline late.
const (
	MisfireOnce           Misfire = iota // run the newest, unless one that is on time follows at once
	MisfireAll                           // run the newest up to MisfireLimit, one after another, the oldest of them first
	MisfireSkip                          // run none
	MisfireAllNewestFirst                // as MisfireAll, the newest first
)

// Config says what a job does and when. Pattern and Do are needed; every other
// field's zero value is its default. The callbacks are called from several
// goroutines; a panic in one of them is an error, not the end of the program.
type Config struct {
	// Name is what logs, history and the store know the job by: 1 to 128 letters,
	// digits and . _ : / -. Processes that share a Store run one job for each name. Needed
	// with Store and with Jitter.
	Name string
	// Pattern is the schedule, as [Parse] takes it, and Options are what it accepts.
	Pattern string
	Options []Option
	// Zone is the time zone by its IANA name, such as Europe/Paris. Empty: the local one.
	Zone string
	// Manual makes a job that a [Scheduler] runs wait for [Job.Start]. Without it the
	// schedule starts at once. [Job.Run] starts it in either case.
	Manual bool

	// Do is the work. Its context ends with Timeout, when the run is replaced, and
	// DrainTimeout after the job's Run was told to end. An error or a panic goes to
	// Failed; the job goes on.
	Do func(context.Context, Run) error
	// Completed is called each time the schedule stops, by Stop or by the end of Run,
	// before that call returns. Runs may still be going on.
	Completed func()
	// Failed gets the error of a run: that of Do, a *PanicError, or one that wraps
	// ErrTimeout, ErrReplaced or ErrShutdown. Nil: it is logged.
	Failed func(Run, error)
	// Started is called when a run starts, Recorded when one has ended and when instants
	// were skipped or missed. They are meant for metrics and return quickly.
	Started  func(Run)
	Recorded func(Record)

	// Overlap is the policy for an instant that comes while a run goes on in this
	// process. OverlapLimit bounds the runs at once of Allow, and of Replace those that
	// don't heed their contexts, and what waits of Queue. Zero: Skip, and
	// DefaultOverlapLimit, or DefaultReplaceLimit for Replace.
	Overlap      Overlap
	OverlapLimit int
	// ReplaceGrace is how long a run that is replaced may take to return. Then the next
	// one starts beside it. Zero: DefaultReplaceGrace.
	ReplaceGrace time.Duration

	// Misfire is the policy for instants that were missed. Zero: MisfireOnce.
	Misfire Misfire
	// Deadline is how late a run may start at all. Zero: DefaultDeadline.
	Deadline time.Duration
	// MisfireLimit bounds how many runs MisfireAll and MisfireAllNewestFirst make up for at once. Zero:
	// DefaultMisfireLimit.
	MisfireLimit int

	// Timeout ends the context of a run that takes longer. Zero: none.
	Timeout time.Duration
	// Jitter spreads the jobs that are due at the same instant: each starts later by a
	// time below it, which follows from Name and so is always the same. Zero: none.
	Jitter time.Duration
	// DrainTimeout is how long runs may go on after Run was told to end, before
	// their contexts end. Zero: DefaultDrainTimeout.
	DrainTimeout time.Duration
	// History is how many records History returns at most. Zero: DefaultHistory.
	History int

	// Target says what Do does, in any form, such as an event and whom it is for. Processes
	// that share a Store and have a job of the same name with another schedule or
	// Target are told in the log: they take each other's instants. Empty: only schedules
	// are compared.
	Target string
	// Store makes processes that share it run each instant once, and remembers what ran
	// while this one was down. Nil: this process is alone and starts with no past.
	Store Store
	// Logger gets what goes wrong, without floods: each cause once, and then once in ten
	// seconds how many lines were left out. Nil: slog.Default().
	Logger *slog.Logger
	// Now is the clock. Nil: time.Now. It is for tests of what a wrong clock does.
	Now func() time.Time
}

// withDefaults returns the configuration with its defaults, its schedule and its
// location, or says what is wrong with it.
func (c Config) withDefaults() (Config, *Schedule, *time.Location, error) {
	s, err := Parse(c.Pattern, c.Options...)
	if err != nil {
		return c, nil, nil, err
	}
	loc, err := LoadZone(c.Zone)
	if err != nil {
		return c, nil, nil, fmt.Errorf("cron: Zone: %w", err)
	}
	switch {
	case c.Do == nil:
		err = errors.New("cron: Do: a job needs a function")
	case c.Name == "" && c.Store != nil:
		err = errors.New("cron: Name: a job with a Store needs one, the same in each process")
	case c.Name == "" && c.Jitter > 0:
		err = errors.New("cron: Name: a job with Jitter needs one")
	case !validName(c.Name):
		err = fmt.Errorf("cron: Name: want 1 to 128 letters, digits and . _ : / -, but got %.150q", c.Name)
	case c.Overlap > Replace:
		err = fmt.Errorf("cron: Overlap: there is no policy %d", c.Overlap)
	case c.Misfire > MisfireAllNewestFirst:
		err = fmt.Errorf("cron: Misfire: there is no policy %d", c.Misfire)
	case c.Timeout < 0 || c.Jitter < 0:
		err = errors.New("cron: Timeout, Jitter: want a positive duration, or 0 for none")
	case c.ReplaceGrace < 0 || c.Deadline < 0 || c.DrainTimeout < 0:
		err = errors.New("cron: ReplaceGrace, Deadline, DrainTimeout: want a positive duration, or 0 for the default")
	case c.OverlapLimit < 0 || c.MisfireLimit < 0 || c.History < 0:
		err = errors.New("cron: OverlapLimit, MisfireLimit, History: want a positive number, or 0 for the default")
	}
	if err != nil {
		return c, nil, nil, err
	}
	limit := DefaultOverlapLimit
	if c.Overlap == Replace {
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

// maxName is the length of the longest name in bytes.
const maxName = 128

func validName(name string) bool {
	return len(name) <= maxName && !strings.ContainsFunc(name, func(r rune) bool {
		alphanumeric := 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9'
		return !alphanumeric && !strings.ContainsRune("._:/-", r)
	})
}

// delay is what Jitter makes of the name.
func (c *Config) delay() time.Duration {
	if c.Jitter == 0 {
		return 0
	}
	return time.Duration(c.hash() % uint64(c.Jitter))
}

// spread is a number from 0 up to 1 that follows from the name.
func (c *Config) spread() float64 { return float64(c.hash()%1000) / 1000 }

func (c *Config) hash() uint64 {
	h := fnv.New64a()
	h.Write([]byte(c.Name))
	return h.Sum64()
}
