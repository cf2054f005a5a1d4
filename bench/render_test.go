package main

import (
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// someValues are made-up figures of each system.
var someValues = map[string]float64{
	ours: 2, earlier: 2, metered: 2, unmetered: 2, reference: 1, quietBun: 1.5, "gws": 0.1, "gorilla": 0.5, "centrifuge": 4, centrifugo: 1,
}

// someResults returns artificial results. A figure is 2 for this library and 1 for the references.
func someResults() *results {
	r := &results{Machine: machine{CPU: "abacus", Cores: 2}}
	session := time.Date(2026, 1, 31, 0, 0, 0, 0, time.UTC)
	for _, w := range workloads {
		for _, s := range systems {
			if !w.has(s) {
				continue
			}
			for round := range 3 {
				n := run{Workload: w.name, Kind: someKind(w), System: s.name, Session: session, Round: round, Settings: "small", Version: "v1"}
				n.Values = make(map[string]float64)
				for _, m := range w.metrics {
					n.Values[m.key] = someValues[s.name] + float64(round-1)/10
				}
				r.add(n, false)
			}
		}
	}
	return r
}

// someKind returns the kind of the workload's runs, or "" if the workload has no floods.
func someKind(w workload) string {
	if w.kinds == nil {
		return ""
	}
	return w.kinds()[0].Name
}

// The limit for a flood depends on the figures without a flood.
func TestFloodGoal(t *testing.T) {
	for want, v := range map[string]struct {
		workload, kind string
		calm, p99      float64
	}{
		"[Strangers](#strangers) | p99 during `frames`, the worst of 1 kinds | 50.0 ms |  |  | ≤ 50.0 ms | reached by 1 of 1":    {strangers, "frames", 0.001, 0.050},
		"[Strangers](#strangers) | p99 during `frames`, the worst of 1 kinds | 51.0 ms |  |  | ≤ 50.0 ms | **missed** by 1 of 1": {strangers, "frames", 0.001, 0.051},
		"[Strangers](#strangers) | p99 during `frames`, the worst of 1 kinds | 120 ms |  |  | ≤ 120 ms | reached by 1 of 1":      {strangers, "frames", 0.040, 0.120},
		"[Strangers](#strangers) | p99 during `frames`, the worst of 1 kinds | 121 ms |  |  | ≤ 120 ms | **missed** by 1 of 1":   {strangers, "frames", 0.040, 0.121},
		"[Attacks](#attacks) | p99 during `guesses`, the worst of 1 kinds | 20.0 ms |  |  | ≤ 20.0 ms | reached by 1 of 1":       {attacks, "guesses", 0.001, 0.020},
		"[Attacks](#attacks) | p99 during `guesses`, the worst of 1 kinds | 61.0 ms |  |  | ≤ 60.0 ms | **missed** by 1 of 1":    {attacks, "guesses", 0.040, 0.061},
	} {
		var r results
		n := run{Workload: v.workload, Kind: v.kind, System: ours}
		n.Values = map[string]float64{keyCalmP99: v.calm, keyP99: v.p99}
		r.add(n, false)
		text := r.markdown()
		if !strings.Contains(text, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
}

func TestMarkdown(t *testing.T) {
	r := someResults()
	r.Runs[0].HerdBusy, r.Runs[0].Closed = 0.95, 7
	text := r.markdown()
	for _, want := range []string{
		"| [Burst](#burst) | deliveries/s | 2.00/s | 1.00/s | 2.00 × | ≥ 2.50 × | **missed** |",
		"| Ignis on Bun | 1.00/s [0.90/s .. 1.10/s] | 1.00 × |",
		"| [Publish over HTTP](#publish-over-http) | requests/s | 2.00/s | 1.00/s (Centrifugo) | 2.00 × | ≥ 1.00 × | reached |",
		"| requests/s | vs. Centrifugo |",
		"| Centrifugo | 1.00/s [0.90/s .. 1.10/s] | 1.00 × |",
		"the clients' core was more than 90 % busy",
		"closed 7 clients",
		"abacus, 2 cores",
		"| `bursts` | 2000 ms [1900 ms .. 2100 ms] |",
		"≤ 6000 ms | reached |",
		"| `bursts`, before |",
		"| `bursts`, with metrics |",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	columns := 0 // number of columns of the current table
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "|") {
			columns = 0
			continue
		}
		if n := strings.Count(line, "|"); columns == 0 {
			columns = n
		} else if n != columns {
			t.Errorf("a row has %d cells in a table with %d columns: %s", n, columns, line)
		}
	}
}

func TestPlotIsXML(t *testing.T) {
	for name, r := range map[string]*results{"all": someResults(), "none": {}} {
		dec := xml.NewDecoder(strings.NewReader(r.plot()))
		for {
			_, err := dec.Token()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
	}
}

func TestResultsAreKept(t *testing.T) {
	dir := t.TempDir()
	var none, got results
	if err := none.load(dir); err != nil || len(none.Runs) != 0 {
		t.Fatalf("an empty folder: %v, got %d runs", err, len(none.Runs))
	}
	want := someResults()
	if err := want.save(dir); err != nil {
		t.Fatal(err)
	}
	if err := got.load(dir); err != nil {
		t.Fatal(err)
	}
	if got.markdown() != want.markdown() || got.plot() != want.plot() {
		t.Error("the page or the plot differs after the results were saved and loaded")
	}
	if err := got.render(dir); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "RESULTS.md")); err != nil {
		t.Error(err)
	}
}

// A session replaces only the old runs of the workloads and systems that it measures.
func TestSessionsReplace(t *testing.T) {
	later := time.Date(2026, 2, 1, 0, 0, 0, 0, time.UTC)
	for _, keep := range []bool{false, true} {
		r := someResults()
		all := len(r.Runs)
		for round := range 2 {
			r.add(run{Workload: "burst", System: "gws", Session: later, Round: round}, keep)
		}
		want := all - 3 + 2
		if keep {
			want = all + 2
		}
		if len(r.Runs) != want {
			t.Errorf("keep %v: %d runs, want %d", keep, len(r.Runs), want)
		}
	}
}

// A kind of flood does not replace the runs of another kind.
func TestFloodsReplace(t *testing.T) {
	var r results
	for i, kind := range []string{"bursts", "frames", "bursts"} {
		r.add(run{Workload: strangers, Kind: kind, System: ours, Session: time.Unix(int64(i), 0)}, false)
	}
	if len(r.Runs) != 2 || r.Runs[0].Kind != "frames" || r.Runs[1].Session.Unix() != 2 {
		t.Errorf("got %+v", r.Runs)
	}
}

func TestFigures(t *testing.T) {
	var runs []run
	for _, v := range []float64{5, 1, 9, 3} {
		runs = append(runs, run{outcome: outcome{Values: map[string]float64{"x": v}}})
	}
	if f, ok := figureOf(runs, "x"); !ok || f != (figure{median: 4, low: 1, high: 9, runs: 4}) {
		t.Errorf("got %+v, %v", f, ok)
	}
	if _, ok := figureOf(runs, "y"); ok {
		t.Error("figureOf returned a figure of a metric without values")
	}
	for got, want := range map[string]string{
		rateText(1_620_000):  "1.62 M/s",
		rateText(999_950):    "1.00 M/s",
		bytesText(1843):      "1.80 KB",
		bytesText(-3):        "-3.00 B",
		microsText(11.68e-6): "11.7 µs",
		microsText(0.234e-6): "0.23 µs",
		microsText(0):        "0 µs",
		timesText(0.04):      "0.040 ×",
		percentText(0.123):   "12 %",
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	if got := thousands(1018000); got != "1,018,000" {
		t.Errorf("got %s", got)
	}
}

// A workload does not mix runs of different machines.
func TestRunsOfAnotherMachine(t *testing.T) {
	here, there := machine{CPU: "abacus"}, machine{CPU: "loom"}
	r := &results{Machine: here}
	r.add(run{Workload: "burst", System: ours}, false)
	r.add(run{Workload: "burst", System: reference}, false)
	r.add(run{Workload: strangers, System: ours}, false)
	if w := r.elsewhere(there, []string{"burst"}, []string{ours}); w != "burst" {
		t.Errorf("elsewhere returned %q, although the reference was measured on another machine", w)
	}
	if w := r.elsewhere(there, []string{strangers}, []string{ours}); w != "" {
		t.Errorf("elsewhere returned %q, although all systems of it are measured again", w)
	}
	if w := r.elsewhere(here, []string{"burst"}, []string{ours}); w != "" {
		t.Errorf("elsewhere returned %q, although it was measured on the same machine", w)
	}
	r.add(run{Workload: strangers, System: ours, Machine: there}, true)
	if got := r.of(strangers, ""); len(got) != 1 || r.machineOf(got[0]) != there || len(r.of("burst", "")) != 2 {
		t.Errorf("the remaining runs are %+v", r.Runs)
	}
}
