package access

import (
	"fmt"
	"slices"
	"strings"
)

// Limits of a pattern.
const (
	MaxPattern   = 512 // bytes of a pattern
	MaxVariables = 8   // variables of a pattern
	maxVariable  = 32  // bytes of a variable's name
)

// userVariable is the variable that stands for the client's user ID.
const userVariable = "user"

// partKind is the kind of a part of a pattern.
type partKind uint8

const (
	partText     partKind = iota // only text
	partVariable                 // text, a variable and text
	partRest                     // text and *, at the end of the pattern
)

// part is a part of a pattern, without the colons around it.
type part struct {
	kind   partKind
	prefix string // the text before the variable or *, or all of it
	suffix string // the text after the variable
}

// pattern is a parsed pattern.
type pattern struct {
	parts     []part
	variables []string // names, from left to right
}

// user returns the index of {user} in the variables, or -1.
func (p *pattern) user() int { return p.variable(userVariable) }

// variable returns the index of a variable, or -1.
func (p *pattern) variable(name string) int { return slices.Index(p.variables, name) }

// parsePattern parses a pattern. Errors say what would be accepted.
func parsePattern(text string) (pattern, error) {
	var p pattern
	switch {
	case text == "":
		return p, fmt.Errorf("%s", wantMatch)
	case len(text) > MaxPattern:
		return p, fmt.Errorf("expected at most %d bytes, not %d", MaxPattern, len(text))
	}
	all := strings.Split(text, ":")
	for i, s := range all {
		part, err := p.parsePart(s, i == len(all)-1)
		if err != nil {
			return p, fmt.Errorf("%.80q: %w", text, err)
		}
		p.parts = append(p.parts, part)
	}
	if len(p.variables) > MaxVariables {
		return p, fmt.Errorf("%.80q has %d variables: expected at most %d", text, len(p.variables), MaxVariables)
	}
	if err := p.checkNames(); err != nil {
		return p, fmt.Errorf("%.80q: %w", text, err)
	}
	return p, nil
}

// parsePart parses the text between two colons.
func (p *pattern) parsePart(s string, last bool) (part, error) {
	open := strings.IndexAny(s, "{}*")
	if open < 0 {
		return part{prefix: s}, checkLiteral(s)
	}
	prefix, rest := s[:open], s[open:]
	if err := checkLiteral(prefix); err != nil {
		return part{}, err
	}
	switch {
	case s[open] == '}':
		return part{}, fmt.Errorf("} without {: a variable is written {name}")
	case rest == "*" && last:
		return part{kind: partRest, prefix: prefix}, nil
	case s[open] == '*':
		return part{}, fmt.Errorf("* may only be the last character: for other text between two colons write a variable, such as {id}")
	}
	name, suffix, ok := strings.Cut(rest[1:], "}")
	if !ok || !isVariable(name) {
		return part{}, fmt.Errorf("expected a variable such as {user} or {team}, of at most %d lower-case letters, digits and _, and } at its end", maxVariable)
	}
	if p.variable(name) >= 0 {
		return part{}, fmt.Errorf("{%s} occurs twice: give each variable a name of its own", name)
	}
	if strings.ContainsAny(suffix, "{*") {
		return part{}, fmt.Errorf("put a colon between {%s} and the next { or *: otherwise it is not clear where {%s} ends", name, name)
	}
	p.variables = append(p.variables, name)
	if err := checkLiteral(suffix); err != nil {
		return part{}, err
	}
	return part{kind: partVariable, prefix: prefix, suffix: suffix}, nil
}

func isVariable(name string) bool {
	if name == "" || len(name) > maxVariable || name[0] < 'a' || name[0] > 'z' {
		return false
	}
	return strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789_") == ""
}

// checkLiteral returns an error if no name can contain the text of a pattern.
func checkLiteral(text string) error {
	switch reason := checkText(text); reason {
	case "":
		return nil
	case NameGlob:
		return fmt.Errorf("names of rooms do not contain %s: only * at the end and variables such as {team} stand for other text", globs)
	default:
		return fmt.Errorf("it matches no room: %s", reason)
	}
}

// checkNames returns an error if the pattern cannot match any name that clients can use.
func (p *pattern) checkNames() error {
	first, last := p.parts[0], p.parts[len(p.parts)-1]
	least, end := utf16Len(p.shortest()), last.suffix
	if last.kind == partText {
		end = last.prefix
	}
	var reason Reason
	switch {
	case least > MaxName:
		reason = NameTooLong
	case len(p.parts) > 1 && first.kind == partText && first.prefix+":" == reservedPrefix:
		reason = NameReserved
	case strings.HasPrefix(first.prefix, " ") || strings.HasSuffix(end, " "):
		reason = NameSpace
	case len(p.parts) == 1 && first.kind == partText && isUUID(first.prefix):
		reason = NameClientID
	default:
		return nil
	}
	return fmt.Errorf("it matches no room: %s", reason)
}

// shortest returns one of the shortest texts that match the pattern.
func (p *pattern) shortest() string {
	var b strings.Builder
	for i, part := range p.parts {
		if i > 0 {
			b.WriteByte(':')
		}
		b.WriteString(part.prefix)
		if part.kind != partText {
			b.WriteByte('x')
		}
		b.WriteString(part.suffix)
	}
	return b.String()
}
