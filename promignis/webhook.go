package promignis

import (
	"github.com/ignis-go/ignis/webhook"
)

var circuitStates = []string{
	webhook.CircuitClosed.String(), webhook.CircuitOpen.String(), webhook.CircuitHalfOpen.String(),
}

// webhookFamilies are read from webhook.Client.
var webhookFamilies = []family[webhook.Stats]{
	{
		"webhook_requests_total", counter, "Requests that were sent to the application's endpoint.",
		[]string{"type"},
		eachEndpoint(func(s webhook.EndpointStats, t string, e emitter) { e.add(float64(s.Requests), t) }),
	},
	{
		"webhook_answers_total", counter, "Requests that the endpoint accepted or refused.",
		[]string{"type", "answer"},
		eachEndpoint(func(s webhook.EndpointStats, t string, e emitter) {
			e.add(float64(s.Accepted), t, "accepted")
			e.add(float64(s.Refused), t, "refused")
		}),
	},
	{
		"webhook_failures_total", counter, "Requests without a usable answer, including those that were not sent, by cause.",
		[]string{"type", "cause"},
		eachEndpoint(func(s webhook.EndpointStats, t string, e emitter) {
			for cause, n := range withZeros(s.Failed, webhookCauses) {
				e.add(float64(n), t, string(cause))
			}
		}),
	},
	{
		"webhook_questions_waiting", gauge, "Questions that wait for their turn.",
		[]string{"type"},
		eachEndpoint(func(s webhook.EndpointStats, t string, e emitter) { e.add(float64(s.Waiting), t) }),
	},
	{
		"webhook_requests_in_flight", gauge, "Requests that were sent and not answered yet.",
		[]string{"type"},
		eachEndpoint(func(s webhook.EndpointStats, t string, e emitter) { e.add(float64(s.InFlight), t) }),
	},
	{
		"webhook_circuit_state", gauge, "1 for the state of the circuit: closed (requests are sent), open (none are) or half-open (one tests the endpoint).",
		[]string{"type", "state"},
		eachEndpoint(func(s webhook.EndpointStats, t string, e emitter) { e.state(s.Circuit.String(), circuitStates, t) }),
	},
	{
		"webhook_circuit_opened_total", counter, "Number of times that the circuit has opened.",
		[]string{"type"},
		eachEndpoint(func(s webhook.EndpointStats, t string, e emitter) { e.add(float64(s.Opened), t) }),
	},
	{
		"webhook_events_queued", gauge, "Events that wait or are being sent.", nil,
		func(s webhook.Stats, e emitter) { e.add(float64(s.Queued)) },
	},
	{
		"webhook_events_queued_bytes", gauge, "Memory that these events use.", nil,
		func(s webhook.Stats, e emitter) { e.add(float64(s.QueuedBytes)) },
	},
	{
		"webhook_events_delivered_total", counter, "Events that the endpoint has accepted.", nil,
		func(s webhook.Stats, e emitter) { e.add(float64(s.Delivered)) },
	},
	{
		"webhook_event_retries_total", counter, "Requests with events that were sent again.", nil,
		func(s webhook.Stats, e emitter) { e.add(float64(s.Retries)) },
	},
	{
		"webhook_events_lost_total", counter, "Events that were lost, by cause.",
		[]string{"cause"},
		func(s webhook.Stats, e emitter) {
			for cause, n := range withZeros(s.Lost, webhookLosses) {
				e.add(float64(n), string(cause))
			}
		},
	},
}

// eachEndpoint reads the metrics of each type of request.
func eachEndpoint(read func(s webhook.EndpointStats, t string, e emitter)) func(webhook.Stats, emitter) {
	return func(s webhook.Stats, e emitter) {
		for i, of := range []webhook.EndpointStats{s.Authenticate, s.Rooms, s.Messages, s.Events} {
			read(of, requestTypes[i], e)
		}
	}
}
