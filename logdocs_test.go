package ignis_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/ignis-go/ignis/internal/logarea"
)

// logCall is a call in the source that writes a line of the log.
type logCall struct {
	folder  string // of the package
	level   string // empty if it is computed
	message string // empty if it is computed; a literal beginning if it ends with "..."
}

// logSource is what the source of the program says about its log.
type logSource struct {
	keys  map[string][]string // where each key is used
	texts map[string][]string // the folders that have a text
	calls []logCall
}

// logMethods are the methods that write a line, with the index of the message and the level.
var logMethods = map[string]struct {
	message int
	level   string
}{
	"Debug": {0, "debug"}, "Info": {0, "info"}, "Warn": {0, "warn"}, "Error": {0, "error"},
	"info": {0, "info"}, "warn": {0, "warn"}, "errorf": {0, "error"},
	"Log": {1, ""}, "LogLater": {1, ""}, // of a loglimit.Limiter
}

// levelOf are the levels in the source.
var levelOf = map[string]string{"LevelDebug": "debug", "LevelInfo": "info", "LevelWarn": "warn", "LevelError": "error"}

// loggers matches what the methods are called on.
var loggers = regexp.MustCompile(`(?i)^(.*(log|logger|limit|program|limiter)|s|j|with)$`)

// readLogSource finds the log lines in the packages that the program consists of.
func readLogSource(t *testing.T) *logSource {
	t.Helper()
	src := &logSource{keys: make(map[string][]string), texts: make(map[string][]string)}
	var modules []string // nested ones
	for _, file := range repository(t) {
		if filepath.Base(file) == "go.mod" && file != "go.mod" {
			modules = append(modules, filepath.ToSlash(filepath.Dir(file))+"/")
		}
	}
	for _, file := range repository(t) {
		nested := slices.ContainsFunc(modules, func(m string) bool { return strings.HasPrefix(file, m) })
		if filepath.Ext(file) != ".go" || strings.HasSuffix(file, "_test.go") || nested || strings.Contains(file, "test/") {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		f := logFile{src, file}
		ast.Inspect(parsed, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.CallExpr:
				f.call(n)
			case *ast.BasicLit:
				if text := literal(n); text != "" {
					src.texts[text] = append(src.texts[text], filepath.ToSlash(filepath.Dir(file)))
				}
			case *ast.CompositeLit: // []any{"key", value}
				if a, ok := n.Type.(*ast.ArrayType); ok && named(a.Elt) == "any" {
					f.pairs(n.Elts)
				}
			}
			return true
		})
	}
	return src
}

type logFile struct {
	*logSource
	name string
}

// call records a call if it writes a line, makes a logger, or adds attributes to a list.
func (f logFile) call(c *ast.CallExpr) {
	name, receiver := named(c.Fun), ""
	if s, ok := c.Fun.(*ast.SelectorExpr); ok {
		receiver = named(s.X)
		if inner, ok := s.X.(*ast.CallExpr); ok {
			receiver = named(inner.Fun)
		}
	}
	method, ok := logMethods[name]
	switch {
	case name == "append" && len(c.Args) > 2 && slices.Contains([]string{"args", "line", "remote"}, named(c.Args[0])):
		f.pairs(c.Args[1:])
	case name == "append" && len(c.Args) > 2:
		if inner, ok := c.Args[0].(*ast.CallExpr); ok && slices.Contains([]string{"about", "slowness"}, named(inner.Fun)) {
			f.pairs(c.Args[1:])
		}
	case name == "String" && receiver == "slog":
		f.pairs(c.Args)
	case name == "With" && loggers.MatchString(receiver):
		f.pairs(c.Args)
	case ok && loggers.MatchString(receiver):
		if name == "Log" && named(c.Args[0]) == "ctx" {
			method.message = 2
		}
		if len(c.Args) <= method.message {
			return
		}
		call := logCall{folder: filepath.ToSlash(filepath.Dir(f.name)), level: method.level}
		if strings.HasPrefix(name, "Log") {
			call.level = levelOf[named(c.Args[method.message-1])]
		}
		call.message = literal(c.Args[method.message])
		f.calls = append(f.calls, call)
		f.pairs(c.Args[method.message+1:])
	}
}

// pairs records the keys of alternating keys and values.
func (f logFile) pairs(args []ast.Expr) {
	for i := 0; i+1 < len(args); i += 2 {
		if key := literal(args[i]); key != "" {
			f.keys[key] = append(f.keys[key], f.name)
		}
	}
}

// named returns the last name of an expression, such as Logger for s.cfg.Logger.
func named(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		return e.Sel.Name
	}
	return ""
}

