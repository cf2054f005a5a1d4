package access_test

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/ignis-go/ignis/access"
	"github.com/ignis-go/ignis/wire"
)

const docsFile = "../docs/access.md"

var (
	codeBlock = regexp.MustCompile("(?sm)^```(\\w*)\n(.*?)^```$")
	command   = regexp.MustCompile(`^\$ ignis access check --config ignis.yaml --user (\w+)(?: --claims '([^']*)')? --room (\S+)$`)
)

// The rules in docs/access.md are valid, and the output of its commands is what the rules
// above them say.
func TestDocs(t *testing.T) {
	text, err := os.ReadFile(docsFile)
	if err != nil {
		t.Fatal(err)
	}
	var rules *access.Rules
	files, commands := 0, 0
	for _, block := range codeBlock.FindAllStringSubmatch(string(text), -1) {
		switch block[1] {
		case "yaml":
			if rules, err = decodeYAML(block[2]); err != nil {
				t.Fatalf("%v in\n%s", err, block[2])
			}
			files++
		case "console":
			lines := strings.Split(strings.TrimSpace(block[2]), "\n")
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
	if files < 6 || commands < 15 {
		t.Errorf("found %d files and %d commands", files, commands)
	}
}

// docs/access.md states the limits that the package has.
func TestDocsLimits(t *testing.T) {
	text, err := os.ReadFile(docsFile)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"| rules | 10,000 |", fmt.Sprintf("| length of a pattern | %d bytes |", access.MaxPattern),
		fmt.Sprintf("| variables in a pattern | %d, with names of at most 32 characters |", access.MaxVariables),
		fmt.Sprintf("| events of a rule | %d |", access.MaxEvents),
		fmt.Sprintf("longer than %d characters", wire.MaxRoomName),
	} {
		if !strings.Contains(string(text), want) {
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
	docs, readErr := os.ReadFile(docsFile)
	if err == nil || readErr != nil {
		t.Fatal(err, readErr)
	}
	_, line, _ := strings.Cut(err.Error(), "\n  ")
	if !strings.Contains(string(docs), line) {
		t.Errorf("docs/access.md does not contain %q", line)
	}
}
