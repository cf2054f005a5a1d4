package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// render writes RESULTS.md and results.svg into dir.
func (r *results) render(dir string) error {
	if len(r.Runs) == 0 {
		return fmt.Errorf("%s has no runs yet", r.path(dir))
	}
	if err := os.WriteFile(filepath.Join(dir, "RESULTS.md"), []byte(r.markdown()), 0o644); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "results.svg"), []byte(r.plot()), 0o644)
}

func (r *results) markdown() string {
	var b strings.Builder
	b.WriteString("# Comparison\n\n<!-- Generated from results.json by the program in this folder. -->\n\n")
	b.WriteString(intro)
	r.writeGoals(&b)
	b.WriteString("![Each server compared with Ignis on Bun](results.svg)\n\n")
	r.writeMachine(&b)
	for _, w := range workloads {
		r.writeWorkload(&b, w)
	}
	b.WriteString(again)
	return b.String()
}

const intro = `This page compares Ignis for Go with the original, Ignis on Bun, which uses the sockets
of uWebSockets (C++), and with three WebSocket libraries for Go. Publishing over HTTP is
compared with Centrifugo instead, a server written in Go. Each server has one core to
itself (the Go servers have GOMAXPROCS=1); the clients and Redis share the other core.
The systems take turns within each round, and each run starts a new server. Figures are
medians over the rounds, with the lowest and the highest value in brackets. CPU time is that
of the server's process, including all threads. Ratios between systems are more meaningful
than absolute figures, which depend on the machine. CPU time is more meaningful than wall
time, because other work on the machine affects it less.

`

const again = `## How to reproduce

    make bench-compare

Or run ` + "`go run .`" + ` in this folder; ` + "`go run . -help`" + ` lists the flags for selecting workloads,
systems, sizes and rounds. This requires Linux with at least two cores, Go, Node.js with npm,
` + "`redis-server`" + `, ` + "`taskset`" + `, and a limit of at least 20,000 open files per process. Completed runs
are added to results.json, where they replace older runs of the same workload and system.
` + "`go run . -render`" + ` generates this page and the plot from results.json.
`

// writeGoals writes the table of goals and whether they are reached.
func (r *results) writeGoals(b *strings.Builder) {
	b.WriteString("| workload | figure | Ignis for Go | Ignis on Bun, or the server named | ratio | goal | |\n|---|---|---|---|---|---|---|\n")
	for _, w := range workloads {
		if w.kinds != nil {
			r.writeFloodGoal(b, w)
		}
		for _, m := range w.metrics {
			if m.goal.limit == 0 {
				continue
			}
			f, ok := figureOf(r.of(w.name, ours), m.key)
			if !ok {
				continue
			}
			other, ratio := "", ""
			value := f.median
			if g, ok := figureOf(r.of(w.name, w.reference()), m.key); ok {
				other, ratio = m.text(g.median), timesText(f.median/g.median)
				if w.against != "" {
					other += " (" + titleOf(w.against) + ")"
				}
				if m.goal.ratio {
					value = f.median / g.median
				}
			} else if m.goal.ratio {
				continue
			}
			verdict := "**missed**"
			if m.reached(value) {
				verdict = "reached"
			}
			fmt.Fprintf(b, "| [%s](#%s) | %s | %s | %s | %s | %s | %s |\n",
				w.title, anchor(w.title), m.title, m.text(f.median), other, ratio, m.required(), verdict)
		}
	}
	b.WriteString("\n")
}

// reached reports whether a ratio or figure reaches the goal.
func (m metric) reached(v float64) bool {
	if m.higher {
		return v >= m.goal.limit
	}
	return v <= m.goal.limit
}

// required returns the text of the goal.
func (m metric) required() string {
	text := m.text
	if m.goal.ratio {
		text = timesText
	}
	sign := "≤ "
	if m.higher {
		sign = "≥ "
	}
	s := sign + text(m.goal.limit)
	if m.goal.aim != 0 {
		s += ", ideally " + sign + text(m.goal.aim)
	}
	return s
}

// writeMachine writes the machine and the versions of the systems.
func (r *results) writeMachine(b *strings.Builder) {
	m := r.Machine
	fmt.Fprintf(b, "%s, %d cores, %s; %s; %s.\n\n", m.CPU, m.Cores, m.Memory, m.Kernel, m.Redis)
	for _, s := range systems {
		versions := distinct(r.ofSystem(s.name), func(n run) string { return n.Version })
		if len(versions) > 0 {
			fmt.Fprintf(b, "- %s: %s\n", s.title, strings.Join(versions, "; "))
		}
	}
	b.WriteString("\n")
}

func (r *results) ofSystem(name string) []run {
	return slices.DeleteFunc(slices.Clone(r.Runs), func(n run) bool { return n.System != name })
}

