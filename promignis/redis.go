package promignis

import (
	"errors"

	"github.com/ignis-go/ignis/redisbus"
)

// redis is the state of a bus over Redis.
type redis struct {
	redisbus.Stats
	state string
}

// The states of a bus over Redis, by the error of redisbus.Bus.Health.
const (
	redisReady       = "ready"
	redisStopped     = "stopped"
	redisUnavailable = "unavailable"
	redisRefused     = "refused"
	redisOverflow    = "overflow"
	redisPartial     = "partial"
)

var redisStates = []string{redisReady, redisStopped, redisUnavailable, redisRefused, redisOverflow, redisPartial}

func redisState(b *redisbus.Bus) redis {
	state, err := redisReady, b.Health()
	switch {
	case err == nil:
	case errors.Is(err, redisbus.ErrNotRunning):
		state = redisStopped
	case errors.Is(err, redisbus.ErrUnavailable):
		state = redisUnavailable
	case errors.Is(err, redisbus.ErrOverflow):
		state = redisOverflow
	case errors.Is(err, redisbus.ErrPartial):
		state = redisPartial
	default:
		state = redisRefused
	}
	return redis{b.Stats(), state}
}

// redisFamilies are read from redisbus.Bus. The gaps are those of ignis_bus_gaps_total.
var redisFamilies = []family[redis]{
	{
		"redis_connected", gauge, "1 while both connections to Redis are up.", nil,
		func(r redis, e emitter) { e.flag(r.Connected) },
	},
	{
		"redis_state", gauge, "1 for the state of the bus: ready, stopped, unavailable (no connection), refused (Redis refuses envelopes), overflow (envelopes arrive faster than they are processed) or partial (a part of the Cluster is cut off).",
		[]string{"state"},
		func(r redis, e emitter) { e.state(r.state, redisStates) },
	},
	{
		"redis_node_info", gauge, "1, with the address of the Redis node that the bus is connected to. It changes after a failover.",
		[]string{"node"},
		func(r redis, e emitter) {
			if r.Connected {
				e.add(1, r.Addr)
			}
		},
	},
	{
		"redis_lag_seconds", gauge, "Time from publishing the last heartbeat to receiving it. Absent while there is no connection or Redis refuses heartbeats.", nil,
		func(r redis, e emitter) {
			if r.Lag > 0 {
				e.add(r.Lag.Seconds())
			}
		},
	},
	{
		"redis_heartbeat_lag_seconds", summary, "Number of heartbeats that came back, and the total time from publishing to receiving them.", nil,
		func(r redis, e emitter) { e.sum(r.Heartbeats, r.LagTime.Seconds()) },
	},
	{
		"redis_published_total", counter, "Envelopes that Redis has accepted.", nil,
		func(r redis, e emitter) { e.add(float64(r.Published)) },
	},
	{
		"redis_received_total", counter, "Envelopes that arrived and were passed to the server.", nil,
		func(r redis, e emitter) { e.add(float64(r.Received)) },
	},
	{
		"redis_rejected_total", counter, "Envelopes that were not accepted because there was no connection or the queue was full.", nil,
		func(r redis, e emitter) { e.add(float64(r.Rejected)) },
	},
	{
		"redis_lost_total", counter, "Envelopes that were accepted and that Redis did not confirm, by reason.",
		[]string{"reason"},
		func(r redis, e emitter) {
			e.add(float64(r.LostConnection), "connection lost")
			e.add(float64(r.LostExpired), "expired")
			e.add(float64(r.LostRefused), "refused")
			e.add(float64(r.LostShutdown), "shutdown")
		},
	},
	{
		"redis_dropped_total", counter, "Envelopes that arrived but were dropped because the server did not keep up.", nil,
		func(r redis, e emitter) { e.add(float64(r.Dropped)) },
	},
	{
		"redis_commands_sent_total", counter, "Commands to other instances that Redis has accepted.", nil,
		func(r redis, e emitter) { e.add(float64(r.CommandsSent)) },
	},
	{
		"redis_commands_received_total", counter, "Commands that arrived or were read.", nil,
		func(r redis, e emitter) { e.add(float64(r.Commands)) },
	},
	{
		"redis_commands_dropped_total", counter, "Commands that arrived but were too large or too many. Revocations are then read again.", nil,
		func(r redis, e emitter) { e.add(float64(r.CommandsDropped)) },
	},
	{
		"redis_command_failures_total", counter, "Failed attempts to send commands and to read the stored ones.", nil,
		func(r redis, e emitter) { e.add(float64(r.StoreFailures)) },
	},
	{
		"redis_reconnects_total", counter, "Connections that replaced an earlier one.", nil,
		func(r redis, e emitter) { e.add(float64(r.Reconnects)) },
	},
	{
		"redis_garbled_total", counter, "Connections that were closed because Redis, or what answered in its place, sent invalid data or too much.", nil,
		func(r redis, e emitter) { e.add(float64(r.Garbled)) },
	},
	{
		"redis_dead_subscriptions_total", counter, "Connections that were closed because the subscription delivered nothing although Redis answered.", nil,
		func(r redis, e emitter) { e.add(float64(r.DeadSubscriptions)) },
	},
	{
		"redis_masters_cut_off", gauge, "Masters of the Cluster that the bus's node does not reach.", nil,
		func(r redis, e emitter) { e.add(float64(r.CutOff)) },
	},
	{
		"redis_queued_envelopes", gauge, "Envelopes that Redis has yet to confirm.", nil,
		func(r redis, e emitter) { e.add(float64(r.Queued)) },
	},
	{
		"redis_waiting_envelopes", gauge, "Envelopes that have arrived and wait to be processed.", nil,
		func(r redis, e emitter) { e.add(float64(r.Waiting)) },
	},
}
