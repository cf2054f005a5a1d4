package cron

import (
	"context"
	"time"
)

// Store coordinates processes so that each instant of a job is run once among them. Its
// methods are called from several goroutines, and must return soon after their context ends.
//
// A Store grants at most one claim for each instant of a job, ever. If the same claim is
// repeated, it returns the same grant. The store's clock is authoritative: a claim is not
// granted before its instant is due by that clock, and jobs follow it even if the clocks of
// their machines are wrong. Package crontest has a test suite that checks these guarantees.
type Store interface {
	// Claim asks to run an instant.
	Claim(ctx context.Context, c Claim) (Grant, error)
	// Finish records how a granted run ended.
	Finish(ctx context.Context, f Finish) error
	// Last returns what the store knows about a job.
	Last(ctx context.Context, q Query) (State, error)
}

// Query asks a [Store] about a job.
type Query struct {
	Job string
	// Begins reports that the process started to follow Plan, and that it did so Ago. The store
	// saves the plan. If it replaces one with another Schedule, the store counts everything
	// before as settled, so that a new schedule does not run instants from before it
	// existed.
	Begins bool
	Ago    time.Duration
	Plan   Plan
}

// Plan describes what a job does and when, so that processes can compare it. A store saves it
// without interpreting it.
type Plan struct {
	Schedule    string // pattern and time zone
	Fingerprint string // short digest of Config.Fingerprint, empty if that is
}

// State is what a [Store] knows about a job.
type State struct {
	// Last is the instant up to which everything is settled, or zero if there is none. It
	// is the newest instant that had been granted when a claim that is not Behind was last
	// made, or the moment at which a different schedule began, if that is later.
	Last time.Time
	// Now is the store's time.
	Now time.Time
	// Plan is the plan of the process that began last before this call, or zero if there
	// was none.
	Plan Plan
}

// Claim asks a [Store] for permission to run an instant.
type Claim struct {
	Job string
	// Scheduled is a whole second. Zero means a run outside the schedule, which is always
	// granted.
	Scheduled time.Time
	// Token distinguishes this claim from all others. A claim that is repeated because its
	// answer was lost has the same token.
	Token string
	// Behind reports that the process still has older, missed instants to run. Last then
	// does not change, so that other processes find those instants if this one dies.
	Behind bool
}

// Verdict is a [Store]'s decision about a claim.
type Verdict uint8

// The verdicts.
const (
	Granted   Verdict = iota + 1
	Taken             // another claim for the instant was granted
	TooEarly          // the instant is not due by the store's clock
	Forgotten         // the store lost its data about this time, so the instant may have been granted before
)

// Grant is a [Store]'s answer to a claim.
type Grant struct {
	Verdict Verdict
	Fence   uint64    // if Granted, greater than any earlier one of this job
	Now     time.Time // the store's time
}

// Finish describes how a run ended.
type Finish struct {
	Job       string
	Scheduled time.Time // as in the claim
	Fence     uint64
	Outcome   Outcome
	Duration  time.Duration
}
