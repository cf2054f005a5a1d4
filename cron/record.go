package cron

import (
	"errors"
	"fmt"
	"time"
)

var (
	// ErrNotRunning is returned by RunNow if neither the job's Run nor a Scheduler is
	// running the job.
	ErrNotRunning = errors.New("cron: job is not running, call its Run method or add it to a running Scheduler")
	// ErrBusy is returned by RunNow if the Overlap policy does not allow another run.
	ErrBusy = errors.New("cron: job is busy")

	// ErrTimeout is the cancellation cause of a run that exceeded its Timeout.
	ErrTimeout = errors.New("cron: run exceeded its timeout")
	// ErrReplaced is the cancellation cause of a run that was replaced by a newer one.
	ErrReplaced = errors.New("cron: run was replaced by a newer one")
	// ErrShutdown is the cancellation cause of a run that was still in progress
	// DrainTimeout after the job was told to stop.
	ErrShutdown = errors.New("cron: job is shutting down")
)

// PanicError is the error of a run that panicked.
type PanicError struct {
	Value any    // value passed to panic
	Stack []byte // stack trace of the panic
}

// Error returns a message with the panic value.
func (e *PanicError) Error() string { return fmt.Sprintf("cron: panic: %v", e.Value) }

// Unwrap returns the panic value if it is an error.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}

// Run describes one call of a job's function.
type Run struct {
	Job string // name of the job
	// Scheduled is the instant that the run is for, in the job's zone. For a manual run it
	// is the time of the RunNow call.
	Scheduled time.Time
	// Started is when the function was called.
	Started time.Time
	// Fence increases with each run of the job, across all processes that share the Store.
	// A resource that the run writes to can reject any Fence below the highest it has seen,
	// which keeps out a run that was suspended while later ones proceeded. It is zero
	// without a Store.
	Fence uint64
	// Manual reports whether the run was started by RunNow. Misfire reports whether it is
	// the late run of a missed instant.
	Manual, Misfire bool
}

// Outcome says what happened to an instant.
type Outcome uint8

// The outcomes.
const (
	OutcomeSucceeded Outcome = iota + 1
	OutcomeFailed            // Do returned an error or panicked
	OutcomeTimedOut          // Do returned an error after its Timeout
	OutcomeReplaced          // Do returned an error after a newer run replaced it
	OutcomeCanceled          // Do returned an error after the shutdown canceled its context
	OutcomeSkipped           // deliberately not run
	OutcomeMissed            // no process could run it in time
)

var outcomes = [...]string{"unknown", "succeeded", "failed", "timed out", "replaced", "canceled", "skipped", "missed"}

// String returns the outcome in lower case, such as "timed out". The text is stable, so that
// it can be used as a metric label.
func (o Outcome) String() string {
	if int(o) < len(outcomes) {
		return outcomes[o]
	}
	return outcomes[0]
}

// Reason is why instants were skipped or missed. The texts are stable, so that they can be
// used as metric labels.
type Reason string

// The reasons.
const (
	ReasonOverlap          Reason = "overlap"           // an earlier run was in progress
	ReasonOverlapLimit     Reason = "queue full"        // OverlapLimit was reached
	ReasonReplaced         Reason = "replaced"          // a newer instant was due while it waited to replace a run
	ReasonPaused           Reason = "paused"            // the job was paused
	ReasonStopped          Reason = "stopped"           // the schedule was stopped while the run waited
	ReasonLate             Reason = "late"              // it was later than Tolerance, with MisfireSkip
	ReasonSuperseded       Reason = "superseded"        // a newer instant was run in its place
	ReasonMisfireLimit     Reason = "misfire limit"     // MisfireLimit was reached
	ReasonDeadline         Reason = "deadline"          // it was later than Deadline
	ReasonStoreUnavailable Reason = "store unavailable" // it is unknown whether another process ran it
	ReasonStoreUncertain   Reason = "store uncertain"   // the store lost its data about this instant
)

// Record says what happened to an instant, or to several consecutive instants that were skipped
// or missed for the same reason.
type Record struct {
	Run
	Outcome  Outcome
	Reason   Reason        // set if Outcome is OutcomeSkipped or OutcomeMissed
	Err      error         // set if the run did not succeed
	Duration time.Duration // duration of the call
	// Count is the number of instants from Scheduled to Until that the record describes. It
	// is 1 for a run, and never exceeds MaxRecordCount.
	Count int
	Until time.Time
}

// MaxRecordCount is the maximum Count of a [Record], even if it describes more instants.
const MaxRecordCount = 10_000

// Lag returns how long after its instant the run started, or 0 if it did not start. It is
// never negative, although the store's time is known only approximately.
func (r Run) Lag() time.Duration {
	if r.Started.IsZero() {
		return 0
	}
	return max(0, r.Started.Sub(r.Scheduled))
}

// Counts contains the number of instants by outcome since the job was created.
type Counts struct {
	Succeeded, Failed, TimedOut, Replaced, Canceled, Skipped, Missed uint64
	Elsewhere                                                        uint64 // run by another process
}

func (c *Counts) add(o Outcome, n int) {
	totals := [...]*uint64{nil, &c.Succeeded, &c.Failed, &c.TimedOut, &c.Replaced, &c.Canceled, &c.Skipped, &c.Missed}
	*totals[o] += uint64(n)
}

// Status describes what a job is doing.
type Status struct {
	// Active reports whether the schedule is started and followed by a Run.
	Active bool
	Paused bool
	// Running is the number of runs in progress. Waiting is the number of runs that wait
	// for them.
	Running, Waiting int
	// Next is the next instant, or zero if the job is inactive or paused.
	Next time.Time
	// Prev is the last instant of the schedule before now, whether or not it was run.
	Prev time.Time
	// LastRun is the run that started last in this process, or zero if there was none.
	LastRun Run
	Counts  Counts
}
