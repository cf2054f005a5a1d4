package manpage

import (
	"strings"
)

// document is a page that is being written.
type document struct{ strings.Builder }

// line writes a line as it is.
func (d *document) line(s string) { d.WriteString(s + "\n") }

// section begins a section.
func (d *document) section(title string) { d.line(".SH " + title) }

// text writes text that is filled and wrapped.
func (d *document) text(s string) { d.line(escape(strings.Join(strings.Fields(s), " "))) }

// synopsis writes a command in bold and its arguments.
func (d *document) synopsis(command, arguments string) {
	d.line(`\fB` + escape(command) + `\fR` + escape(strings.TrimRight(" "+strings.TrimSpace(arguments), " ")))
}

// optional writes a section, unless it is empty.
func (d *document) optional(title, text string) {
	if text != "" {
		d.section(title)
		d.prose(text)
	}
}

// prose writes paragraphs, which empty lines separate. Those that are indented are not wrapped.
func (d *document) prose(text string) {
	verbatim := false
	for i, paragraph := range paragraphs(text) {
		indented := strings.HasPrefix(paragraph, " ")
		switch {
		case indented && verbatim: // continues
			d.line("")
		case indented:
			if i > 0 {
				d.line(".PP")
			}
			d.line(".RS 4\n.nf")
		case verbatim:
			d.line(".fi\n.RE\n.PP")
		case i > 0:
			d.line(".PP")
		}
		verbatim = indented
		if !indented {
			d.text(paragraph)
			continue
		}
		for line := range strings.Lines(paragraph) {
			d.line(escape(strings.TrimPrefix(strings.TrimRight(line, "\n"), "  ")))
		}
	}
	if verbatim {
		d.line(".fi\n.RE")
	}
}

// paragraphs splits a text at empty lines.
func paragraphs(text string) (list []string) {
	for p := range strings.SplitSeq(text, "\n\n") {
		if p = strings.Trim(p, "\n"); p != "" {
			list = append(list, p)
		}
	}
	return list
}

// sections takes the examples and the exit codes out of a help text.
func sections(text string) (prose, examples, exit string) {
	var rest []string
	inExamples := false
	for _, p := range paragraphs(text) {
		before, codes, ok := strings.Cut(p, "Exit codes: ")
		if ok && (before == "" || strings.HasSuffix(before, "\n")) {
			exit = codes
			if p = strings.TrimSpace(before); p == "" {
				continue
			}
		}
		switch {
		case strings.HasPrefix(p, "Example") && strings.HasSuffix(p, ":"):
			inExamples = true
			if head, _, _ := strings.Cut(p, ","); head != p {
				examples = p + "\n\n"
			}
		case inExamples:
			examples += p + "\n\n"
		default:
			rest = append(rest, p)
		}
	}
	return strings.Join(rest, "\n\n"), examples, exit
}

// escape makes text appear as it is. Without it, roff prints other hyphens and quotation marks,
// which do not work when they are copied, and takes some lines for requests.
func escape(s string) string {
	s = strings.NewReplacer(`\`, `\e`, "-", `\-`, "'", `\(aq`, "`", `\(ga`, "^", `\(ha`, "~", `\(ti`).Replace(s)
	if strings.HasPrefix(s, ".") {
		s = `\&` + s
	}
	return s
}

// quote returns text as an argument of a macro.
func quote(s string) string { return `"` + strings.ReplaceAll(escape(s), `"`, `\(dq`) + `"` }
