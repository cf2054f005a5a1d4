package sdktest

import (
	_ "embed"
	"strings"
)

// rulesText has a line for each rule of sdk/SPEC.md: its name, a space and its text. A
// test compares it; go test ./internal/sdktest -update writes it.
//
//go:embed rules.txt
var rulesText string

// Rule returns the text of a rule of sdk/SPEC.md, or "" if there is none.
func Rule(name string) string {
	for line := range strings.Lines(rulesText) {
		if first, text, _ := strings.Cut(line, " "); first == name {
			return strings.TrimSpace(text)
		}
	}
	return ""
}
