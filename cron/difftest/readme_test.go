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

var write = flag.Bool("write", false, "write the tables of the rules to README.md")

const (
	tablesBegin = "<!-- From the rules: go test -run README -write -->\n"
	tablesEnd   = "<!-- End of what is from the rules. -->\n"
)

// TestREADME holds the page to the rules.
func TestREADME(t *testing.T) {
	page, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(page), tablesBegin)
	got, after, ok2 := strings.Cut(rest, tablesEnd)
	if !ok || !ok2 {
		t.Fatal("README.md lacks the lines around the tables")
	}
	want := tables(t)
	if *write {
		if err := os.WriteFile("README.md", []byte(before+tablesBegin+want+tablesEnd+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if got != want {
		t.Error("the tables in README.md are not those of the rules: go test -run README -write")
	}
}

func tables(t *testing.T) string {
	var b strings.Builder
	b.WriteString("\nCompared: " + strings.Join(versions(t), ", ") + ".\n")
	for _, g := range ruleGroups {
		fmt.Fprintf(&b, "\n### %s\n\n", g.title)
		b.WriteString("| | pattern | after | we | they | who | right | why |\n|---|---|---|---|---|---|---|---|\n")
		for _, r := range g.rules {
			fmt.Fprintf(&b, "| %s | `%s` | %s | %s | %s | %s | %s | %s |\n", r.name, visible(r.pattern),
				short(r.after), short(r.we), short(r.they), strings.Join(r.who(), ", "), r.right, r.why)
		}
	}
	b.WriteString("\n")
	return b.String()
}

// versions returns what go.mod asks for.
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

// who returns the libraries in few words.
func (r *rule) who() []string {
	if len(r.of) == len(oracles) {
		return []string{"all"}
	}
	if slices.Contains(r.of, goCron) { // with the option it is the same
		return slices.DeleteFunc(slices.Clone(r.of), func(name string) bool { return name == goCronOr })
	}
	return r.of
}

// visible returns a pattern that shows where it begins and ends.
func visible(pattern string) string {
	if quoted := strconv.Quote(pattern); strings.Trim(pattern, asciiBlanks) != pattern {
		return quoted
	}
	return pattern
}

func short(moment string) string { return strings.TrimSuffix(moment, " 00:00:00") }