// literal returns the text of a literal, or "..." and its beginning or end if it is only a part.
func literal(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.BasicLit:
		if text, err := strconv.Unquote(e.Value); err == nil && e.Kind == token.STRING {
			return text
		}
	case *ast.BinaryExpr:
		left, right := literal(e.X), literal(e.Y)
		switch {
		case left != "" && right != "" && !strings.HasSuffix(left, "..."):
			return left + right
		case left != "":
			return strings.TrimSuffix(left, "...") + "..."
		case right != "":
			return "..." + strings.TrimPrefix(right, "...")
		}
	}
	return ""
}

// documentedPart returns the rows of the table between two comments of docs/logs.md, without
// its head.
func documentedPart(t *testing.T, name, end string) [][]string {
	t.Helper()
	_, text, ok := strings.Cut(source(t, "docs/logs.md"), "<!-- "+name+" -->")
	text, _, ended := strings.Cut(text, "<!-- "+end+" -->")
	if !ok || !ended {
		t.Fatalf("docs/logs.md has no part %q", name)
	}
	return tableRows(text)[1:]
}

// unquoted returns a cell without its backquotes.
func unquoted(cell string) string { return strings.Trim(cell, "`") }

// docs/logs.md lists the keys that the source uses.
func TestLogKeysAreDocumented(t *testing.T) {
	src := readLogSource(t)
	src.keys[logarea.Key] = []string{"internal/logarea"}
	documented := make(map[string]bool)
	previous := logarea.Key // which is first
	for _, row := range documentedPart(t, "keys of the log", "end of keys") {
		key := unquoted(row[0])
		if documented[key] || len(row) != 2 || row[1] == "" || key < previous && previous != logarea.Key {
			t.Errorf("docs/logs.md: the row of the key %s is empty, not in alphabetical order, or there twice", key)
		}
		if previous, documented[key] = key, true; src.keys[key] == nil {
			t.Errorf("docs/logs.md has the key %s, which the source does not use", key)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(src.keys)) {
		if !documented[key] {
			t.Errorf("docs/logs.md has no row for the key %s of %s", key, src.keys[key])
		}
	}
}

// areasOf returns the areas that the lines of a package have in the program.
func areasOf(folder string) []string {
	switch strings.Split(folder, "/")[0] {
	case ".":
		return []string{logarea.Server}
	case "redisbus":
		return []string{logarea.Redis}
	case "webhook":
		return []string{logarea.Webhook}
	case "auth":
		return []string{logarea.Tokens}
	case "access":
		return []string{logarea.Access}
	case "cron":
		return []string{logarea.Cron}
	}
	switch folder {
	case "internal/listen", "internal/acmecert":
		return []string{logarea.Listen}
	case "internal/app":
		return []string{logarea.Program, logarea.Listen, logarea.HTTP, logarea.Tokens, logarea.Webhook}
	case "cmd/ignis":
		return []string{logarea.Program, logarea.Cron, logarea.HTTP}
	}
	return nil
}

// docs/logs.md quotes messages that the source has, with their levels and areas.
func TestLogMessagesAreDocumented(t *testing.T) {
	src := readLogSource(t)
	for _, row := range documentedPart(t, "messages of the log", "end of messages") {
		if len(row) != 4 {
			t.Errorf("docs/logs.md: %d cells in the row %q", len(row), row)
			continue
		}
		message, area := unquoted(row[0]), unquoted(row[2])
		levels := make(map[string]bool)
		for _, c := range src.calls {
			if c.message == message && slices.Contains(areasOf(c.folder), area) {
				levels[c.level] = true
			}
		}
		switch want := strings.Join(slices.Sorted(maps.Keys(levels)), ", "); {
		case want == "" && !src.hasText(message, area):
			t.Errorf("docs/logs.md: no line of the area %s has the message %q", area, message)
		case want == "": // the source computes which message to write
		case levels[""]: // or the level
		case strings.Join(slices.Sorted(strings.SplitSeq(row[1], ", ")), ", ") != want:
			t.Errorf("docs/logs.md: the level of %q is %s, not %s", message, want, row[1])
		}
	}
}

// hasText reports whether a package whose lines are in the area has a text.
func (s *logSource) hasText(text, area string) bool {
	return slices.ContainsFunc(s.texts[text], func(folder string) bool { return slices.Contains(areasOf(folder), area) })
}

// docs/logs.md lists the areas.
func TestLogAreasAreDocumented(t *testing.T) {
	text := source(t, "docs/logs.md")
	for _, area := range logarea.All() {
		if !strings.Contains(text, "\n| `"+area+"` |") {
			t.Errorf("docs/logs.md has no row for the area %s", area)
		}
	}
}
