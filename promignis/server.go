package promignis

import (
	"reflect"
	"strconv"
	"strings"
	"unicode"

	"github.com/ignis-go/ignis"
)

// server is the state of a server.
type server struct {
	ignis.Stats
	clients ignis.ClientStats
	health  ignis.Health
}

func serverState(s *ignis.Server) server {
	return server{s.Stats(), s.ClientStats(), s.Health()}
}

// serverFamilies are read from ignis.Server.
var serverFamilies = []family[server]{
	{
		"ready", gauge, "1 while the server should be sent new connections, 0 while it starts, drains or shuts down.", nil,
		func(s server, e emitter) { e.flag(s.health.Ready) },
	},
	{
		"draining", gauge, "1 from the time when the server begins to drain until it has stopped.", nil,
		func(s server, e emitter) { e.flag(s.health.Draining) },
	},
	{
		"clients", gauge, "Clients that are connected, by state (unauthenticated or authenticated) and version of the protocol (0: not known yet).",
		[]string{"state", "protocol"},
		func(s server, e emitter) {
			e.add(float64(s.clients.Unauthenticated), "unauthenticated", "0")
			for _, version := range []int{1, 2} {
				e.add(float64(s.clients.Authenticated[version]), "authenticated", strconv.Itoa(version))
			}
		},
	},
	{
		"clients_encrypted", gauge, "Authenticated clients that are encrypted.", nil,
		func(s server, e emitter) { e.add(float64(s.clients.Encrypted)) },
	},
	{
		"clients_slow", gauge, "Clients for which messages wait because they read too slowly.", nil,
		func(s server, e emitter) { e.add(float64(s.clients.Slow)) },
	},
	{
		"clients_behind", gauge, "Clients that are not read at the moment because their messages wait for a callback.", nil,
		func(s server, e emitter) { e.add(float64(s.clients.Behind)) },
	},
	{
		"clients_without_epoll", gauge, "Clients that have a goroutine each, because they use TLS or the system has no epoll.", nil,
		func(s server, e emitter) { e.add(float64(s.WithoutEpoll)) },
	},
	{
		"users", gauge, "Users with at least one session on this server.", nil,
		func(s server, e emitter) { e.add(float64(s.Users)) },
	},
	{
		"rooms", gauge, "Rooms with at least one member on this server, excluding those named by client IDs.", nil,
		func(s server, e emitter) { e.add(float64(s.Rooms)) },
	},
	{
		"queue_bytes", gauge, "Size of the messages that wait for clients, with 128 bytes of overhead each.", nil,
		func(s server, e emitter) { e.add(float64(s.clients.QueuedBytes)) },
	},
	{
		"queue_largest_bytes", gauge, "The largest part of ignis_queue_bytes that waits for one client.", nil,
		func(s server, e emitter) { e.add(float64(s.clients.MaxQueuedBytes)) },
	},
	{
		"connections_total", counter, "Connections that were upgraded.", nil,
		func(s server, e emitter) { e.add(float64(s.Connections)) },
	},
	{
		"refused_total", counter, "Requests, clients and messages that were refused, by the limit or rule that refused them.",
		[]string{"reason"},
		func(s server, e emitter) {
			for _, r := range refusals(s.Stats) {
				e.add(float64(r.count), r.reason)
			}
		},
	},
	{
		"throttled_total", counter, "Times that a client has sent more than the rate of messages or bytes allows, and was not read for a moment.", nil,
		func(s server, e emitter) { e.add(float64(s.Throttled)) },
	},
	{
		"revocations", gauge, "Revocations that this server remembers.", nil,
		func(s server, e emitter) { e.add(float64(s.Revoked)) },
	},
	{
		"revocations_total", counter, "Revocations that this server has made or learned of.", nil,
		func(s server, e emitter) { e.add(float64(s.Revocations)) },
	},
	{
		"revocations_dropped_total", counter, "Revocations that are not remembered, because there are too many.", nil,
		func(s server, e emitter) { e.add(float64(s.RevocationsDropped)) },
	},
	{
		"upgrades_failed_total", counter, "Valid handshakes that failed because of middleware or the chosen subprotocol, which is a fault of the application.", nil,
		func(s server, e emitter) { e.add(float64(s.FailedUpgrade)) },
	},
	{
		"join_refusals_total", counter, "Rooms that clients may not join, by reason.",
		[]string{"reason"},
		func(s server, e emitter) {
			for reason, n := range withZeros(s.RefusedJoins, joinRefusals) {
				e.add(float64(n), reason)
			}
		},
	},
	{
		"callback_errors_total", counter, "Errors and panics of callbacks, except errors that are meant for clients, and context.Canceled after the client has disconnected.", nil,
		func(s server, e emitter) { e.add(float64(s.CallbackErrors)) },
	},
	{
		"callback_panics_total", counter, "Panics of callbacks. They are part of ignis_callback_errors_total.", nil,
		func(s server, e emitter) { e.add(float64(s.CallbackPanics)) },
	},
}

