// Command release builds everything that a release consists of: the program for each system, in
// archives with its manual pages and completions, packages for Debian and Red Hat, a list of the
// modules in each program, and checksums of all of them. The same commit and version of Go result
// in the same files, whoever builds them, wherever and whenever. docs/releasing.md describes it.
//
//	make release                             build the version that HEAD is tagged with
//	make release ARGS=-snapshot              build any commit, even with changes
//	make release ARGS='-targets linux/amd64' build less
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
	default:
		fmt.Fprintf(os.Stderr, "release: %v\n", err)
		os.Exit(1)
	}
}

// release is a release that is being built.
type release struct {
	source
	folder string // of the repository
	out    string // folder for the files of the release
	work   string // folder for everything else, which is deleted at the end
	log    io.Writer
}

// run builds a release as the arguments say, and writes what it does to log.
func run(ctx context.Context, args []string, log, usage io.Writer) (err error) {
	flags := flag.NewFlagSet("release", flag.ContinueOnError)
	flags.SetOutput(usage)
	folder := flags.String("dir", "..", "folder of the repository")
	out := flags.String("out", "", "folder for the files (default: dist in the repository); an earlier release there is replaced")
	list := flags.String("targets", allTargets, "systems to build for, separated by commas")
	snapshot := flags.Bool("snapshot", false, "build a commit without a tag, and what has changed since the commit; the version is 0.0.0-snapshot.REVISION")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q; see -help", flags.Arg(0))
	}
	targets, err := parseTargets(*list)
	if err != nil {
		return err
	}
	r := &release{log: log}
	if r.folder, err = filepath.Abs(*folder); err != nil {
		return err
	}
	if r.source, err = inspect(ctx, r.folder, *snapshot); err != nil {
		return err
	}
	if r.out = filepath.Join(r.folder, "dist"); *out != "" {
		if r.out, err = filepath.Abs(*out); err != nil {
			return err
		}
	}
	if err := prepare(r.out); err != nil {
		return err
	}
	if r.work, err = os.MkdirTemp("", "release"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(r.work)) }()
	return r.build(ctx, targets)
}

// build builds the files of the release.
func (r *release) build(ctx context.Context, targets []target) error {
	r.say("building %s of %s, commit %s of %s, with %s", program, r.version, r.revision[:12], r.time.Format(time.DateOnly), runtime.Version())
	documents, err := r.documents(ctx)
	if err != nil {
		return err
	}
	for _, t := range targets {
		r.say("%s: building the program", t)
		binary, err := r.compile(ctx, t)
		if err != nil {
			return err
		}
		if err := r.bill(t, binary); err != nil {
			return err
		}
		if err := r.archive(t, binary, documents); err != nil {
			return err
		}
		if t.os == "linux" {
			if err := r.packages(t, binary, documents); err != nil {
				return err
			}
		}
	}
	names, err := r.checksums()
	if err != nil {
		return err
	}
	r.say("wrote %d files and %s to %s", names, sumsFile, r.out)
	return nil
}

// say reports progress.
func (r *release) say(format string, args ...any) { fmt.Fprintf(r.log, format+"\n", args...) }

// wrote reports that a file of the release is complete.
func (r *release) wrote(name string) error {
	info, err := os.Stat(filepath.Join(r.out, name))
	if err != nil {
		return err
	}
	r.say("  %s (%.1f MB)", name, float64(info.Size())/1e6)
	return nil
}

// prepare makes out an empty folder. It deletes an earlier release, but nothing else.
func prepare(out string) error {
	entries, err := os.ReadDir(out)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if len(entries) > 0 {
		if _, err := os.Stat(filepath.Join(out, sumsFile)); err != nil {
			return fmt.Errorf("%s contains files, but no %s of an earlier release; delete it, or choose another folder with -out", out, sumsFile)
		}
		if err := os.RemoveAll(out); err != nil {
			return err
		}
	}
	return os.MkdirAll(out, 0o755)
}

// target is a system that the program is built for.
type target struct{ os, arch string }

func (t target) String() string { return t.os + "/" + t.arch }

// allTargets are all targets.
const allTargets = "linux/amd64,linux/arm64,darwin/amd64,darwin/arm64,windows/amd64"

// parseTargets parses a list such as allTargets.
func parseTargets(list string) (targets []target, err error) {
	for _, s := range strings.Split(list, ",") {
		if !strings.Contains(","+allTargets+",", ","+s+",") {
			return nil, fmt.Errorf("-targets: expected some of %s, but got %q", allTargets, s)
		}
		system, arch, _ := strings.Cut(s, "/")
		targets = append(targets, target{system, arch})
	}
	return targets, nil
}
