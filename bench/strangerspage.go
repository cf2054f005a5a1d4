package main

import (
	"fmt"
	"strings"

	"github.com/ignis-go/ignis/bench/internal/flood"
)

// What a round trip beside strangers may take: so many times what it takes beside
// an idle server, or so long, whichever is more.
const (
	floodTimes = 3
	floodLimit = 0.050 // seconds
)

const strangersIntro = "Round trips of a few authenticated clients beside a flood of strangers, which nobody has let in, and beside the same server before and after the flood. " +
	"The server is `ignis serve`. In development mode each client sends a message to a room of its own, and the server's application relays it; with tokens, where `ignis serve` has no application, the client authenticates again and is told that it has. " +
	"Messages are sent on time whether the last was answered or not, and one without an answer counts with the time that it has waited. `Getting in` is a newcomer's connection, from dialling until it is authenticated.\n\n" +
	"All share two cores: the server with GOMAXPROCS=2, the strangers in a process of their own, with GOMAXPROCS=1 and a nice value that is " + politeness + " above the server's, and the clients in a third one, which the kernel runs ahead of both if the user may ask for that (`probe late` is how late it sent messages all the same). " +
	"So a server that is busy slows the strangers down: what they got rid of stands beside what they would have sent to a server that takes everything; what waits in the kernel's buffers is not counted, but stands beside it (where little was taken and little waits, it was the strangers that were slow). " +
	"Bursts come from all strangers at once. Who is closed comes back with its next burst, but not twice within a second.\n"

// floodsOf returns the kinds of flood of which there are runs.
func (r *results) floodsOf(w workload) (list []flood.Kind) {
	for _, k := range flood.Kinds() {
		if len(r.ofFlood(w.name, ours, k.Name))+len(r.ofFlood(w.name, earlier, k.Name)) > 0 {
			list = append(list, k)
		}
	}
	return list
}

// ofFlood returns the runs of one kind of flood and one system.
func (r *results) ofFlood(workload, system, kind string) (list []run) {
	for _, n := range r.of(workload, system) {
		if n.Kind == kind {
			list = append(list, n)
		}
	}
	return list
}

// verdict is how a figure stands to what is required.
type verdict struct {
	p99, limit float64
}

func judge(runs []run) (v verdict, ok bool) {
	calm, ok := figureOf(runs, keyCalmP99)
	if !ok {
		return v, false
	}
	p99, ok := figureOf(runs, keyP99)
	return verdict{p99.median, max(floodTimes*calm.median, floodLimit)}, ok
}

func (v verdict) reached() bool { return v.p99 <= v.limit }

func (v verdict) String() string {
	if v.reached() {
		return "reached"
	}
	return "**missed**"
}

// writeFloodGoal writes the row of all floods among the goals.
func (r *results) writeFloodGoal(b *strings.Builder, w workload) {
	var worst verdict
	name := ""
	all, reached := 0, 0
	for _, k := range r.floodsOf(w) {
		v, ok := judge(r.ofFlood(w.name, ours, k.Name))
		if !ok {
			continue
		}
		all++
		if v.reached() {
			reached++
		}
		if name == "" || v.p99/v.limit > worst.p99/worst.limit {
			worst, name = v, k.Name
		}
	}
	if all == 0 {
		return
	}
	count := reached
	if !worst.reached() {
		count = all - reached
	}
	fmt.Fprintf(b, "| [%s](#%s) | p99 beside `%s`, the worst of %d kinds | %s |  |  | ≤ %s | %s by %d of %d |\n",
		w.title, anchor(w.title), name, all, millisText(worst.p99), millisText(worst.limit), worst, count, all)
}

// writeFloods writes the table of a workload that has a row for each kind of flood.
func (r *results) writeFloods(b *strings.Builder, w workload) {
	b.WriteString("| strangers |")
	rule := "|---|"
	for _, m := range w.metrics {
		fmt.Fprintf(b, " %s |", m.title)
		rule += "---|"
		if m.key == keyP99 {
			b.WriteString(" required | |")
			rule += "---|---|"
		}
	}
	b.WriteString(" not answered | clients closed | rounds |\n" + rule + "---|---|---|\n")
	var notes []string
	for _, k := range r.floodsOf(w) {
		for _, s := range systems {
			runs := r.ofFlood(w.name, s.name, k.Name)
			v, ok := judge(runs)
			if !ok {
				continue
			}
			name := "`" + k.Name + "`"
			if s.name == earlier {
				name += ", before"
			}
			fmt.Fprintf(b, "| %s |", name)
			for _, m := range w.metrics {
				r.writeFigure(b, w, m, runs)
				if m.key == keyP99 {
					fmt.Fprintf(b, " ≤ %s | %s |", millisText(v.limit), v)
				}
			}
			notes = append(notes, writeFloodChecks(b, name, runs)...)
		}
	}
	b.WriteString("\n")
	for _, k := range r.floodsOf(w) {
		fmt.Fprintf(b, "- `%s`: %s.\n", k.Name, k.Text)
	}
	for _, note := range notes {
		b.WriteString(note + "\n")
	}
	b.WriteString("\n")
}

func writeFloodChecks(b *strings.Builder, name string, runs []run) (notes []string) {
	var lost, closed int64
	var foreign float64
	for _, n := range runs {
		lost, closed, foreign = lost+n.Lost, closed+n.Closed, max(foreign, n.Foreign)
	}
	fmt.Fprintf(b, " %d | %d | %d |\n", lost, closed, len(runs))
	if foreign > 0.2 { // some is the kernel's, for nobody
		notes = append(notes, fmt.Sprintf("- (!) %s: up to %s cores went to other work on the machine, so the figures are doubtful.", name, digits(foreign)))
	}
	return notes
}
