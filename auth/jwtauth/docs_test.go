package jwtauth

import (
	"bytes"
	"context"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ignis-go/ignis/internal/childproc"
	"github.com/ignis-go/ignis/internal/doctest"
	"github.com/ignis-go/ignis/internal/longtest"
	"github.com/ignis-go/ignis/internal/testprog"
)

// The tests in this file compare docs/tokens.md and docs/limits.md with the code.

// The programs in docs/tokens.md make tokens that are accepted: for each language, one with
// HS256 and one with ES256.
func TestTokensMadeInOtherLanguages(t *testing.T) {
	longtest.Mark(t)
	text := doctest.Read(t, "docs/tokens.md")
	dir := t.TempDir()
	keys := blocksOf(t, text, "Keys")
	if len(keys) != 1 {
		t.Fatalf("there are %d blocks in the section Keys, want the one that makes the keys", len(keys))
	}
	requirePrograms(t, "sh", "openssl")
	run(t, dir, "sh", "-eu", "-c", keys[0].Text)
	v := verifierFor(t, Config{KeyFiles: []KeyFile{
		{Name: filepath.Join(dir, "secret"), Secret: true},
		{Name: filepath.Join(dir, "public.pem"), Algorithms: []string{"ES256"}},
	}})
	v.now = time.Now
	seen := make(map[string]bool)
	for _, b := range blocksOf(t, text, "Making tokens") {
		alg := regexp.MustCompile(`[HE]S256`).FindString(b.Text)
		seen[b.Language+" "+alg] = true
		t.Run(b.Language+" "+alg, func(t *testing.T) {
			token := strings.TrimSuffix(string(runBlock(t, dir, b)), "\n")
			parts, err := parseParts(token)
			if err != nil || parts.algorithm.name != alg {
				t.Fatalf("the program prints %q: %v", token, err)
			}
			c, err := v.Verify(t.Context(), token)
			if err != nil {
				t.Fatal(err)
			}
			if c.Subject != "42" || !slices.Equal(c.Rooms, []string{"lobby"}) || !regexp.MustCompile(`^{"name": ?"Ann"}$`).Match(c.Info) ||
				c.Expires.Sub(c.IssuedAt) != time.Hour {
				t.Errorf("got %+v", c)
			}
		})
	}
	for _, language := range []string{"js", "python", "php", "go", "sh"} {
		for _, alg := range []string{"HS256", "ES256"} {
			if !seen[language+" "+alg] {
				t.Errorf("there is no program in %s for %s", language, alg)
			}
		}
	}
}

// runBlock runs a program in a folder and returns what it prints.
func runBlock(t *testing.T, dir string, b doctest.Block) []byte {
	t.Helper()
	switch b.Language {
	case "sh":
		requirePrograms(t, "openssl", "xxd")
		return run(t, dir, "sh", "-eu", "-c", b.Text)
	case "js":
		requirePrograms(t, "node")
		return run(t, dir, "node", program(t, "program.mjs", b.Text))
	case "php":
		requirePrograms(t, "php")
		return run(t, dir, "php", program(t, "program.php", b.Text))
	case "python":
		return run(t, dir, python(t, b.Text), program(t, "program.py", b.Text))
	case "go":
		return run(t, dir, doctest.Build(t, b.Text))
	}
	t.Fatalf("no idea how to run %s", b.Language)
	return nil
}

// python returns an interpreter that has the package cryptography if the program uses it.
// One in PATH that does not come from the system may lack it.
func python(t *testing.T, text string) string {
	t.Helper()
	if !strings.Contains(text, "cryptography") {
		requirePrograms(t, "python3")
		return "python3"
	}
	for _, name := range []string{"python3", "/usr/bin/python3"} {
		if childproc.CommandContext(t.Context(), name, "-c", "import cryptography").Run() == nil {
			return name
		}
	}
	testprog.Missing(t, languages, "python3 with the package cryptography", purpose)
	return ""
}

// program writes a program to a file.
func program(t *testing.T, name, text string) string {
	t.Helper()
	name = filepath.Join(t.TempDir(), name)
	write(t, name, text)
	return name
}

// run runs a command and returns its output. An error fails the test.
func run(t *testing.T, dir, name string, args ...string) []byte {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	cmd := childproc.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s%s", name, err, out, &stderr)
	}
	return out
}

const languages, purpose = "TEST_REQUIRE_LANGUAGES", "this test runs a program with it"

func requirePrograms(t *testing.T, names ...string) {
	t.Helper()
	for _, name := range names {
		testprog.Require(t, languages, name, purpose)
	}
}

// blocksOf returns the programs of a section.
func blocksOf(t *testing.T, text, section string) []doctest.Block {
	t.Helper()
	return slices.DeleteFunc(doctest.Blocks(doctest.Section(t, text, section)), func(b doctest.Block) bool { return b.Language == "" })
}

// The program that verifies tokens compiles.
func TestDocumentedServer(t *testing.T) {
	longtest.Mark(t)
	list := slices.DeleteFunc(blocksOf(t, doctest.Read(t, "docs/tokens.md"), "Verifying tokens"), func(b doctest.Block) bool { return b.Language != "go" })
	if len(list) != 1 {
		t.Fatalf("got %d blocks, want one in Go", len(list))
	}
	doctest.Build(t, list[0].Text)
}

