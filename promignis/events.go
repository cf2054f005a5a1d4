package promignis

import (
	"strconv"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/cron"
)

// eventFamilies are read from a Recorder.
var eventFamilies = []family[*Recorder]{
	{
		"upgrades_total", counter, "Requests for a connection, by outcome: accepted, or why they were refused.",
		[]string{"outcome"},
		func(r *Recorder, e emitter) {
			for outcome, n := range withZeros(r.upgrades.snapshot(), upgradeOutcomes) {
				e.add(float64(n), outcome)
			}
		},
	},
	{
		"authentications_total", counter, "Authentications of clients and refreshes of their sessions, by outcome (accepted, rejected, revoked, limited, unavailable, failed or abandoned). The reason is known for errors that have one text for all clients, such as those about tokens.",
		[]string{"kind", "outcome", "reason"},
		func(r *Recorder, e emitter) {
			counts := r.auths.snapshot()
			for _, refresh := range []bool{false, true} {
				for _, o := range authOutcomes {
					a := auth{refresh, o, ""}
					e.add(float64(counts[a]), authKinds[index(refresh)], string(o), "")
					delete(counts, a)
				}
			}
			for a, n := range counts {
				e.add(float64(n), authKinds[index(a.refresh)], string(a.outcome), a.reason)
			}
		},
	},
	{
		"authentication_duration_seconds", buckets, "Duration of authentications, including key agreement and OnConnect, and of refreshes.",
		[]string{"kind"},
		func(r *Recorder, e emitter) {
			for i, h := range r.authTimes {
				e.values(h, authKinds[i])
			}
		},
	},
	{
		"closes_total", counter, "Connections that have ended, by cause and close code. Codes that the protocol does not define are counted as other.",
		[]string{"cause", "code"},
		func(r *Recorder, e emitter) {
			for c, n := range withZeros(r.closes.snapshot(), closings) {
				e.add(float64(n), string(c.cause), c.code)
			}
		},
	},
	{
		"connection_duration_seconds", buckets, "Time from the upgrade to the end of connections whose clients were authenticated.", nil,
		func(r *Recorder, e emitter) { e.values(r.lifetimes) },
	},
	{
		"joins_total", counter, "Rooms that clients have joined, except the default rooms.", nil,
		func(r *Recorder, e emitter) { e.add(float64(r.joins.Load())) },
	},
	{
		"callback_duration_seconds", buckets, "Duration of the application's callbacks, by the name of the field of ignis.Config.",
		[]string{"callback"},
		func(r *Recorder, e emitter) {
			for i, h := range r.callbacks {
				e.values(h, ignis.Callback(i).String())
			}
		},
	},
	{
		"write_messages", buckets, "Number of messages, including pings and close frames, that one write to a socket begins. The more messages share a write, the less each costs.", nil,
		func(r *Recorder, e emitter) { e.values(r.writes) },
	},
	{
		"written_bytes_total", counter, "Bytes written to the sockets of clients, with frame headers and after compression.", nil,
		func(r *Recorder, e emitter) { e.add(float64(r.writtenBytes.Load())) },
	},
	{
		"api_requests_total", counter, "Requests to the HTTP API, by operation and status.",
		[]string{"operation", "status"},
		func(r *Recorder, e emitter) {
			for a, n := range r.api.answers.snapshot() {
				e.add(float64(n), a.operation, strconv.Itoa(a.status))
			}
		},
	},
	{
		"api_request_duration_seconds", buckets, "Duration of requests to the HTTP API, by operation.",
		[]string{"operation"},
		func(r *Recorder, e emitter) {
			for operation, h := range r.api.durations() {
				e.values(h, operation)
			}
		},
	},
	{
		"api_messages_total", counter, "Messages that were published through the HTTP API, once for each target.", nil,
		func(r *Recorder, e emitter) { e.add(float64(r.api.messages.Load())) },
	},
	{
		"webhook_request_duration_seconds", buckets, "Duration of requests to the application's endpoint, answered or not, by type.",
		[]string{"type"},
		func(r *Recorder, e emitter) {
			for _, t := range requestTypes {
				if h := r.requests[t]; h.used() {
					e.values(h, t)
				}
			}
		},
	},
}

var authKinds = [2]string{"authenticate", "refresh"}

// runOutcomes are the outcomes of runs. Instants that were not run have their own metric.
var runOutcomes = []cron.Outcome{
	cron.OutcomeSucceeded, cron.OutcomeFailed, cron.OutcomeTimedOut, cron.OutcomeReplaced, cron.OutcomeCanceled,
}

// jobFamilies are read from a Recorder for each job.
var jobFamilies = []family[*Recorder]{
	{
		"cron_runs_total", counter, "Runs of jobs that have ended, by outcome.",
		[]string{"job_name", "outcome"},
		eachJob(func(j *job, name string, e emitter) {
			counts := j.outcomes.snapshot()
			for _, o := range runOutcomes {
				e.add(float64(counts[o]), name, o.String())
			}
		}),
	},
	{
		"cron_instants_not_run_total", counter, "Instants of jobs that were skipped or missed, by reason.",
		[]string{"job_name", "outcome", "reason"},
		eachJob(func(j *job, name string, e emitter) {
			for k, n := range j.notRun.snapshot() {
				e.add(float64(n), name, k.outcome.String(), string(k.reason))
			}
		}),
	},
	{
		"cron_lag_seconds", buckets, "Time from the instant for which a job was scheduled to the start of its run.",
		[]string{"job_name"},
		eachJob(func(j *job, name string, e emitter) { e.values(j.lags, name) }),
	},
	{
		"cron_run_duration_seconds", buckets, "Duration of runs.",
		[]string{"job_name"},
		eachJob(func(j *job, name string, e emitter) { e.values(j.times, name) }),
	},
	{
		"cron_running", gauge, "Runs in progress.",
		[]string{"job_name"},
		eachJob(func(j *job, name string, e emitter) { e.add(float64(j.running.Load()), name) }),
	},
	{
		"cron_last_success_timestamp_seconds", gauge, "When a run last succeeded on this server, in seconds since 1970; 0 if none has.",
		[]string{"job_name"},
		eachJob(func(j *job, name string, e emitter) { e.add(float64(j.succeeded.Load())/1e9, name) }),
	},
}

func eachJob(read func(j *job, name string, e emitter)) func(*Recorder, emitter) {
	return func(r *Recorder, e emitter) {
		names, list := r.jobs.snapshot()
		for _, name := range names {
			read(list[name], name, e)
		}
	}
}
