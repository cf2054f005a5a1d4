package access_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/ignis-go/ignis/access"
	"github.com/ignis-go/ignis/internal/doctest"
	"github.com/ignis-go/ignis/wire"
)

const docsFile = "docs/access.md"

var command = regexp.MustCompile(`^\$ ignis access check --config ignis.yaml --user (\w+)(?: --claims '([^']*)')? --room (\S+)$`)

// The rules in docs/access.md are valid, and the output of its commands is what the rules
// above them say.
func TestDocs(t *testing.T) {
	var rules *access.Rules
	files, commands := 0, 0
	for _, block := range doctest.Blocks(doctest.Read(t, docsFile)) {
		switch block.Language {
		case "yaml":
			var err error
			if rules, err = decodeYAML(block.Text); err != nil {
				t.Fatalf("%v in\n%s", err, block.Text)
			}
			files++
		case "console":
			lines := strings.Split(strings.TrimSpace(block.Text), "\n")
			for i := 0; i+1 < len(lines); i += 2 {
				m := command.FindStringSubmatch(lines[i])
				if m == nil {
					t.Fatalf("not a command: %s", lines[i])
				}
				if got := rules.Explain(subject(t, m[1], m[2]), m[3]).String(); got != lines[i+1] {
					t.Errorf("%s\n got %s\nwant %s", lines[i], lines[i+1], got)
				}
				commands++
			}
		}
	}
	if files < 9 || commands < 20 {
		t.Errorf("found %d files and %d commands", files, commands)
	}
}

// docs/access.md states the limits that the package has.
func TestDocsLimits(t *testing.T) {
	text := doctest.Read(t, docsFile)
	for _, want := range []string{
		"| rules | 10,000 |", fmt.Sprintf("| length of a pattern | %d bytes |", access.MaxPattern),
		fmt.Sprintf("| variables in a pattern | %d, with names of at most 32 characters |", access.MaxVariables),
		fmt.Sprintf("| events of a rule | %d |", access.MaxEvents), fmt.Sprintf("| values in `is` | %d |", access.MaxValues),
		fmt.Sprintf("longer than %d characters", wire.MaxRoomName),
	} {
		if !strings.Contains(text, want) {
			t.Errorf("docs/access.md does not contain %q", want)
		}
	}
	if access.MaxRules != 10_000 {
		t.Errorf("MaxRules is %d", access.MaxRules)
	}
}

// The error message in docs/access.md is a real one.
func TestDocsError(t *testing.T) {
	const text = "\n\nrooms:\n- match: a\n- match: b\n- match: c\n  join: all"
	_, err := decodeYAML(text)
	if err == nil {
		t.Fatal("no error")
	}
	_, line, _ := strings.Cut(err.Error(), "\n  ")
	if !strings.Contains(doctest.Read(t, docsFile), line) {
		t.Errorf("docs/access.md does not contain %q", line)
	}
}
