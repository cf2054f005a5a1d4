package completion

import (
	_ "embed" // for the scripts
	"fmt"
	"strings"
)

// The scripts run "PROGRAM __complete SHELL ...", with which Print answers.
var (
	//go:embed scripts/bash
	bash string
	//go:embed scripts/zsh
	zsh string
	//go:embed scripts/fish
	fish string
)

// Shells returns the names of the shells that have a script.
func Shells() []string { return []string{"bash", "zsh", "fish"} }

// Script returns the script for a shell.
func Script(shell string) (string, error) {
	switch shell {
	case "bash":
		return bash, nil
	case "zsh":
		return zsh, nil
	case "fish":
		return fish, nil
	}
	return "", fmt.Errorf("expected one of %s, but got %q", strings.Join(Shells(), ", "), shell)
}

// Reply returns the answer to a question of a script: its kind on the first line, then a
// candidate on each line. args is what the script passes.
func (c *Completer) Reply(shell string, args []string) string {
	form := func(c Candidate) string { return c.Text + "\t" + c.Help } // fish
	switch shell {
	case "bash":
		// Bash replaces only a part of the word, because = ends a word for it. It passes the line
		// up to the cursor, and that part.
		line, part := "", ""
		if len(args) == 2 {
			line, part = args[0], args[1]
		}
		args = split(line)
		kept := len(strings.TrimSuffix(args[len(args)-1], part))
		args = args[1:]
		form = func(c Candidate) string { return c.Text[min(kept, len(c.Text)):] }
	case "zsh":
		form = func(c Candidate) string {
			return strings.TrimSuffix(strings.ReplaceAll(c.Text, ":", `\:`)+":"+c.Help, ":")
		}
	}
	answer := c.Complete(args)
	lines := []string{string(answer.Kind)}
	for _, candidate := range answer.Candidates {
		lines = append(lines, form(candidate))
	}
	return strings.Join(lines, "\n") + "\n"
}

// split splits a line into words as a shell does, without expanding anything. The last word may
// be empty or unfinished. There are always at least two words.
func split(line string) (words []string) {
	var word strings.Builder
	quote, escaped, started := rune(0), false, false
	for _, r := range line {
		space := quote == 0 && !escaped && (r == ' ' || r == '\t' || r == '\n')
		if space && started {
			words = append(words, word.String())
			word.Reset()
		}
		started = !space
		switch {
		case space:
		case escaped:
			word.WriteRune(r)
			escaped = false
		case r == '\\' && quote != '\'':
			escaped = true
		case r == quote && quote != 0:
			quote = 0
		case quote == 0 && (r == '\'' || r == '"'):
			quote = r
		default:
			word.WriteRune(r)
		}
	}
	words = append(words, word.String())
	for len(words) < 2 {
		words = append(words, "")
	}
	return words
}
