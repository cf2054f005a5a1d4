package otelignis_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/ignis-go/ignis/internal/childproc"
	"github.com/ignis-go/ignis/internal/doctest"
	"github.com/ignis-go/ignis/internal/redistest"
)

// The program in docs/tracing.md prints what the page says.
func TestProgramInTheDocs(t *testing.T) {
	t.Parallel()
	section := doctest.Section(t, doctest.Read(t, "docs/tracing.md"), "A complete program")
	program, output := doctest.Blocks(section, "go"), doctest.Blocks(section, "")
	if len(program) != 1 || len(output) != 1 {
		t.Fatalf("%d programs and %d outputs", len(program), len(output))
	}
	r := redistest.Start(t)
	cmd := childproc.CommandContext(t.Context(), doctest.BuildIn(t, ".", program[0].Text))
	cmd.Env = append(os.Environ(), "REDIS_URL="+r.URL())
	var log strings.Builder
	cmd.Stderr = &log
	got, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, &log)
	}
	rest := string(got) // one in 100 of the other spans may be in between
	for line := range strings.Lines(output[0].Text) {
		var ok bool
		if _, rest, ok = strings.Cut(rest, line); !ok {
			t.Errorf("printed\n%s\nwant\n%s", got, output[0].Text)
			break
		}
	}
}

// docs/tracing.md has a row for each kind of span and each attribute.
func TestSpansAreDocumented(t *testing.T) {
	page := doctest.Section(t, doctest.Read(t, "docs/tracing.md"), "The spans")
	row := func(name string) {
		t.Helper()
		if n := strings.Count(page, "\n| `"+name+"` |"); n != 1 {
			t.Errorf("docs/tracing.md has %d rows for %s", n, name)
		}
	}
	texts := func(file string, want func(text string) bool) (n int) {
		t.Helper()
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(parsed, func(node ast.Node) bool {
			if l, ok := node.(*ast.BasicLit); ok && l.Kind == token.STRING {
				if text, err := strconv.Unquote(l.Value); err == nil && want(text) {
					n++
				}
			}
			return true
		})
		return n
	}
	kinds := strings.Count(doctest.Read(t, "tracing.go"), " SpanKind = \"")
	if n := strings.Count(page, "\n| `ignis.") - strings.Count(page[strings.Index(page, "| attribute |"):], "\n| `ignis."); n != kinds {
		t.Errorf("docs/tracing.md has %d spans, and tracing.go has %d", n, kinds)
	}
	attributes := texts("tracer.go", func(text string) bool {
		if strings.HasPrefix(text, "ignis.") && text != "ignis." || strings.HasPrefix(text, "http.") {
			row(text)
			return true
		}
		return false
	})
	if attributes < 8 {
		t.Errorf("found only %d attributes in the code", attributes)
	}
}
