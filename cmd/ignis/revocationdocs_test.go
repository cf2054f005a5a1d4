package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/ignis-go/ignis/internal/childproc"
	"github.com/ignis-go/ignis/internal/redistest"
)

// The program in docs/revocation.md revokes the access of a user.
func TestRevocationProgram(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/revocation.md")
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile("(?s)```go\n(package main\n.*?)```").FindSubmatch(page)
	if m == nil {
		t.Fatal("docs/revocation.md has no complete program")
	}
	redis := redistest.Start(t)
	source := writeFile(t, "main.go", strings.ReplaceAll(string(m[1]), "redis://127.0.0.1:6379", redis.URL()))
	binary := filepath.Join(t.TempDir(), "revoke")
	if out, err := childproc.CommandContext(t.Context(), "go", "build", "-o", binary, source).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	server := start(t, []string{"IGNIS_JWT_SECRET=" + testKey}, "serve", "--listen", "127.0.0.1:0", "--redis", redis.URL())
	server.line()
	if out, err := childproc.CommandContext(t.Context(), binary, "ann").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if line := server.logged("access revoked"); !strings.Contains(line, "id=ann") {
		t.Errorf("logged %s", line)
	}
}