// messageFamilies are read from ignis.Server, too.
var messageFamilies = []family[server]{
	{
		"messages_received_total", counter, "Messages from clients.", nil,
		func(s server, e emitter) { e.add(float64(s.Received)) },
	},
	{
		"messages_received_bytes_total", counter, "Size of the messages from clients, after decompression and without frame headers.", nil,
		func(s server, e emitter) { e.add(float64(s.ReceivedBytes)) },
	},
	{
		"messages_handled_total", counter, "Messages from clients that were passed to OnMessage.", nil,
		func(s server, e emitter) { e.add(float64(s.Messages)) },
	},
	{
		"messages_discarded_total", counter, "Messages from clients that were not handled, by reason.",
		[]string{"reason"},
		func(s server, e emitter) {
			e.add(float64(s.Malformed), "malformed")
			e.add(float64(s.Ignored), "ignored")
			e.add(float64(s.Unauthenticated), "unauthenticated")
			e.add(float64(s.Unhandled), "unhandled")
			e.add(float64(s.BadEncrypted), "bad encryption")
		},
	},
	{
		"messages_sent_total", counter, "Messages that were queued for clients.", nil,
		func(s server, e emitter) { e.add(float64(s.Sent)) },
	},
	{
		"message_recipients", buckets, "Messages from the application, by the number of clients of this server that they were for.", nil,
		func(s server, e emitter) { e.distribution(s.Recipients) },
	},
	{
		"messages_dropped_total", counter, "Messages that clients did not receive, by reason.",
		[]string{"reason"},
		func(s server, e emitter) {
			for reason, n := range s.Dropped {
				e.add(float64(n), reason)
			}
		},
	},
}

// busFamilies are read from ignis.Server if it has a bus.
var busFamilies = []family[server]{
	{
		"bus_up", gauge, "1 while messages reach other instances and arrive from them, as far as the bus knows.", nil,
		func(s server, e emitter) { e.flag(s.health.Bus == nil) },
	},
	{
		"bus_published_total", counter, "Envelopes that were passed to the bus.", nil,
		func(s server, e emitter) { e.add(float64(s.BusPublished)) },
	},
	{
		"bus_refused_total", counter, "Envelopes that the bus did not accept; the sender was told.", nil,
		func(s server, e emitter) { e.add(float64(s.BusRefused)) },
	},
	{
		"bus_lost_total", counter, "Envelopes that the bus accepted but could not send.", nil,
		func(s server, e emitter) { e.add(float64(s.BusLost)) },
	},
	{
		"bus_received_total", counter, "Envelopes from the bus, including this server's own.", nil,
		func(s server, e emitter) { e.add(float64(s.BusReceived)) },
	},
	{
		"bus_discarded_total", counter, "Envelopes from the bus that were malformed or of an unknown type.",
		[]string{"reason"},
		func(s server, e emitter) {
			e.add(float64(s.BusMalformed), "malformed")
			e.add(float64(s.BusUnknown), "unknown type")
		},
	},
	{
		"bus_commands_total", counter, "Commands from the bus, including this server's own.", nil,
		func(s server, e emitter) { e.add(float64(s.Commands)) },
	},
	{
		"bus_commands_ignored_total", counter, "Commands from the bus that were malformed, unknown (or of a later version), or already executed.",
		[]string{"reason"},
		func(s server, e emitter) {
			e.add(float64(s.BadCommands), "malformed")
			e.add(float64(s.UnknownCommands), "unknown")
			e.add(float64(s.RepeatedCommands), "repeated")
		},
	},
	{
		"bus_gaps_total", counter, "Periods in which envelopes of other instances may have been missed.", nil,
		func(s server, e emitter) { e.add(float64(s.BusGaps)) },
	},
	{
		"bus_gap_seconds_total", counter, "Total duration of the gaps.", nil,
		func(s server, e emitter) { e.add(s.BusGapTime.Seconds()) },
	},
}

// refusal is a field of ignis.Stats whose name begins with Refused.
type refusal struct {
	reason string
	count  uint64
}

// refusals returns the counters of what a server has refused, so that each new limit is
// reported without a change here.
func refusals(s ignis.Stats) (list []refusal) {
	v := reflect.ValueOf(s)
	for i := range v.NumField() {
		name, ok := strings.CutPrefix(v.Type().Field(i).Name, "Refused")
		if ok && v.Field(i).Kind() == reflect.Uint64 {
			list = append(list, refusal{snake(name), v.Field(i).Uint()})
		}
	}
	return list
}

// snake returns a name such as AddressRate as address_rate.
func snake(name string) string {
	var b strings.Builder
	for i, r := range name {
		if unicode.IsUpper(r) && i > 0 {
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}
