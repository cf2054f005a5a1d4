package sdktest

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/ignis-go/ignis/internal/printable"
)

// maxPrinted is the maximum length of a printed line in bytes.
const maxPrinted = 2 << 10

// Printer prints results: a line for each, and a summary.
type Printer struct {
	Out   io.Writer
	JSON  bool // a JSON object on each line
	Trace bool // what happened in cases that failed

	counts map[string]int
	broken []string // rules
	err    error    // the first one
}

// Result prints a result.
func (p *Printer) Result(r Result) {
	if p.counts == nil {
		p.counts = make(map[string]int)
	}
	p.counts[r.Outcome]++
	if r.Fault != nil && r.Fault.Rule != "" && !slices.Contains(p.broken, r.Fault.Rule) {
		p.broken = append(p.broken, r.Fault.Rule)
	}
	if p.JSON {
		p.object(r)
		return
	}
	p.line(fmt.Sprintf("%-8s %-26s %s", r.Outcome, r.Case, r.detail()))
	if p.Trace {
		for _, line := range r.Trace {
			p.line("    " + line)
		}
	}
}

// detail returns the rest of the line of a result.
func (r *Result) detail() string {
	switch r.Outcome {
	case Skipped:
		return "the client lacks " + strings.Join(r.Lacks, ", ")
	case Failed:
		return r.Fault.String()
	}
	text := strings.Join(r.Rules, " ")
	if r.Attempt > 0 {
		text += fmt.Sprintf(" (attempt %d)", r.Attempt)
	}
	return text
}

// Summary prints the counts and the rules that are broken, and returns the number of
// failed cases and the first error of writing.
func (p *Printer) Summary() (failed int, err error) {
	failed = p.counts[Failed]
	if p.JSON {
		p.object(map[string]any{"ok": p.counts[OK], "failed": failed, "skipped": p.counts[Skipped], "broken": append([]string{}, p.broken...)})
		return failed, p.err
	}
	p.line(fmt.Sprintf("%d ok, %d failed, %d skipped", p.counts[OK], failed, p.counts[Skipped]))
	for _, name := range p.broken {
		p.line(fmt.Sprintf("rule %s: %s", name, Rule(name)))
	}
	return failed, p.err
}

// line prints a text, which may come from the driver, as one line that is safe on a
// terminal.
func (p *Printer) line(text string) {
	p.write(append([]byte(printable.Text(text, maxPrinted)), '\n'))
}

func (p *Printer) object(v any) {
	text, err := json.Marshal(v)
	if err != nil {
		p.err = err
		return
	}
	p.write(append(text, '\n'))
}

func (p *Printer) write(b []byte) {
	if _, err := p.Out.Write(b); err != nil && p.err == nil {
		p.err = err
	}
}
