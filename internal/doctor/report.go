package doctor

import (
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"strings"

	"github.com/ignis-go/ignis/internal/printable"
)

// Report is the result of all checks.
type Report struct {
	OK       int       `json:"ok"`
	Warnings int       `json:"warnings"`
	Failed   int       `json:"failed"`
	Skipped  int       `json:"skipped"`
	Findings []Finding `json:"findings"`
}

// count sets the counters, and makes the texts safe to show.
func (r *Report) count() {
	for i := range r.Findings {
		f := &r.Findings[i]
		f.Text, f.Advice = shown(f.Text), shown(f.Advice)
		switch f.Status {
		case OK:
			r.OK++
		case Warn:
			r.Warnings++
		case Fail:
			r.Failed++
		case Skip:
			r.Skipped++
		}
	}
}

// maxText is the maximum length in bytes of a text.
const maxText = 1 << 10

// credentials matches the credentials in a URL, even with characters that should have been
// percent-encoded.
var credentials = regexp.MustCompile(`://[^\s/\[]\S*@`)

// shown returns a text, which may come from a server, as one line without credentials.
func shown(text string) string {
	text = strings.Join(strings.FieldsFunc(text, func(r rune) bool { return r == '\n' || r == '\r' }), "; ")
	return printable.Text(credentials.ReplaceAllString(text, "://...@"), maxText)
}

// WriteText writes the report as a list for people.
func (r *Report) WriteText(w io.Writer) error {
	var b strings.Builder
	group := ""
	for _, f := range r.Findings {
		name, check, _ := strings.Cut(f.Check, ".")
		if name != group {
			group = name
			fmt.Fprintf(&b, "%s\n", name)
		}
		fmt.Fprintf(&b, "  %-4s  %s: %s\n", f.Status, check, f.Text)
		if f.Advice != "" {
			fmt.Fprintf(&b, "        -> %s\n", f.Advice)
		}
	}
	warnings := "warnings"
	if r.Warnings == 1 {
		warnings = "warning"
	}
	fmt.Fprintf(&b, "\n%d ok, %d %s, %d failed, %d skipped\n", r.OK, r.Warnings, warnings, r.Failed, r.Skipped)
	_, err := io.WriteString(w, b.String())
	return err
}

// WriteJSON writes the report as one JSON document.
func (r *Report) WriteJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(r)
}
