package main

import (
	"context"
	"strings"
	"testing"

	"github.com/ignis-go/ignis/internal/doctest"
	"github.com/ignis-go/ignis/internal/longtest"
)

// The error in docs/access.md is what ignis config check prints.
func TestAccessDocsError(t *testing.T) {
	t.Parallel()
	file := writeFile(t, "ignis.yaml", "tokens: {jwks: ['https://id.example/jwks.json']}\nrooms:\n- match: a\n- match: b\n\n- match: c\n  join:   all\n")
	_, _, errors := ignisRun(t, nil, "config", "check", "--config", file)
	line, _, _ := strings.Cut(strings.ReplaceAll(errors, file, "ignis.yaml"), "\n")
	if line == "" || !strings.Contains(doctest.Read(t, "docs/access.md"), line) {
		t.Errorf("docs/access.md does not contain %q", line)
	}
}

// The commands in docs/access.md print what it says, with the files that it shows.
func TestAccessDocs(t *testing.T) {
	longtest.Mark(t)
	ran := 0
	file := ""
	for _, block := range doctest.Blocks(doctest.Read(t, "docs/access.md"), "yaml", "console") {
		if block.Language == "yaml" {
			file = writeFile(t, "ignis.yaml", block.Text)
			continue
		}
		for _, part := range strings.Split("\n"+block.Text, "\n$ ")[1:] {
			command, want, _ := strings.Cut(part, "\n")
			args, ok := strings.CutPrefix(command, "ignis access check ")
			if !ok {
				continue
			}
			ran++
			var out, errs strings.Builder
			code := run(context.Background(), append([]string{"access", "check"}, doctest.Words(strings.ReplaceAll(args, "ignis.yaml", file))...), &stdio{out: &out, err: &errs})
			got := out.String() + strings.ReplaceAll(errs.String(), file, "ignis.yaml")
			if strings.TrimSpace(got) != strings.TrimSpace(want) {
				t.Errorf("%s: exit code %d, printed\n%s\nwant\n%s", command, code, got, want)
			}
		}
	}
	if ran < 5 {
		t.Errorf("ran %d commands", ran)
	}
}
