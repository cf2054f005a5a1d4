package main

import (
	"errors"
	"strings"
	"testing"

	"github.com/ignis-go/ignis/internal/longtest"
)

// The table has each figure in the right place and unit.
func TestBenchPrint(t *testing.T) {
	longtest.Mark(t)
	var b bench
	r := &b.result
	r.Connected, r.ConnectSeconds, r.ConnectsPerSecond, r.ClosedBefore, r.Closed = 12, 1.256, 9.5, 3, 4
	r.Messages, r.Seconds = 50, 2.04
	r.Deliveries, r.DeliveriesPerSecond, r.Lost, r.Reordered, r.Repeated = 600, 294.1, 5, 6, 7
	r.LatencyMillis.P50, r.LatencyMillis.P99, r.LatencyMillis.P999, r.LatencyMillis.Max = 1.234, 2.345, 3.456, 4.567
	r.Server = &serverResult{ConnectCPUMicros: 120.52, DeliveryCPUMicros: 3.456, CPU: 0.8049, ResidentBytes: 12_340_000, ResidentPerClient: 5_678}
	r.HerdBusy = 0.4
	expect := func(want ...string) {
		t.Helper()
		var out strings.Builder
		if err := b.print(&out); err != nil {
			t.Fatal(err)
		}
		text := ""
		for line := range strings.Lines(out.String()) {
			text += strings.Join(strings.Fields(line), " ") + "\n"
		}
		for _, w := range want {
			if !strings.Contains(text, w+"\n") {
				t.Errorf("no %q in\n%s", w, text)
			}
		}
		if n := strings.Count(text, "\n"); n != len(want) {
			t.Errorf("%d lines, want %d", n, len(want))
		}
	}
	all := []string{
		"clients 12 connected in 1.26 s (10 per second); the server closed 3 before the measurement and 4 during it",
		"messages 50 in 2.0 s",
		"deliveries 600 (294 per second); 5 lost, 6 reordered, 7 repeated",
		"latency p50 1.23 ms, p99 2.35 ms, p99.9 3.46 ms, max 4.57 ms",
		"server CPU 3.46 us per delivery, 120.5 us to connect a client; 80 % of a processor",
		"server memory 12.3 MB resident, growth 5.68 KB per client",
		"this process busy for 40 % of the time",
	}
	expect(all...)
	r.HerdBusy, r.failed = 0.96, errors.New("no luck")
	all[6] = "this process busy for 96 % of the time, so it limited the rate"
	expect(append(all, "ended early the figures cover only the time until then")...)
	r.interrupted = true
	expect(append(all, "interrupted the figures cover only the time until then")...)
	r.Server = nil
	expect(append(append(all[:4:4], all[6]), "interrupted the figures cover only the time until then")...)
}
