package promignis_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/promignis"
)

const oncallFile = "docs/oncall.md"

// oncallText returns docs/oncall.md and docs/oncall-metrics.md.
func oncallText(t *testing.T) string {
	t.Helper()
	return read(t, oncallFile) + read(t, "docs/oncall-metrics.md")
}

// docs/oncall.md has a section for each alert, and docs/oncall-metrics.md mentions each metric.
func TestOncallIsComplete(t *testing.T) {
	text := oncallText(t)
	sections := make(map[string]bool)
	for _, m := range regexp.MustCompile(`(?m)^### (Ignis\w+)$`).FindAllStringSubmatch(text, -1) {
		sections[m[1]] = true
	}
	for _, a := range alerts(t) {
		if !sections[a.Alert] {
			t.Errorf("%s has no section %s", oncallFile, a.Alert)
		}
		delete(sections, a.Alert)
	}
	for name := range sections {
		t.Errorf("%s has a section %s, but there is no such alert", oncallFile, name)
	}
	metrics := make(map[string]bool)
	for _, g := range promignis.Groups() {
		for _, f := range g.Families {
			metrics[f.Name] = true
			if !strings.Contains(text, "`"+f.Name+"`") {
				t.Errorf("%s does not mention %s", oncallFile, f.Name)
			}
		}
	}
	for _, name := range regexp.MustCompile(`\bignis_\w+`).FindAllString(text, -1) {
		if !metrics[name] {
			t.Errorf("%s mentions %s, which does not exist", oncallFile, name)
		}
	}
}

// The two pages quote log messages, reasons and panels that exist, and name each cause for
// which connections end.
func TestOncallQuotes(t *testing.T) {
	text := oncallText(t)
	source := goSource(t)
	for _, m := range regexp.MustCompile(`msg="([^"]+)"`).FindAllStringSubmatch(text, -1) {
		name, suffix, _ := strings.Cut(m[1], " ")
		callback := ignis.CallbackAuthenticate.String() == name || ignis.CallbackOnMessage.String() == name
		if !strings.Contains(source, `"`+m[1]) && !(callback && strings.Contains(source, `" `+suffix+`"`)) {
			t.Errorf("%s quotes the log message %q, which does not exist", oncallFile, m[1])
		}
	}
	// The first cells of the rows of tables about outcomes, and of lists of reasons.
	for _, m := range regexp.MustCompile("`((?:[Tt]he|no|only|[Nn]ot|in|too|origin|Join|Internal) [^`]+)`").FindAllStringSubmatch(strings.ReplaceAll(text, "\n", " "), -1) {
		reason := strings.NewReplacer("subject", "", "sub", "").Replace(m[1])
		if !strings.Contains(source, reason) {
			t.Errorf("%s quotes %q, which does not exist", oncallFile, m[1])
		}
	}
	for _, m := range regexp.MustCompile(`Cause\w+\s+Cause = "([^"]+)"`).FindAllStringSubmatch(read(t, "causes.go"), -1) {
		if !strings.Contains(text, "`"+m[1]+"`") {
			t.Errorf("%s does not name the cause %q", oncallFile, m[1])
		}
	}
	panels, _ := dashboard(t)
	titles := map[string]bool{"Instance": true} // which is a variable
	for _, p := range panels {
		titles[p.Title] = true
	}
	for _, m := range regexp.MustCompile(`[^*]\*([A-Z][^*]+)\*[^*]`).FindAllStringSubmatch(text, -1) {
		if title := strings.Join(strings.Fields(m[1]), " "); !titles[title] {
			t.Errorf("%s names the panel %q, which does not exist", oncallFile, title)
		}
	}
}

// goSource returns the source of this module without tests, with strings that are joined by +
// put together.
func goSource(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		b.Write(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return regexp.MustCompile(`"\s*\+\s*"`).ReplaceAllString(b.String(), "")
}
