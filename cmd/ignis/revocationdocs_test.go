package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/ignis-go/ignis/internal/childproc"
	"github.com/ignis-go/ignis/internal/doctest"
	"github.com/ignis-go/ignis/internal/longtest"
	"github.com/ignis-go/ignis/internal/redistest"
)

// The program in docs/revocation.md revokes the access of a user.
func TestRevocationProgram(t *testing.T) {
	longtest.Mark(t)
	t.Parallel()
	programs := slices.DeleteFunc(doctest.Blocks(doctest.Read(t, "docs/revocation.md"), "go"), func(b doctest.Block) bool {
		return !strings.HasPrefix(b.Text, "package main\n")
	})
	if len(programs) == 0 {
		t.Fatal("docs/revocation.md has no complete program")
	}
	redis := redistest.Start(t)
	binary := doctest.Build(t, strings.ReplaceAll(programs[0].Text, "redis://127.0.0.1:6379", redis.URL()))
	server := start(t, []string{"IGNIS_JWT_SECRET=" + testKey}, "serve", "--listen", "127.0.0.1:0", "--redis", redis.URL())
	server.line()
	if out, err := childproc.CommandContext(t.Context(), binary, "ann").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if line := server.logged("access revoked"); !strings.Contains(line, "id=ann") {
		t.Errorf("logged %s", line)
	}
}
