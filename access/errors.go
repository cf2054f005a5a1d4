package access

import (
	"fmt"
	"strings"
)

// Error lists what is wrong with a list of rules.
type Error struct {
	Problems []Problem // not empty
}

// Error returns the problems, one per line.
func (e *Error) Error() string { return strings.Join(e.lines(), "\n") }

func (e *Error) lines() []string {
	lines := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		lines[i] = p.String()
	}
	return lines
}

// Problem is something that is wrong with a list of rules.
type Problem struct {
	// Key is the path of the key, such as rooms[2].send.events[0]. It is empty if the problem
	// concerns all rules.
	Key string
	// Line is the line in the file, or 0 if it is not known.
	Line int
	// Text says what is expected, and usually what was found.
	Text string
}

// String returns the problem as one line, such as
//
//	line 7: rooms[2].join: expected anyone, nobody, webhook or a mapping with claim, of and is, but got "all"
func (p Problem) String() string {
	text := p.Text
	if p.Key != "" {
		text = p.Key + ": " + text
	}
	if p.Line > 0 {
		text = fmt.Sprintf("line %d: %s", p.Line, text)
	}
	return text
}
