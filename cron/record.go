package cron

import (
	"errors"
	"fmt"
	"time"
)

var (
	// ErrNotRunning is returned by RunNow while no Run of the job is there to do it.
	ErrNotRunning = errors.New("cron: the job is not run by anybody: call its Run, or that of its Scheduler")
	// ErrBusy is returned by RunNow when the Overlap policy leaves no room for a run.
	ErrBusy = errors.New("cron: a run of the job is going on")

	// ErrTimeout is why the context of a run ends that takes longer than Timeout.
	ErrTimeout = errors.New("cron: the run took longer than its timeout")
	// ErrReplaced is why the context of a run ends that another one replaces.
	ErrReplaced = errors.New("cron: the run was replaced by a newer one")
	// ErrShutdown is why the context of a run ends that goes on for longer than
	// DrainTimeout after the job was told to end.
	ErrShutdown = errors.New("cron: the job is shut down")
)

// PanicError is the error of a run that panicked.
type PanicError struct {
	Value any    // what it panicked with
	Stack []byte // where
}

// Error says what it panicked with.
func (e *PanicError) Error() string { return fmt.Sprintf("cron: panic: %v", e.Value) }

// Unwrap returns the value if it is an error.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}

// Run is one call of a job's function.
type Run struct {
	Job string // its Name
	// Scheduled is the instant that the run is for, in the job's zone; of a manual run
	// the moment of the call.
	Scheduled time.Time
	// Started is when the function was called.
	Started time.Time
	// Fence grows from each run of the job to the next, in all processes that share the
	// Store. What the run writes to can refuse a number below one that it has seen, and
	// so a run that was asleep while others went on. Zero without a Store.
	Fence uint64
	// Manual says that RunNow asked for it, Misfire that it makes up for an instant that
	// was missed.
	Manual, Misfire bool
}

// Outcome is what became of an instant.
type Outcome uint8

// The outcomes.
const (
	Succeeded Outcome = iota + 1
	Failed            // Do returned an error, or panicked
	TimedOut          // Do returned an error after its Timeout
	Replaced          // Do returned an error after a newer run took its place
	Canceled          // Do returned an error after the shutdown ended its context
	Skipped           // left out on purpose
	Missed            // nobody could run it in time
)

var outcomes = [...]string{"unknown", "succeeded", "failed", "timed out", "replaced", "canceled", "skipped", "missed"}

// String returns a word or two, which do not change: they may be labels of metrics.
func (o Outcome) String() string {
	if int(o) < len(outcomes) {
		return outcomes[o]
	}
	return outcomes[0]
}

// Reason says why instants were skipped or missed. The texts do not change: they may be
// labels of metrics.
type Reason string

// The reasons.
const (
	Overlapped  Reason = "overlap"           // an earlier run was going on
	QueueFull   Reason = "queue full"        // OverlapLimit was reached
	Outrun      Reason = "replaced"          // a newer one came while it waited to replace
	Paused      Reason = "paused"            // the job was
	Stopped     Reason = "stopped"           // the schedule was, while the run waited
	Late        Reason = "late"              // by more than Tolerance allows, and the policy is MisfireSkip
	Superseded  Reason = "superseded"        // a newer one was run in its place
	PastLimit   Reason = "misfire limit"     // MisfireLimit was reached
	PastDue     Reason = "deadline"          // it was over by more than Deadline
	Unavailable Reason = "store unavailable" // so nobody could tell whether another process runs it
	Uncertain   Reason = "store uncertain"   // the store has lost what it knew about this instant
)

// Record is what became of an instant, or of several in a row that were skipped or
// missed for the same reason.
type Record struct {
	Run
	Outcome  Outcome
	Reason   Reason        // of Skipped and Missed
	Err      error         // of a run that did not succeed
	Duration time.Duration // of the call
	// Count is how many instants it is about, from Scheduled to Until: 1 for a run.
	// Of more than MaxCount it is MaxCount.
	Count int
	Until time.Time
}

// MaxCount is up to where the instants of a Record are counted.
const MaxCount = 10_000

// Lag returns how long after its instant the run started; 0 if it did not. The store's time
// is known here but for a moment, which does not make it negative.
func (r Run) Lag() time.Duration {
	if r.Started.IsZero() {
		return 0
	}
	return max(0, r.Started.Sub(r.Scheduled))
}

// Counts are totals since the job was made, of instants.
type Counts struct {
	Succeeded, Failed, TimedOut, Replaced, Canceled, Skipped, Missed uint64
	Elsewhere                                                        uint64 // another process runs them
}

func (c *Counts) add(o Outcome, n int) {
	totals := [...]*uint64{nil, &c.Succeeded, &c.Failed, &c.TimedOut, &c.Replaced, &c.Canceled, &c.Skipped, &c.Missed}
	*totals[o] += uint64(n)
}

// Status is what a job is doing.
type Status struct {
	// Active says that the schedule is started, and that a Run is there to follow it.
	Active bool
	Paused bool
	// Running is how many calls of Do are going on, Waiting how many runs wait for them.
	Running, Waiting int
	// Next is the instant that is due next, zero if the job is not active or is paused.
	Next time.Time
	// Prev is the last instant of the schedule before now, whatever became of it.
	Prev time.Time
	// Last is the run that started last here, zero if there was none.
	Last   Run
	Counts Counts
}
