package main

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ignis-go/ignis/internal/childproc"
)

// version is the version that the tests release.
const version = "0.1.0"

// clone makes a repository with the files of this one as they are now, in one commit with the tag
// of the version. The same files result in the same commit.
func clone(t *testing.T, folder string) {
	t.Helper()
	for name := range strings.SplitSeq(command(t, "..", "git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"), "\x00") {
		text, err := os.ReadFile(filepath.Join("..", name))
		if name == "" || os.IsNotExist(err) { // deleted, but not yet in git
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(filepath.Join("..", name))
		if err != nil {
			t.Fatal(err)
		}
		if heading := "\n## [" + version + "]\n"; name == "CHANGELOG.md" && !strings.Contains(string(text), heading[:len(heading)-1]) {
			text = append(text, heading...)
		}
		write(t, filepath.Join(folder, name), string(text), info.Mode())
	}
	command(t, folder, "git", "init", "--quiet", ".")
	commit(t, folder)
	command(t, folder, "git", "tag", "v"+version)
}

// commit commits all files.
func commit(t *testing.T, folder string) {
	t.Helper()
	command(t, folder, "git", "add", "--all", "--force")
	command(t, folder, "git", "-c", "user.name=Ann", "-c", "user.email=ann@example.com", "-c", "commit.gpgsign=false", "commit", "--quiet", "--message=release")
}

// command runs a program in a folder and returns its output. Commits get a fixed date.
func command(t *testing.T, folder, name string, args ...string) string {
	t.Helper()
	cmd := childproc.CommandContext(t.Context(), name, args...)
	cmd.Dir = folder
	cmd.Env = append(os.Environ(), "GIT_AUTHOR_DATE=2026-11-26T12:00:00Z", "GIT_COMMITTER_DATE=2026-11-26T12:00:00Z", "LC_ALL=C", "TZ=UTC")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s%s", name, strings.Join(args, " "), err, out, &stderr)
	}
	return string(out)
}

func write(t *testing.T, path, text string, mode os.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// try runs the tool and returns the error.
func try(args ...string) error { return run(context.Background(), args, io.Discard, io.Discard) }
