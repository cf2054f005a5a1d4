package testprog

import (
	"context"

	"github.com/ignis-go/ignis/internal/childproc"
)

// GoBuild returns a command that compiles a Go program into a file. args are further arguments of go
// build, ending with a package or a source file. The program gets the race detector if this test has
// it, so the command reuses the packages that were compiled for the tests.
func GoBuild(ctx context.Context, file string, args ...string) *childproc.Cmd {
	build := []string{"build", "-o", file}
	if Race {
		build = append(build, "-race")
	}
	return childproc.CommandContext(ctx, "go", append(build, args...)...)
}
