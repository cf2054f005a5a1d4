package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/ignis-go/ignis/internal/childproc"
)

// source is what a release is built from.
type source struct {
	version  string    // such as 0.1.0
	revision string    // of the commit, 40 digits
	time     time.Time // of the commit; the time of everything in the release
	snapshot bool      // not a version that was released
}

// tagForm is the form of the tag of a version.
var tagForm = regexp.MustCompile(`^v(\d+\.\d+\.\d+(-[0-9A-Za-z.]+)?)$`)

// inspect returns what the repository in folder contains. The version is the tag of the commit. It
// returns an error if this is not a version as it was committed, unless it is to be a snapshot.
func inspect(ctx context.Context, folder string, snapshot bool) (s source, err error) {
	s.snapshot = snapshot
	if info, err := os.Stat(filepath.Join(folder, ".git")); err != nil || !info.IsDir() {
		return s, fmt.Errorf("%s is not a clone of the repository, of which the program contains the revision; use git clone, not git worktree or an archive", folder)
	}
	commit, err := git(ctx, folder, "log", "-1", "--format=%H %ct")
	if err != nil {
		return s, err
	}
	var seconds int64
	if _, err := fmt.Sscanf(commit, "%s %d", &s.revision, &seconds); err != nil {
		return s, fmt.Errorf("git log prints %q: %w", commit, err)
	}
	s.time = time.Unix(seconds, 0).UTC()
	if snapshot {
		s.version = "0.0.0-snapshot." + s.revision[:12]
		return s, nil
	}
	changes, err := git(ctx, folder, "status", "--porcelain")
	if err != nil {
		return s, err
	}
	if changes != "" {
		return s, fmt.Errorf("there are changes that are not committed; commit or remove them, or build them with -snapshot:\n%s", changes)
	}
	tags, err := git(ctx, folder, "tag", "--points-at", "HEAD")
	if err != nil {
		return s, err
	}
	for _, tag := range strings.Fields(tags) {
		if m := tagForm.FindStringSubmatch(tag); m != nil {
			if s.version != "" {
				return s, fmt.Errorf("the commit has the tags v%s and %s; delete one of them with git tag -d", s.version, tag)
			}
			s.version = m[1]
		}
	}
	if s.version == "" {
		return s, errors.New("the commit has no tag such as v0.1.0, which is the version; add it with git tag, or build the commit with -snapshot")
	}
	changelog, err := os.ReadFile(filepath.Join(folder, "CHANGELOG.md"))
	if err != nil {
		return s, err
	}
	if !strings.Contains(string(changelog), "\n## ["+s.version+"]") {
		return s, fmt.Errorf("CHANGELOG.md has no heading [%s]; describe the version there, and tag that commit", s.version)
	}
	return s, nil
}

// git runs git in a folder and returns its output.
func git(ctx context.Context, folder string, args ...string) (string, error) {
	cmd := childproc.CommandContext(ctx, "git", args...)
	cmd.Dir = folder
	out, err := cmd.Output()
	if err != nil {
		return "", failed(cmd, err)
	}
	return strings.TrimRight(string(out), "\n"), nil
}

// failed describes why a command failed, with its error output.
func failed(cmd *childproc.Cmd, err error) error {
	var exit *exec.ExitError
	if errors.As(err, &exit) && len(exit.Stderr) > 0 {
		err = fmt.Errorf("%w\n%s", err, exit.Stderr)
	}
	return fmt.Errorf("%s: %w", strings.Join(cmd.Args, " "), err)
}