// writeWorkload writes the section of a workload.
func (r *results) writeWorkload(b *strings.Builder, w workload) {
	runs := r.of(w.name, "")
	if len(runs) == 0 {
		return
	}
	fmt.Fprintf(b, "## %s\n\n%s\n", w.title, w.text)
	settings := distinct(runs, func(n run) string { return n.Settings })
	days := distinct(runs, func(n run) string { return n.Session.UTC().Format(time.DateOnly) })
	fmt.Fprintf(b, "Sizes: %s. Measured on %s", strings.Join(settings, "; or "), strings.Join(days, " and "))
	if m := runs[0].Machine; m != (machine{}) {
		fmt.Fprintf(b, ", on a different machine: %s, %d cores, %s; %s; %s", m.CPU, m.Cores, m.Memory, m.Kernel, m.Redis)
	}
	b.WriteString(".\n\n")

	if w.kinds != nil {
		r.writeFloods(b, w)
		return
	}
	b.WriteString("| |")
	rule := "|---|"
	for _, m := range w.metrics {
		fmt.Fprintf(b, " %s |", m.title)
		rule += "---|"
		if !w.alone {
			fmt.Fprintf(b, " vs. %s |", shortTitle(w.reference()))
			rule += "---|"
		}
	}
	b.WriteString(" lost, repeated, reordered | clients closed | clients' core busy | rounds |\n" + rule + "---|---|---|---|\n")
	var notes []string
	for _, s := range systems {
		mine := r.of(w.name, s.name)
		if len(mine) == 0 {
			continue
		}
		fmt.Fprintf(b, "| %s |", s.title)
		for _, m := range w.metrics {
			r.writeFigure(b, w, m, mine)
		}
		note := r.writeChecks(b, w, s, mine)
		notes = append(notes, note...)
	}
	b.WriteString("\n")
	for _, note := range notes {
		fmt.Fprintf(b, "%s\n", note)
	}
	if len(notes) > 0 {
		b.WriteString("\n")
	}
}

// writeFigure writes the cell of a metric, and a cell with its ratio to the reference.
func (r *results) writeFigure(b *strings.Builder, w workload, m metric, runs []run) {
	f, ok := figureOf(runs, m.key)
	if !ok {
		b.WriteString(" |")
		if !w.alone {
			b.WriteString(" |")
		}
		return
	}
	fmt.Fprintf(b, " %s", m.text(f.median))
	if f.runs > 1 {
		fmt.Fprintf(b, " [%s .. %s]", m.text(f.low), m.text(f.high))
	}
	b.WriteString(" |")
	if w.alone {
		return
	}
	if g, ok := figureOf(r.of(w.name, w.reference()), m.key); ok && g.median != 0 {
		fmt.Fprintf(b, " %s", timesText(f.median/g.median))
	}
	b.WriteString(" |")
}

// writeChecks writes the cells that show whether the figures are valid, and returns notes about them.
func (r *results) writeChecks(b *strings.Builder, w workload, s system, runs []run) (notes []string) {
	var lost, repeated, reordered, closed int64
	var herd, foreign float64
	marked := 0
	for _, n := range runs {
		lost, repeated, reordered, closed = lost+n.Lost, repeated+n.Repeated, reordered+n.Reordered, closed+n.Closed
		herd, foreign = max(herd, n.HerdBusy), max(foreign, n.Foreign)
		if n.HerdBusy > tooBusy {
			marked++
		}
	}
	mark := ""
	if marked > 0 {
		mark = " (!)"
		notes = append(notes, fmt.Sprintf("- (!) %s: in %d of %d rounds the clients' core was more than %s busy, so the clients may have limited the rate.",
			s.title, marked, len(runs), percentText(tooBusy)))
	}
	fmt.Fprintf(b, " %d, %d, %d | %d | %s%s | %d |\n", lost, repeated, reordered, closed, percentText(herd), mark, len(runs))
	if closed > 0 {
		notes = append(notes, fmt.Sprintf("- %s closed %d clients in %d rounds. Messages for closed clients are not counted as lost.", s.title, closed, len(runs)))
	}
	if foreign > 0.1 {
		notes = append(notes, fmt.Sprintf("- %s: other work on the machine used up to %s of the server's core.", s.title, percentText(foreign)))
	}
	if base := r.of(w.name, w.reference()); len(base) > 0 && !base[0].Session.Equal(runs[0].Session) {
		notes = append(notes, fmt.Sprintf("- %s and %s were measured at different times, so their ratio is less reliable.", s.title, titleOf(w.reference())))
	}
	return notes
}

// titleOf returns the title of the system with a name.
func titleOf(name string) string {
	return systems[slices.IndexFunc(systems, func(s system) bool { return s.name == name })].title
}

// shortTitle is like titleOf for the heading of a column.
func shortTitle(name string) string { return strings.TrimPrefix(titleOf(name), "Ignis on ") }

// anchor returns the anchor of a heading.
func anchor(title string) string { return strings.ReplaceAll(strings.ToLower(title), " ", "-") }
