package sdktest_test

import (
	"flag"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/ignis-go/ignis/internal/sdktest"
)

var update = flag.Bool("update", false, "write rules.txt")

const specFile = "../../sdk/SPEC.md"

// rule is a rule of sdk/SPEC.md.
type rule struct{ name, text string }

func readSpec(t *testing.T) (text string, rules []rule) {
	t.Helper()
	b, err := os.ReadFile(specFile)
	if err != nil {
		t.Fatal(err)
	}
	text = string(b)
	for _, m := range regexp.MustCompile(`(?ms)^- \*\*([A-Z]\d+)\*\* (.*?)(?:\n\n|\n- |\n#)`).FindAllStringSubmatch(strings.ReplaceAll(text, "\n- **", "\n\n- **"), -1) {
		rules = append(rules, rule{m[1], strings.Join(strings.Fields(m[2]), " ")})
	}
	if len(rules) < 40 {
		t.Fatalf("%d rules in %s, which has more", len(rules), specFile)
	}
	return text, rules
}

// The rules that Rule returns are those of the specification.
func TestRules(t *testing.T) {
	_, rules := readSpec(t)
	var b strings.Builder
	seen := make(map[string]bool)
	for _, r := range rules {
		if seen[r.name] {
			t.Errorf("%s: there are two rules %s", specFile, r.name)
		}
		seen[r.name] = true
		b.WriteString(r.name + " " + r.text + "\n")
	}
	if *update {
		if err := os.WriteFile("rules.txt", []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	for _, r := range rules {
		if got := sdktest.Rule(r.name); got != r.text {
			t.Errorf("Rule(%s) is %q, and %s has %q: run go test ./internal/sdktest -run Rules -update", r.name, got, specFile, r.text)
		}
	}
	if got := sdktest.Rule("Z1"); got != "" {
		t.Errorf("Rule(Z1) is %q", got)
	}
}

// Cases name rules that exist and features that are documented. Rules without a case are
// listed as such.
func TestCasesNameRules(t *testing.T) {
	text, rules := readSpec(t)
	tested := make(map[string]bool)
	names := make(map[string]bool)
	for _, c := range sdktest.Cases() {
		if names[c.Name] {
			t.Errorf("there are two cases %s", c.Name)
		}
		names[c.Name] = true
		if len(c.Rules) == 0 || c.Text == "" {
			t.Errorf("the case %s has no rule or no text", c.Name)
		}
		for _, name := range c.Rules {
			tested[name] = true
			if !slices.ContainsFunc(rules, func(r rule) bool { return r.name == name }) {
				t.Errorf("the case %s names the rule %s, which %s does not have", c.Name, name, specFile)
			}
		}
		for _, need := range c.Needs {
			if !slices.Contains(sdktest.Features(), need) {
				t.Errorf("the case %s needs %q, which is not a feature", c.Name, need)
			}
		}
	}
	for _, f := range sdktest.Features() {
		if !strings.Contains(text, "\n| `"+f+"` |") {
			t.Errorf("%s does not describe the feature %s", specFile, f)
		}
	}
	list := regexp.MustCompile(`(?s)Rules that .ignis sdktest. does not test: (.*?)\.\s`).FindStringSubmatch(text)
	if list == nil {
		t.Fatalf("%s does not list the rules that are not tested", specFile)
	}
	for _, r := range rules {
		if listed := slices.Contains(strings.Fields(strings.ReplaceAll(list[1], ",", " ")), r.name); listed == tested[r.name] {
			t.Errorf("rule %s: tested %v, listed as not tested %v", r.name, tested[r.name], listed)
		}
	}
}
