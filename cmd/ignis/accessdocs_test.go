package main

import (
	"context"
	"os"
	"regexp"
	"strings"
	"testing"
)

// The error in docs/access.md is what ignis config check prints.
func TestAccessDocsError(t *testing.T) {
	t.Parallel()
	file := writeFile(t, "ignis.yaml", "tokens: {jwks: ['https://id.example/jwks.json']}\nrooms:\n- match: a\n- match: b\n\n- match: c\n  join:   all\n")
	_, _, errors := ignisRun(t, nil, "config", "check", "--config", file)
	line, _, _ := strings.Cut(strings.ReplaceAll(errors, file, "ignis.yaml"), "\n")
	text, err := os.ReadFile("../../docs/access.md")
	if err != nil || !strings.Contains(string(text), line) || line == "" {
		t.Errorf("%v, docs/access.md does not contain %q", err, line)
	}
}

// The commands in docs/access.md print what it says, with the files that it shows.
func TestAccessDocs(t *testing.T) {
	text, err := os.ReadFile("../../docs/access.md")
	if err != nil {
		t.Fatal(err)
	}
	ran := 0
	file := ""
	for _, block := range regexp.MustCompile("(?s)```(yaml|console)\n(.*?)```").FindAllStringSubmatch(string(text), -1) {
		if block[1] == "yaml" {
			file = writeFile(t, "ignis.yaml", block[2])
			continue
		}
		for _, part := range strings.Split("\n"+block[2], "\n$ ")[1:] {
			command, want, _ := strings.Cut(part, "\n")
			args, ok := strings.CutPrefix(command, "ignis access check ")
			if !ok {
				continue
			}
			ran++
			var out, errs strings.Builder
			code := run(context.Background(), append([]string{"access", "check"}, shellWords(strings.ReplaceAll(args, "ignis.yaml", file))...), &stdio{out: &out, err: &errs})
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

// shellWords splits a command line that has no quotes but single ones.
func shellWords(line string) (words []string) {
	for _, m := range regexp.MustCompile(`'[^']*'|[^ ]+`).FindAllString(line, -1) {
		words = append(words, strings.Trim(m, "'"))
	}
	return words
}
