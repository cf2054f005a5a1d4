package configfile

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

const (
	// MaxSize is the maximum size in bytes of a file that callers should pass to Parse.
	MaxSize = 1 << 20
	// maxNodes is the maximum number of values in a file, counting those that aliases
	// repeat.
	maxNodes = 100_000
	// maxProblems is the maximum number of problems that are listed.
	maxProblems = 20
)

// Problem is something wrong with a file.
type Problem struct {
	// File is the name of the file.
	File string
	// Line and Column are the position, starting at 1.
	Line, Column int
	// Key is the path of the key, such as limits.max_rooms or rooms[2].match. It is empty if
	// the problem does not concern a key.
	Key string
	// Text says what is wrong, and what is expected.
	Text string
}

// Error returns the problem with its position, as compilers do.
func (p Problem) Error() string {
	at := fmt.Sprintf("%s:%d:%d: ", p.File, p.Line, p.Column)
	if p.Key != "" {
		at += p.Key + ": "
	}
	return at + p.Text
}

// Problems lists what is wrong with a file. It is an error if it is not empty.
type Problems []Problem

// Error returns the problems, one per line.
func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.Error()
	}
	return strings.Join(lines, "\n")
}

// File is the content of a file.
type File struct {
	name string
	root *yaml.Node // nil if the file is empty
}

// Parse parses the text of a file. name is used in problems. Parse checks only what does
// not depend on the settings.
func Parse(name string, text []byte) (*File, Problems) {
	f := &File{name: name}
	fail := func(line, column int, text string) (*File, Problems) {
		return nil, Problems{{File: name, Line: line, Column: column, Text: text}}
	}
	dec := yaml.NewDecoder(strings.NewReader(string(text)))
	var doc, second yaml.Node
	switch err := dec.Decode(&doc); {
	case errors.Is(err, io.EOF):
		return f, nil
	case err != nil:
		line, column, said := syntaxError(err, string(text))
		return fail(line, column, said)
	}
	switch err := dec.Decode(&second); {
	case err == nil:
		return fail(second.Line, second.Column, "expected one document, but a second one starts here")
	case !errors.Is(err, io.EOF):
		line, column, said := syntaxError(err, string(text))
		return fail(line, column, said)
	}
	if len(doc.Content) == 0 || doc.Content[0].ShortTag() == "!!null" {
		return f, nil
	}
	f.root = doc.Content[0]
	return f, check(name, "", f.root, maxNodes)
}

// check returns what is wrong with a node whatever the settings are.
func check(name, path string, n *yaml.Node, limit int) Problems {
	w := walker{name: name, limit: limit, left: limit, problems: make(map[Problem]bool)}
	w.node(path, n, 0)
	return w.found
}

// syntaxError returns the position and the text of an error of the YAML parser. The
// column is that of the first character in the line, because the parser does not report
// one.
func syntaxError(err error, text string) (line, column int, said string) {
	said = strings.TrimPrefix(err.Error(), "yaml: ")
	if rest, ok := strings.CutPrefix(said, "line "); ok {
		number, after, _ := strings.Cut(rest, ": ")
		if n, err := strconv.Atoi(number); err == nil {
			line, said = n, after
		}
	}
	lines := strings.Split(text, "\n")
	if _, rest, ok := strings.Cut(said, "unknown anchor '"); ok { // the parser does not report its line
		name, _, _ := strings.Cut(rest, "'")
		line = 1 + slices.IndexFunc(lines, func(l string) bool { return strings.Contains(l, "*"+name) })
		said += " (text that starts with * needs quotes)"
	}
	line = min(max(line, 1), len(lines))
	for _, l := range lines[line-1 : min(line+1, len(lines))] {
		if indent := l[:len(l)-len(strings.TrimLeft(l, " \t"))]; strings.Contains(indent, "\t") {
			said += " (YAML must be indented with spaces, not with tabs)"
			break
		}
	}
	if strings.Contains(said, "alphabetic or numeric") || strings.Contains(said, "cannot start any token") {
		said += " (text that starts with *, &, @, % or ` needs quotes)"
	}
	current := lines[line-1]
	return line, 1 + len(current) - len(strings.TrimLeft(current, " \t")), said
}

// walker checks the nodes of a file for what is wrong whatever the settings are:
// duplicate keys, keys that are not strings, merge keys, and aliases that expand
// excessively.
type walker struct {
	name     string // of the file
	limit    int
	left     int // nodes that may still be visited
	problems map[Problem]bool
	found    Problems
}

func (w *walker) wrong(key string, n *yaml.Node, format string, args ...any) {
	p := Problem{w.name, n.Line, n.Column, key, fmt.Sprintf(format, args...)}
	if !w.problems[p] && len(w.found) < maxProblems { // an alias repeats problems
		w.problems[p] = true
		w.found = append(w.found, p)
	}
}

// maxDepth is the maximum nesting of a file. It also ends aliases to themselves.
const maxDepth = 64

func (w *walker) node(path string, n *yaml.Node, depth int) {
	if w.left--; w.left == 0 {
		w.wrong(path, n, "the file has more than %d values", w.limit)
	}
	if w.left <= 0 {
		return
	}
	if depth > maxDepth {
		w.wrong("", n, "the file is nested more than %d levels deep", maxDepth)
		w.left = 0
		return
	}
	n = resolve(n)
	if n.Kind == yaml.SequenceNode {
		for i, item := range n.Content {
			w.node(fmt.Sprintf("%s[%d]", path, i), item, depth+1)
		}
		return
	}
	if n.Kind != yaml.MappingNode {
		return
	}
	first := make(map[string]*yaml.Node)
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := resolve(n.Content[i])
		switch {
		case key.Tag == "!!merge" || key.Value == "<<":
			w.wrong(path, n.Content[i], "merge keys (<<) are not supported; write the keys out")
			continue
		case key.Kind != yaml.ScalarNode || key.ShortTag() != "!!str":
			w.wrong(path, n.Content[i], "expected a name as the key")
			continue
		case first[key.Value] != nil:
			text := "the key is there twice"
			if line := first[key.Value].Line; line > 0 { // lines of JSON are not known
				text = fmt.Sprintf("the key is already in line %d", line)
			}
			w.wrong(join(path, printable(key.Value)), n.Content[i], "%s", text)
		}
		first[key.Value] = n.Content[i]
		w.node(join(path, printable(key.Value)), n.Content[i+1], depth+1)
	}
}

// printable returns a key from a file for use in a path.
func printable(key string) string {
	const limit = 64
	if len(key) <= limit && !strings.ContainsFunc(key, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '_' && r != '-'
	}) {
		return key
	}
	return strconv.QuoteToASCII(key[:min(len(key), limit)])
}

// resolve follows aliases.
func resolve(n *yaml.Node) *yaml.Node {
	for i := 0; n.Kind == yaml.AliasNode && i < maxDepth; i++ {
		n = n.Alias
	}
	return n
}
