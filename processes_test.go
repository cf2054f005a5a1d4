package ignis_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ignis-go/ignis/internal/longtest"
)

// ownStart lists the files that may start processes without package childproc although
// tests use them.
var ownStart = map[string]string{
	"internal/childproc/childproc.go":      "the package that the others must use",
	"internal/childproc/childproc_test.go": "it starts the process that is to be killed",
	"tools/mutate/main.go":                 "it is not a test, and ends its processes with its context",
}

// A process that a test starts must not outlive it, even if the test is killed. Therefore
// tests, and code used only by tests and benchmarks, start processes with package
// childproc.
func TestProcessesEndWithTheirTests(t *testing.T) {
	longtest.Mark(t)
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "node_modules" || d.Name() == ".git") {
			return fs.SkipDir
		}
		name := filepath.ToSlash(path)
		if !strings.HasSuffix(name, ".go") || ownStart[name] != "" {
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			s, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			switch x, _ := s.X.(*ast.Ident); {
			case x == nil:
			case x.Name == "exec" && strings.HasPrefix(s.Sel.Name, "Command"), x.Name == "os" && s.Sel.Name == "StartProcess":
				t.Errorf("%s calls %s.%s, whose process outlives a killed test: use package childproc", name, x.Name, s.Sel.Name)
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
