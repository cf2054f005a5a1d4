package difftest

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
)

var write = flag.Bool("write", false, "write the tables of rules to README.md")

const (
	tablesBegin = "<!-- Generated from the rules by go test -run README -write -->\n"
	tablesEnd   = "<!-- End of the generated part. -->\n"
)

// TestREADME checks that the tables in README.md are up to date.
func TestREADME(t *testing.T) {
	page, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(page), tablesBegin)
	got, after, ok2 := strings.Cut(rest, tablesEnd)
	if !ok || !ok2 {
		t.Fatal("README.md lacks the comments around the tables")
	}
	want := tables(t)
	if *write {
		if err := os.WriteFile("README.md", []byte(before+tablesBegin+want+tablesEnd+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if got != want {
		t.Error("the tables in README.md are out of date, run go test -run README -write")
	}
}

func tables(t *testing.T) string {
	var b strings.Builder
	b.WriteString("\nCompared: " + strings.Join(versions(t), ", ") + ".\n")
	for _, g := range ruleGroups {
		fmt.Fprintf(&b, "\n### %s\n\n", g.title)
		b.WriteString("| | pattern | after | cron | others | which | right | why |\n|---|---|---|---|---|---|---|---|\n")
		for _, r := range g.rules {
			fmt.Fprintf(&b, "| %s | `%s` | %s | %s | %s | %s | %s | %s |\n", r.name, visible(r.pattern),
				short(r.after), short(r.we), short(r.they), strings.Join(r.who(), ", "), r.right, r.why)
		}
	}
	b.WriteString("\n")
	return b.String()
}

// versions returns the modules of the libraries with their versions from go.mod.
func versions(t *testing.T) (list []string) {
	mod, err := os.ReadFile("go.mod")
	if err != nil {
		t.Fatal(err)
	}
	words := strings.Fields(string(mod))
	for _, o := range oracles {
		at := slices.Index(words, o.module)
		if at < 0 {
			t.Fatalf("go.mod lacks %s", o.module)
		}
		if v := o.module + " " + words[at+1]; !slices.Contains(list, v) {
			list = append(list, v)
		}
	}
	return list
}

// who returns the names of the libraries, abbreviated where possible.
func (r *rule) who() []string {
	if len(r.of) == len(oracles) {
		return []string{"all"}
	}
	if slices.Contains(r.of, goCron) { // the option makes no difference
		return slices.DeleteFunc(slices.Clone(r.of), func(name string) bool { return name == goCronOr })
	}
	return r.of
}

// visible quotes a pattern that begins or ends with blanks.
func visible(pattern string) string {
	if quoted := strconv.Quote(pattern); strings.Trim(pattern, asciiBlanks) != pattern {
		return quoted
	}
	return pattern
}

func short(moment string) string { return strings.TrimSuffix(moment, " 00:00:00") }
