package main

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

// The verdict of bench names the worst problem and what to do about it.
func TestVerdict(t *testing.T) {
	fromRedis := &exitError{exitUsage, errors.New("no Redis"), "start it"}
	lost := errors.New("connection lost")
	for _, row := range []struct {
		name     string
		change   func(*benchResult)
		viaRedis bool
		want     string // the error; empty for none
		hint     string
	}{
		{"all arrived", func(*benchResult) {}, false, "", ""},
		{"one was closed", func(r *benchResult) { r.Closed, r.closes, r.closesHint = 1, "why", "do" }, false, "the server closed 1 client: why", "do"},
		{"one was closed before", func(r *benchResult) { r.ClosedBefore, r.closes = 1, "why" }, false, "the server closed 1 client, 1 of them before the measurement: why", ""},
		{"some before, some then", func(r *benchResult) { r.ClosedBefore, r.Closed, r.failed = 2, 3, lost }, false, "the server closed 5 clients, 2 of them before the measurement: ", ""},
		{"it failed", func(r *benchResult) { r.failed, r.Lost = lost, 1 }, false, "the measurement ended early: connection lost", "is the server still running?"},
		{"Redis failed", func(r *benchResult) { r.failed, r.Closed = fmt.Errorf("publish: %w", fromRedis), 1 }, true, "no Redis", "start it"},
		{"nothing arrived", func(r *benchResult) { r.Deliveries, r.Lost = 0, 20 }, false, "nothing arrived", "--dev"},
		{"nothing arrived from Redis", func(r *benchResult) { r.Deliveries = 0 }, true, "nothing arrived", "check that --redis and --prefix are those of the server"},
		{"nothing was sent", func(r *benchResult) { r.Messages, r.Deliveries = 0, 0 }, false, "", ""},
		{"one was lost", func(r *benchResult) { r.Lost = 1 }, false, "not every message arrived at every client once: lost 1, repeated 0", ""},
		{"one was repeated", func(r *benchResult) { r.Repeated = 1 }, false, "not every message arrived at every client once: lost 0, repeated 1", ""},
	} {
		var r benchResult
		r.Messages, r.Deliveries = 10, 20
		row.change(&r)
		err := r.verdict(row.viaRedis)
		var e *exitError
		if !errors.As(err, &e) {
			e = &exitError{err: errors.New("")}
		}
		if (err == nil) != (row.want == "") || e.err.Error() != row.want || !strings.Contains(e.hint, row.hint) || row.hint == "" && e.hint != "" {
			t.Errorf("%s: %v, %q", row.name, err, e.hint)
		}
	}
}
