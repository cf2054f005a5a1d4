package cron

import (
	"context"
	"time"
)

// Store is what processes share to run each instant of a job once. Its methods are
// called from several goroutines and return soon after their context has ended.
//
// What a store promises: of all claims for one instant of a job at most one is granted,
// ever, but the same claim again gets the same grant. The store's clock is the one that
// counts: before an instant has come by it no claim is granted, and jobs go by it, however
// wrong the clocks of their machines are.
// Package crontest has a suite that checks it.
type Store interface {
	// Claim asks for the run of an instant.
	Claim(ctx context.Context, c Claim) (Grant, error)
	// Finish notes how a run ended that a claim was granted for.
	Finish(ctx context.Context, f Finish) error
	// Last returns what the store knows of a job.
	Last(ctx context.Context, q Query) (State, error)
}

// Query is a process asking about a job.
type Query struct {
	Job string
	// Begins says that the process begins to follow Plan, and did so Ago: the store
	// keeps the plan. If it had one with another Schedule, then all before that is dealt
	// with: nothing is made up for by a schedule that was not there yet.
	Begins bool
	Ago    time.Duration
	Plan   Plan
}

// Plan is what a job does and when, for processes to compare. A store only keeps it.
type Plan struct {
	Schedule string // pattern and time zone
	Target   string // a short digest of Config.Target; empty without one
}

// State is what a store knows of a job.
type State struct {
	// Last is the instant up to which all is dealt with, zero if there is none. It is the
	// newest that was granted when a claim was last made that is not Behind, or the
	// moment at which another schedule began, if that is later.
	Last time.Time
	// Now is the store's time.
	Now time.Time
	// Plan is that of the process that began last before this call, zero if none has.
	Plan Plan
}

// Claim is a process asking for the run of an instant.
type Claim struct {
	Job string
	// Scheduled is a whole second. Zero: a run that is of no instant, which is
	// always granted.
	Scheduled time.Time
	// Token tells this claim from all others. It is the same when the claim is repeated
	// because an answer did not come.
	Token string
	// Behind says that the process still has older instants to make up for: should it
	// die, others are to know of them, so Last stays as it is.
	Behind bool
}

// Verdict is the answer to a claim.
type Verdict uint8

// The verdicts.
const (
	Granted   Verdict = iota + 1
	Taken             // another claim was granted
	TooEarly          // by the store's clock the instant has not come
	Forgotten         // the store has lost what it knew of this time: it may have been granted
)

// Grant is the answer to a claim, with what goes with it.
type Grant struct {
	Verdict Verdict
	Fence   uint64    // of Granted: greater than all before it for this job
	Now     time.Time // by the store's clock
}

// Finish says how a run ended.
type Finish struct {
	Job       string
	Scheduled time.Time // as in the claim
	Fence     uint64
	Outcome   Outcome
	Duration  time.Duration
}
