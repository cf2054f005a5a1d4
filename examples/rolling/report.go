package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// round is what happened while one server was restarted.
type round struct {
	ends, warned int
	first, last  time.Duration // of the closes, since the server was told to stop
	parts        [10]int       // the closes in each tenth of the time between
	reconnects   [10]int       // the same for the reconnects, in the time between the first and the last
	away, worst  time.Duration // median and maximum of the time without a connection
}

// begin begins a round.
func (h *herd) begin() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ends, h.reconnect, h.began = nil, nil, time.Now()
}

// round returns what has happened in this round.
func (h *herd) round() round {
	h.mu.Lock()
	defer h.mu.Unlock()
	r := round{ends: len(h.ends)}
	var closes, away []time.Duration
	for _, e := range h.ends {
		closes, away = append(closes, e.at.Sub(h.began)), append(away, e.away)
		if e.warned {
			r.warned++
		}
	}
	if r.ends == 0 {
		return r
	}
	slices.Sort(closes)
	slices.Sort(away)
	r.first, r.last = closes[0], closes[r.ends-1]
	r.away, r.worst = away[r.ends/2], away[r.ends-1]
	var reconnects []time.Duration
	for _, at := range h.reconnect {
		reconnects = append(reconnects, at.Sub(h.began))
	}
	slices.Sort(reconnects)
	r.parts, r.reconnects = tenths(closes), tenths(reconnects)
	return r
}

// tenths counts sorted times in each tenth of the time between the first and the last.
func tenths(times []time.Duration) (parts [10]int) {
	first, last := times[0], times[len(times)-1]
	for _, at := range times {
		parts[10*(at-first)/(last-first+1)]++
	}
	return parts
}

func (r round) String() string {
	return fmt.Sprintf(`    %d clients moved to another server; %d had been told to, and the others speak protocol 1
    away     for %v, at most %v
    closed   %s  evenly from %v to %v after the signal
    back     %s
`, r.ends, r.warned, r.away.Round(time.Millisecond), r.worst.Round(time.Millisecond),
		bars(r.parts), r.first.Round(100*time.Millisecond), r.last.Round(100*time.Millisecond), bars(r.reconnects))
}

// bars returns a small chart.
func bars(counts [10]int) string {
	var b strings.Builder
	for _, n := range counts {
		b.WriteRune([]rune(" ▁▂▃▄▅▆▇█")[(8*n+max(slices.Max(counts[:]), 1)-1)/max(slices.Max(counts[:]), 1)])
	}
	return b.String()
}

// check returns an error unless the clients were closed evenly, after the delay and within the
// window.
func (r round) check(c config) error {
	window := c.window
	if window == 0 { // as documented at ignis.Config.DrainWindow
		window = 30 * time.Second / 1000 * time.Duration(min(r.ends, 1000))
	}
	switch {
	case r.ends == 0:
		return errors.New("no client was connected to the server")
	case r.first < c.delay || r.last > c.delay+window+5*time.Second: // a busy machine may be late
		return fmt.Errorf("clients were closed from %v to %v, want from %v to %v", r.first, r.last, c.delay, c.delay+window)
	}
	for _, parts := range [][10]int{r.parts, r.reconnects} {
		if most := slices.Max(parts[:]); most > r.ends*3/10+5 {
			return fmt.Errorf("%d of %d clients in a tenth of the time: not evenly spread", most, r.ends)
		}
	}
	return nil
}

// report prints what the clients have received, and returns an error if there were problems.
func (h *herd) report(out *output) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	err := errors.Join(h.problems[:min(len(h.problems), 5)]...)
	if h.lost > 0 {
		err = errors.Join(err, fmt.Errorf("%d messages were lost", h.lost))
	}
	mark, verdict := "✔", "Nobody noticed"
	if err != nil {
		mark, verdict = "✘", "Somebody noticed"
	}
	out.printf("  %s %s: %d messages received over the connections that ended, %d lost, %d connections refused or broken\n", mark, verdict, h.received, h.lost, len(h.problems))
	return err
}
