package doctest_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/ignis-go/ignis/internal/childproc"
	"github.com/ignis-go/ignis/internal/doctest"
)

const page = "# Title\n\n## One\n\n```sh\nls 'a b'\n```\n\n### Below\n\n<!-- endpoint main.go -->\n```go\npackage main\n\nfunc main() { print(1) }\n```\n\n## Two\n\n```\nplain ``` text\n```\n"

func TestBlocks(t *testing.T) {
	one := doctest.Section(t, page, "One")
	want := []doctest.Block{
		{Language: "sh", Text: "ls 'a b'\n"},
		{Language: "go", Text: "package main\n\nfunc main() { print(1) }\n", Note: "endpoint main.go"},
	}
	if got := doctest.Blocks(one); !slices.Equal(got, want) {
		t.Errorf("section One: %+v", got)
	}
	if got := doctest.Blocks(page, "go", ""); len(got) != 2 || got[0] != want[1] || got[1].Text != "plain ``` text\n" {
		t.Errorf("go and none: %+v", got)
	}
	if got := doctest.Words(want[0].Text); !slices.Equal(got, []string{"ls", "a b"}) {
		t.Errorf("words %q", got)
	}
}

func TestRead(t *testing.T) {
	if text := doctest.Read(t, "docs/limits.md"); !strings.HasPrefix(text, "# ") {
		t.Errorf("docs/limits.md begins with %.20q", text)
	}
}

func TestBuild(t *testing.T) {
	binary := doctest.Build(t, "package main\n\nimport \"github.com/ignis-go/ignis/wire\"\n\nfunc main() { println(wire.DefaultPath) }\n")
	out, err := childproc.CommandContext(t.Context(), binary).CombinedOutput()
	if err != nil || string(out) != "/ws\n" {
		t.Errorf("printed %q, %v", out, err)
	}
}
