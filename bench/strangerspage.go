package main

import (
	"fmt"
	"strings"

	"github.com/ignis-go/ignis/bench/internal/flood"
)

// floodGoal limits the p99 of the round-trip times during a flood. It must not exceed the greater of both.
type floodGoal struct {
	times float64 // multiple of the p99 without a flood
	limit float64 // seconds
}

const strangersIntro = "Strangers are connections, most of them unauthenticated, that flood the server. The table shows the round-trip times of a few well-behaved, authenticated clients during the flood, and before and after it (`idle`). " +
	"The server is `ignis serve`. In development mode, each client sends messages to its own room, and the server relays them. With tokens, the server relays no messages, so each client authenticates again and receives an error. " +
	"Messages are sent on schedule, even if the previous one was not answered. An unanswered message is counted with the time for which it has waited. `Connecting` is the time from dialing a new connection until it is authenticated.\n\n" +
	"All processes share two cores. The server has GOMAXPROCS=2. The strangers are a separate process with GOMAXPROCS=1 and a nice value " + strangerNice + " higher than the server's, so a busy server slows them down. The well-behaved clients are a third process, which has real-time priority if the user is permitted to set it; `probe late` is the delay with which they nevertheless sent messages. " +
	"The table compares the data that the server read with the data that the strangers would have sent to a server that reads everything. Data in the buffers of the kernel does not count as read and is listed separately. If little was read and little is waiting, the strangers were too slow. " +
	"All strangers send their bursts at the same time. If the server closes the connection of a stranger, the stranger reconnects with its next burst, but at most once per second.\n"

const attacksIntro = "The same measurements, during attacks on a server that is configured as for the public internet: it requires tokens, which it verifies with a secret and with the keys of a JWK set, has access rules, a webhook and the default limits, except where the list below the table says otherwise. " +
	"Each client joins a room and sends messages to it, which the server relays according to a rule. Strangers and clients report their addresses like a proxy that the server trusts, because loopback addresses are exempt from the limits per address. The strangers share one address or have one each; each client has its own. " +
	"`refused` is the number of refusals that the server logged until it was shut down; a line of the log states how many others it stands for. " +
	"While the webhook that authenticates clients is broken, no new client can connect, so there is no time for connecting.\n"

// floodsOf returns the kinds of flood for which there are runs.
func (r *results) floodsOf(w workload) (list []flood.Kind) {
	for _, k := range w.kinds() {
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

// verdict is the p99 during a flood and its limit, in seconds.
type verdict struct {
	p99, limit float64
}

func (g floodGoal) judge(runs []run) (v verdict, ok bool) {
	calm, ok := figureOf(runs, keyCalmP99)
	if !ok {
		return v, false
	}
	p99, ok := figureOf(runs, keyP99)
	return verdict{p99.median, max(g.times*calm.median, g.limit)}, ok
}

func (v verdict) reached() bool { return v.p99 <= v.limit }

func (v verdict) String() string {
	if v.reached() {
		return "reached"
	}
	return "**missed**"
}

// writeFloodGoal writes the row for all floods in the table of goals.
func (r *results) writeFloodGoal(b *strings.Builder, w workload) {
	var worst verdict
	name := ""
	all, reached := 0, 0
	for _, k := range r.floodsOf(w) {
		v, ok := w.floodGoal.judge(r.ofFlood(w.name, ours, k.Name))
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
	fmt.Fprintf(b, "| [%s](#%s) | p99 during `%s`, the worst of %d kinds | %s |  |  | ≤ %s | %s by %d of %d |\n",
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
			b.WriteString(" goal | |")
			rule += "---|---|"
		}
	}
	b.WriteString(" unanswered | clients closed | rounds |\n" + rule + "---|---|---|\n")
	var notes []string
	for _, k := range r.floodsOf(w) {
		for _, s := range systems {
			runs := r.ofFlood(w.name, s.name, k.Name)
			v, ok := w.floodGoal.judge(runs)
			if !ok {
				continue
			}
			name := "`" + k.Name + "`"
			switch s.name {
			case earlier:
				name += ", before"
			case metered:
				name += ", with metrics"
			case unmetered:
				name += ", without the metrics that it links"
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

// writeFloodChecks writes the last cells of a row, and returns notes about them.
func writeFloodChecks(b *strings.Builder, name string, runs []run) (notes []string) {
	var lost, closed int64
	var foreign float64
	for _, n := range runs {
		lost, closed, foreign = lost+n.Lost, closed+n.Closed, max(foreign, n.Foreign)
	}
	fmt.Fprintf(b, " %d | %d | %d |\n", lost, closed, len(runs))
	if foreign > 0.2 { // the kernel uses some time that is not attributed to any process
		notes = append(notes, fmt.Sprintf("- (!) %s: other work on the machine used up to %s cores, so the figures are unreliable.", name, digits(foreign)))
	}
	return notes
}
