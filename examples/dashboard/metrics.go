package main

import (
	"errors"
	"expvar"
	"fmt"
	"net/http"

	"github.com/ignis-go/ignis"
)

// Metrics counts what a server does. A real application would use its metrics library in
// the hooks.
type Metrics struct{ numbers expvar.Map }

// Hooks returns the hooks that update the metrics.
func (m *Metrics) Hooks() ignis.Hooks {
	count := func(name string, n int) { m.numbers.Add(name, int64(n)) }
	return ignis.Hooks{
		Connected: func(ignis.ConnectedInfo) { count("clients", 1) },
		Closed: func(i ignis.ClosedInfo) {
			count("clients", -1)
			count("closed: "+string(i.Cause), 1)
		},
		Authenticated: func(i ignis.AuthenticatedInfo) { count("authentications: "+outcome(i.Err), 1) },
		MessageHandled: func(i ignis.MessageHandledInfo) {
			count("requests: "+outcome(i.Err), 1)
			m.numbers.AddFloat("seconds in requests", i.Duration.Seconds())
		},
		Sent:    func(i ignis.SentInfo) { count("messages sent", i.Messages*i.Recipients) },
		Dropped: func(i ignis.DroppedInfo) { count("messages dropped: "+i.Reason, i.Messages) },
	}
}

// outcome returns one of a few words for an error.
func outcome(err error) string {
	var refused *ignis.Error
	switch {
	case err == nil:
		return "done"
	case errors.As(err, &refused):
		return string(refused.Code)
	case errors.Is(err, ignis.ErrUnauthenticated):
		return "rejected"
	}
	return "failed"
}

// ServeHTTP responds with the metrics as JSON.
func (m *Metrics) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = fmt.Fprint(w, &m.numbers)
}