// The program in docs/tokens.md makes a JWK set that verifies tokens.
func TestJWKSetMadeInNode(t *testing.T) {
	text := doctest.Read(t, "docs/tokens.md")
	dir := t.TempDir()
	requirePrograms(t, "sh", "openssl", "node")
	run(t, dir, "sh", "-eu", "-c", blocksOf(t, text, "Keys")[0].Text)
	made := 0
	for _, b := range blocksOf(t, text, "JWK sets") {
		if b.Language != "js" {
			continue
		}
		made++
		set := filepath.Join(dir, "jwks.json")
		write(t, set, string(runBlock(t, dir, b)))
		v := verifierFor(t, Config{KeyFiles: []KeyFile{{Name: set, Algorithms: []string{"ES256"}}}})
		v.now = time.Now
		for _, maker := range blocksOf(t, text, "Making tokens") {
			if maker.Language == "js" && strings.Contains(maker.Text, "'ES256'") {
				token := strings.TrimSuffix(string(runBlock(t, dir, maker)), "\n")
				if _, err := v.Verify(t.Context(), token); err != nil {
					t.Error(err)
				}
			}
		}
	}
	if made != 1 {
		t.Errorf("there are %d programs that make a JWK set", made)
	}
}

// The table of errors in docs/tokens.md has the texts of all errors, and no others.
func TestErrorsAreDocumented(t *testing.T) {
	_, text, _ := strings.Cut(doctest.Read(t, "docs/tokens.md"), "\n## Errors\n")
	documented := make(map[string]bool)
	for line := range strings.Lines(text) {
		if cell, _, ok := strings.Cut(strings.TrimPrefix(line, "| `"), " | "); ok && strings.HasPrefix(line, "| `") {
			for reason := range strings.SplitSeq(strings.TrimSuffix(cell, "`"), "`<br>`") {
				documented[reason] = false
			}
		}
	}
	for _, pattern := range reasons(t) {
		found := false
		for reason := range documented {
			if pattern.MatchString(reason) {
				found, documented[reason] = true, true
			}
		}
		if !found {
			t.Errorf("docs/tokens.md has no error that matches %q", pattern)
		}
	}
	for reason, exists := range documented {
		if !exists {
			t.Errorf("docs/tokens.md has the error %q, which does not exist", reason)
		}
	}
}

// reasons returns the texts with which tokens are refused, as patterns: what is not constant
// is \w+.
func reasons(t *testing.T) (list []*regexp.Regexp) {
	t.Helper()
	var pattern func(e ast.Expr) string
	pattern = func(e ast.Expr) string {
		switch e := e.(type) {
		case *ast.BasicLit:
			text, err := strconv.Unquote(e.Value)
			if err != nil {
				t.Fatal(err)
			}
			return regexp.QuoteMeta(text)
		case *ast.BinaryExpr:
			return pattern(e.X) + pattern(e.Y)
		}
		return `\w+`
	}
	for _, name := range []string{"verifier.go", "claims.go"} {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		add := func(e ast.Expr) {
			if p := pattern(e); p != `\w+` {
				list = append(list, regexp.MustCompile("^"+p+"$"))
			}
		}
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.CallExpr:
				var called string
				switch f := n.Fun.(type) {
				case *ast.Ident:
					called = f.Name
				case *ast.SelectorExpr:
					called = f.Sel.Name
				}
				if called == "refused" {
					add(n.Args[0])
				}
			case *ast.KeyValueExpr:
				if key, ok := n.Key.(*ast.Ident); ok && key.Name == "reason" {
					add(n.Value)
				}
			}
			return true
		})
	}
	if len(list) < 20 {
		t.Fatalf("only %d errors were found in the code", len(list))
	}
	return list
}

// docs/limits.md has the defaults of Config and JWKS, and counters that exist.
func TestLimitsAreDocumented(t *testing.T) {
	_, text, _ := strings.Cut(doctest.Read(t, "docs/limits.md"), "\n## Tokens and their keys\n")
	text, _, _ = strings.Cut(text, "\n## ")
	c, err := Config{Secret: []byte(testKey)}.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	j, err := JWKS{}.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	documented := make(map[string]string)
	for _, m := range regexp.MustCompile("(?m)^\\|[^|]*\\| `(\\w+)` \\| ([^|]*) \\|").FindAllStringSubmatch(text, -1) {
		documented[m[1]] = m[2]
	}
	for _, s := range []reflect.Value{reflect.ValueOf(c), reflect.ValueOf(j)} {
		for i := range s.NumField() {
			name, want := s.Type().Field(i).Name, ""
			switch value := s.Field(i).Interface().(type) {
			case int:
				want = strconv.Itoa(value)
				if value >= 1<<10 && value%(1<<10) == 0 {
					want = strconv.Itoa(value>>10) + " KiB"
				}
			case time.Duration:
				want = documentedTime(value)
			default:
				continue
			}
			if documented[name] != want {
				t.Errorf("docs/limits.md says that %s is %q by default, which is %q", name, documented[name], want)
			}
			delete(documented, name)
		}
	}
	for name := range documented {
		t.Errorf("docs/limits.md has a limit %s, which does not exist", name)
	}
	for _, m := range regexp.MustCompile("`SourceStatus\\.(\\w+)`").FindAllStringSubmatch(text, -1) {
		if _, ok := reflect.TypeFor[SourceStatus]().FieldByName(m[1]); !ok {
			t.Errorf("docs/limits.md names the counter %s, which does not exist", m[1])
		}
	}
}

func documentedTime(d time.Duration) string {
	switch {
	case d == 0:
		return "0"
	case d%time.Minute == 0:
		return fmt.Sprintf("%d min", d/time.Minute)
	}
	return fmt.Sprintf("%d s", d/time.Second)
}
