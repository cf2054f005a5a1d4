// Package doctest reads the documentation, so that tests can compare it with the code and run
// the programs and commands in it.
package doctest

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ignis-go/ignis/internal/testprog"
)

// Read returns the text of a page, such as README.md or docs/tokens.md.
func Read(t testing.TB, page string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root(t), filepath.FromSlash(page)))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// root returns the folder of the module, in or above the current folder.
func root(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if text, err := os.ReadFile(filepath.Join(dir, "go.mod")); err == nil && strings.HasPrefix(string(text), "module github.com/ignis-go/ignis\n") {
			return dir
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			t.Fatal("this test does not run in the repository")
		}
		dir = parent
	}
}

// Section returns the text of a section of a page, including its subsections.
func Section(t testing.TB, text, title string) string {
	t.Helper()
	_, text, ok := strings.Cut(text, "\n## "+title+"\n")
	if !ok {
		t.Fatalf("there is no section %q", title)
	}
	text, _, _ = strings.Cut(text, "\n## ")
	return text
}

// Block is a code block.
type Block struct {
	Language string // empty if it has none
	Text     string // with the last line break
	Note     string // the HTML comment in the line before it
}

var block = regexp.MustCompile("(?sm)(?:^<!-- ([^\n]*) -->\n)?^```(\\w*)\n(.*?)^```$")

// Blocks returns the code blocks of a text in the given languages, or in any if there are none.
func Blocks(text string, languages ...string) (list []Block) {
	for _, m := range block.FindAllStringSubmatch(text, -1) {
		if len(languages) == 0 || slices.Contains(languages, m[2]) {
			list = append(list, Block{m[2], m[3], m[1]})
		}
	}
	return list
}

// Words splits a command line as a shell does, if it has no quotes except single ones.
func Words(line string) (words []string) {
	for _, w := range word.FindAllString(line, -1) {
		words = append(words, strings.Trim(w, "'"))
	}
	return words
}

var word = regexp.MustCompile(`'[^']*'|\S+`)

// Build compiles a Go program as a part of this module, so that it gets this module's versions
// of others, and returns the file.
func Build(t testing.TB, text string) string {
	t.Helper()
	return BuildIn(t, root(t), text)
}

// BuildIn is like [Build], but compiles the program as a part of the module in a folder.
func BuildIn(t testing.TB, module, text string) string {
	t.Helper()
	dir := t.TempDir()
	source, binary := filepath.Join(dir, "main.go"), filepath.Join(dir, "program")
	if err := os.WriteFile(source, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	cmd := testprog.GoBuild(ctx, binary, source)
	cmd.Dir = module
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return binary
}
