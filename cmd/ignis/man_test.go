package main

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/alecthomas/kong"

	"github.com/ignis-go/ignis/internal/childproc"
)

// manPages runs ignis man and returns the folder with the pages.
func manPages(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "share", "man1")
	p := start(t, nil, "man", "--out", dir)
	if code := p.wait(); code != 0 || !strings.HasSuffix(p.lines.text(), " pages to "+dir+"\n") {
		t.Fatalf("exit code %d, %s", code, p.lines.text())
	}
	return dir
}

// model returns the command line of the program.
func model(t *testing.T) *kong.Application {
	t.Helper()
	parser, err := newParser(&cli{}, &stdio{out: io.Discard, err: io.Discard})
	if err != nil {
		t.Fatal(err)
	}
	return parser.Model
}

// Each command has a page, and each of its flags is there with its variable and its default.
func TestManPagesAreComplete(t *testing.T) {
	t.Parallel()
	dir := manPages(t)
	for _, command := range model(t).Children {
		if command.Hidden {
			continue
		}
		b, err := os.ReadFile(filepath.Join(dir, "ignis-"+command.Name+".1"))
		if err != nil {
			t.Error(err)
			continue
		}
		page := strings.NewReplacer(`\-`, "-", `\e`, `\`, `\(aq`, "'", `\(ti`, "~").Replace(string(b))
		checkPage(t, page, command)
	}
	index, err := os.ReadFile(filepath.Join(dir, "ignis.1"))
	if err != nil || !strings.Contains(string(index), ".BR ignis\\-serve (1)\n") {
		t.Errorf("%v, %s", err, index)
	}
}

// checkPage checks that a page describes a command and those below it.
func checkPage(t *testing.T, page string, command *kong.Node) {
	t.Helper()
	for _, f := range command.Flags {
		_, rest, ok := strings.Cut(page, `\fB--`+f.Name+`\fR`)
		text, _, _ := strings.Cut(rest, ".TP\n")
		if !ok || !strings.Contains(text, f.Help) || len(f.Envs) == 0 || !strings.Contains(text, "\nVariable: "+f.Envs[0]+"\n") ||
			f.HasDefault && !strings.Contains(text, f.Default) {
			t.Errorf("the page of %s does not describe --%s: %q", command.FullPath(), f.Name, text)
		}
	}
	for _, a := range command.Positional {
		if !strings.Contains(page, ".I "+a.Name+"\n"+a.Help+"\n") {
			t.Errorf("the page of %s does not describe %s", command.FullPath(), a.Name)
		}
	}
	for _, child := range command.Children {
		if _, rest, ok := strings.Cut(page, ".SS \""+child.FullPath()+"\"\n"); ok {
			checkPage(t, rest, child)
		} else if !child.Hidden {
			t.Errorf("the page does not describe %s", child.FullPath())
		}
	}
}

// The programs that format manual pages have nothing to say about them.
func TestManPagesAreValid(t *testing.T) {
	t.Parallel()
	dir := manPages(t)
	pages, err := filepath.Glob(filepath.Join(dir, "*.1"))
	if err != nil {
		t.Fatal(err)
	}
	for _, formatter := range [][]string{
		{"groff", "-man", "-Tutf8", "-ww", "-z"},
		{"mandoc", "-T", "lint", "-W", "warning"},
	} {
		name, err := exec.LookPath(formatter[0])
		if err != nil {
			t.Logf("%s is not installed, so it does not check the pages", formatter[0])
			continue
		}
		for _, page := range pages { // which have no date, because the program of this test has none
			out, err := childproc.CommandContext(t.Context(), name, append(formatter[1:], page)...).CombinedOutput()
			text := ""
			for line := range strings.Lines(string(out)) {
				if !strings.Contains(line, "missing date") {
					text += line
				}
			}
			if text != "" || err != nil && len(out) == 0 {
				t.Errorf("%s: %v\n%s", formatter, err, text)
			}
		}
	}
}

func TestManErrors(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	p := start(t, nil, "man", "--out", file)
	if code := p.wait(); code != exitFailed || !strings.Contains(p.errors.text(), "error: --out: ") {
		t.Errorf("exit code %d, %s", code, p.errors.text())
	}
}
