package main

import (
	"context"
	"debug/buildinfo"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/ignis-go/ignis/internal/childproc"
)

// program is the name of the program.
const program = "ignis"

// compile builds the program for a target and returns its path.
func (r *release) compile(ctx context.Context, t target) (string, error) {
	binary := filepath.Join(r.work, t.os+"-"+t.arch, program)
	if t.os == "windows" {
		binary += ".exe"
	}
	// -trimpath, -buildid and the variables leave out what depends on the machine, and -buildvcs adds
	// the revision. -s and -w leave out what only debuggers need.
	cmd := childproc.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=true",
		"-ldflags", "-s -w -buildid= -X main.version=v"+r.version, "-o", binary, "./cmd/"+program)
	cmd.Dir = r.folder
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS="+t.os, "GOARCH="+t.arch,
		"GOAMD64=v1", "GOARM64=v8.0", "GOFLAGS=", "GOEXPERIMENT=", "GOFIPS140=off", "GOWORK=off")
	if _, err := cmd.Output(); err != nil {
		return "", failed(cmd, err)
	}
	return binary, r.check(t, binary)
}

// check returns an error if a program is not built from the commit, or not as it should be.
func (r *release) check(t target, binary string) error {
	info, err := buildinfo.ReadFile(binary)
	if err != nil {
		return err
	}
	settings := make(map[string]string)
	for _, s := range info.Settings {
		settings[s.Key] = s.Value
	}
	want := map[string]string{"vcs.revision": r.revision, "GOOS": t.os, "GOARCH": t.arch, "CGO_ENABLED": "0", "-trimpath": "true"}
	if !r.snapshot {
		want["vcs.modified"] = "false"
	}
	for key, value := range want {
		if settings[key] != value {
			return fmt.Errorf("the program for %s was built with %s=%q instead of %q; see go version -m %s", t, key, settings[key], value, binary)
		}
	}
	if !r.snapshot && info.Main.Version != "v"+r.version {
		return fmt.Errorf("the program for %s says that it is %s, not v%s", t, info.Main.Version, r.version)
	}
	if info.GoVersion != runtime.Version() {
		return fmt.Errorf("the program for %s was built with %s, but this tool with %s; set GOTOOLCHAIN=%s", t, info.GoVersion, runtime.Version(), info.GoVersion)
	}
	return nil
}

// document is a file beside the program.
type document struct {
	name string // in archives, such as man/man1/ignis.1
	text []byte
}

// documents returns the license, the README, the manual pages and the completions. The program
// writes the latter.
func (r *release) documents(ctx context.Context) ([]document, error) {
	r.say("writing manual pages and completions")
	binary, err := r.compile(ctx, target{runtime.GOOS, runtime.GOARCH})
	if err != nil {
		return nil, err
	}
	var list []document
	for _, name := range []string{"LICENSE", "README.md"} {
		text, err := os.ReadFile(filepath.Join(r.folder, name))
		if err != nil {
			return nil, err
		}
		list = append(list, document{name, text})
	}
	for shell, name := range map[string]string{"bash": "ignis.bash", "zsh": "_ignis", "fish": "ignis.fish"} {
		text, err := r.output(ctx, binary, "completion", shell)
		if err != nil {
			return nil, err
		}
		list = append(list, document{"completions/" + name, text})
	}
	pages := filepath.Join(r.work, "man1")
	if _, err := r.output(ctx, binary, "man", "--out", pages); err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(pages)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		text, err := os.ReadFile(filepath.Join(pages, e.Name()))
		if err != nil {
			return nil, err
		}
		list = append(list, document{"man/man1/" + e.Name(), text})
	}
	slices.SortFunc(list, func(a, b document) int { return strings.Compare(a.name, b.name) })
	return list, nil
}

// output runs the program without the settings of this environment.
func (r *release) output(ctx context.Context, binary string, args ...string) ([]byte, error) {
	cmd := childproc.CommandContext(ctx, binary, args...)
	cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "IGNIS_") })
	out, err := cmd.Output()
	if err != nil {
		return nil, failed(cmd, err)
	}
	return out, nil
}
