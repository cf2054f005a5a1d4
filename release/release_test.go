package main

import (
	"debug/buildinfo"
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ignis-go/ignis/internal/childproc"
)

// tested is the target that the tests build. The others differ from it by two variables, and take
// a minute each.
const tested = "linux/amd64"

// Two releases of a commit, in different folders and time zones, are the same to the byte. What is in
// them works. With RELEASE_TEST_FRESH=1, they have no common cache of compiled packages, which takes
// minutes.
func TestRelease(t *testing.T) {
	// A process of its own, because the race detector slows down compression.
	tool := filepath.Join(t.TempDir(), "release")
	command(t, ".", "go", "build", "-o", tool, ".")
	var outs [2]string
	for i, folder := range []string{filepath.Join(t.TempDir(), "ignis"), filepath.Join(t.TempDir(), "another", "ignis")} {
		if i == 0 {
			clone(t, folder)
		} else {
			cloneAsDocumented(t, filepath.Dir(folder), filepath.Join(filepath.Dir(outs[0]), "ignis"))
		}
		if i == 1 && os.Getenv("RELEASE_TEST_FRESH") == "1" {
			t.Setenv("GOCACHE", t.TempDir())
		}
		t.Setenv("TZ", []string{"UTC", "Asia/Tokyo"}[i])
		t.Setenv("IGNIS_PREFIX", "not for the release")
		outs[i] = filepath.Join(folder, "..", "out")
		log, err := childproc.CommandContext(t.Context(), tool, "-dir", folder, "-out", outs[i], "-targets", tested).CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, log)
		}
		for _, want := range []string{"building ignis of " + version + ", commit ", tested + ": building the program\n", "_amd64.deb (", "wrote 4 files and SHA256SUMS to "} {
			if !strings.Contains(string(log), want) {
				t.Errorf("the tool does not print %q:\n%s", want, log)
			}
		}
	}
	first, second := contents(t, outs[0]), contents(t, outs[1])
	want := []string{
		"SHA256SUMS", "ignis-0.1.0-1.x86_64.rpm", "ignis_0.1.0-1_amd64.deb",
		"ignis_0.1.0_linux_amd64.cdx.json", "ignis_0.1.0_linux_amd64.tar.gz",
	}
	if got := slices.Sorted(maps.Keys(first)); !slices.Equal(got, want) {
		t.Errorf("the release has %q", got)
	}
	for name, text := range first {
		if second[name] != text {
			t.Errorf("%s differs between two builds", name)
		}
	}
	out := outs[0]
	t.Run("documentation", func(t *testing.T) { testDocs(t, out) })
	t.Run("checksums", func(t *testing.T) { testChecksums(t, out, first) })
	t.Run("archive", func(t *testing.T) { testArchive(t, out) })
	t.Run("bill", func(t *testing.T) { testBill(t, out) })
	t.Run("deb", func(t *testing.T) { testDeb(t, filepath.Join(out, "ignis_0.1.0-1_amd64.deb")) })
	t.Run("rpm", func(t *testing.T) { testRPM(t, filepath.Join(out, "ignis-0.1.0-1.x86_64.rpm")) })
}

// contents returns the files of a folder.
func contents(t *testing.T, folder string) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	list := make(map[string]string)
	for _, e := range entries {
		list[e.Name()] = read(t, filepath.Join(folder, e.Name()))
	}
	return list
}

// sha256sum accepts all files, and not a changed one.
func testChecksums(t *testing.T, out string, files map[string]string) {
	sums := files[sumsFile]
	for name := range files {
		if name != sumsFile && !strings.Contains(sums, "  "+name+"\n") {
			t.Errorf("%s does not contain %s", sumsFile, name)
		}
	}
	if text := command(t, out, "sha256sum", "--check", sumsFile); strings.Count(text, ": OK\n") != len(files)-1 {
		t.Error(text)
	}
}

// extract extracts an archive and returns the folder in it.
func extract(t *testing.T, out string) string {
	t.Helper()
	dir := t.TempDir()
	command(t, dir, "tar", "-xzf", filepath.Join(out, "ignis_0.1.0_linux_amd64.tar.gz"))
	return filepath.Join(dir, "ignis_0.1.0_linux_amd64")
}

// The archive contains the program, which knows its version, and what belongs to it.
func testArchive(t *testing.T, out string) {
	folder := extract(t, out)
	for name, want := range map[string]string{
		"LICENSE": "MIT License", "README.md": "# Ignis", "man/man1/ignis.1": `"ignis v0.1.0"`, "man/man1/ignis-serve.1": `\-\-listen`,
		"completions/ignis.bash": "complete -F", "completions/_ignis": "#compdef ignis", "completions/ignis.fish": "complete -c ignis",
	} {
		if text := read(t, filepath.Join(folder, name)); !strings.Contains(text, want) {
			t.Errorf("%s does not contain %q: %.200s", name, want, text)
		}
	}
	binary := filepath.Join(folder, "ignis")
	info, err := os.Stat(binary)
	if err != nil || info.Mode() != 0o755 || !info.ModTime().Equal(time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)) {
		t.Errorf("%v, %v, %v", err, info.Mode(), info.ModTime())
	}
	checkVersion(t, binary)
}

// checkVersion checks that a program runs and prints the version.
func checkVersion(t *testing.T, binary string) {
	t.Helper()
	if runtime.GOOS+"/"+runtime.GOARCH != tested {
		t.Logf("%s is for another system, so it is not started", binary)
		return
	}
	if text := command(t, ".", binary, "version"); !strings.HasPrefix(text, "ignis v"+version+" (") || strings.Contains(text, "changes") {
		t.Errorf("the program prints %q", text)
	}
}

// The bill of materials names every module of the program.
func testBill(t *testing.T, out string) {
	info, err := buildinfo.ReadFile(filepath.Join(extract(t, out), "ignis"))
	if err != nil {
		t.Fatal(err)
	}
	var bill struct {
		SpecVersion string
		Metadata    struct{ Component struct{ Version string } }
		Components  []struct{ Name, Version, PURL string }
	}
	if err := json.Unmarshal([]byte(read(t, filepath.Join(out, "ignis_0.1.0_linux_amd64.cdx.json"))), &bill); err != nil {
		t.Fatal(err)
	}
	if bill.SpecVersion != "1.6" || bill.Metadata.Component.Version != "v"+version {
		t.Errorf("%+v", bill)
	}
	names := make(map[string]string)
	for _, c := range bill.Components {
		names[c.Name] = c.Version
		if c.PURL != "pkg:golang/"+c.Name+"@"+c.Version {
			t.Errorf("%s %s has the URL %s", c.Name, c.Version, c.PURL)
		}
	}
	for _, m := range info.Deps {
		if names[m.Path] != m.Version {
			t.Errorf("it does not contain %s %s", m.Path, m.Version)
		}
	}
	if len(info.Deps) < 10 || len(bill.Components) != len(info.Deps)+1 || "go"+names["std"] != info.GoVersion {
		t.Errorf("%d modules, %d components, standard library %s", len(info.Deps), len(bill.Components), names["std"])
	}
}

// Errors say what to do, and nothing is built.
func TestErrors(t *testing.T) {
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("git is not installed")
	}
	root := t.TempDir()
	make := func(name string, change func(folder string)) string {
		folder := filepath.Join(root, name)
		write(t, filepath.Join(folder, "CHANGELOG.md"), "# Changelog\n\n## [0.1.0] - 2026-11-26\n", 0o644)
		command(t, folder, "git", "init", "--quiet", ".")
		commit(t, folder)
		change(folder)
		return folder
	}
	tag := func(name string) func(string) { return func(folder string) { command(t, folder, "git", "tag", name) } }
	full := filepath.Join(root, "full")
	write(t, filepath.Join(full, "letter"), "dear", 0o644)
	for name, row := range map[string]struct {
		args []string
		want string
	}{
		"no repository": {[]string{"-dir", full}, "use git clone"},
		"no tag":        {[]string{"-dir", make("1", func(string) {})}, "add it with git tag, or build the commit with -snapshot"},
		"another tag":   {[]string{"-dir", make("2", tag("otelignis/v0.1.0"))}, "the commit has no tag"},
		"two tags": {
			[]string{"-dir", make("3", func(f string) { tag("v0.1.0")(f); tag("v0.1.1")(f) })},
			"the commit has the tags v0.1.0 and v0.1.1; delete one of them",
		},
		"not in the changelog": {[]string{"-dir", make("4", tag("v0.2.0"))}, "CHANGELOG.md has no heading [0.2.0]"},
		"changes": {
			[]string{"-dir", make("5", func(f string) { tag("v0.1.0")(f); write(t, filepath.Join(f, "new.go"), "x", 0o600) })},
			"not committed; commit or remove them, or build them with -snapshot:\n?? new.go",
		},
		"another file":   {[]string{"-dir", make("6", tag("v0.1.0")), "-out", full}, "delete it, or choose another folder with -out"},
		"unknown target": {[]string{"-targets", "linux/amd64,plan9/386"}, `expected some of ` + allTargets + `, but got "plan9/386"`},
		"argument":       {[]string{"v0.1.0"}, `unexpected argument "v0.1.0"`},
	} {
		if err := try(row.args...); err == nil || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if read(t, filepath.Join(full, "letter")) != "dear" {
		t.Error("the tool has changed a file that is not its own")
	}
}

// A snapshot can be built from changes, without a tag, and replaces the release before it.
func TestSnapshotSource(t *testing.T) {
	folder := t.TempDir()
	write(t, filepath.Join(folder, "CHANGELOG.md"), "# Changelog\n", 0o644)
	command(t, folder, "git", "init", "--quiet", ".")
	commit(t, folder)
	write(t, filepath.Join(folder, "new.go"), "x", 0o600)
	s, err := inspect(t.Context(), folder, true)
	if err != nil || s.version != "0.0.0-snapshot."+s.revision[:12] || !s.time.Equal(time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)) {
		t.Errorf("%+v, %v", s, err)
	}
	out := filepath.Join(folder, "dist")
	for _, name := range []string{sumsFile, "ignis_0.0.9_linux_amd64.tar.gz"} {
		write(t, filepath.Join(out, name), "", 0o644)
	}
	if err := prepare(out); err != nil || len(contents(t, out)) > 0 {
		t.Errorf("%v, %d files are left", err, len(contents(t, out)))
	}
}

// make build adds the revision even if GOFLAGS says otherwise, because operators tell servers apart
// by it.
func TestMakeBuild(t *testing.T) {
	folder := t.TempDir()
	clone(t, folder)
	command(t, folder, "env", "-u", "MAKEFLAGS", "GOFLAGS=-buildvcs=false", "GOWORK=off", "make", "build")
	info, err := buildinfo.ReadFile(filepath.Join(folder, "bin", program))
	if err != nil {
		t.Fatal(err)
	}
	revision := strings.TrimSpace(command(t, folder, "git", "rev-parse", "HEAD"))
	if !strings.Contains(info.String(), "vcs.revision="+revision+"\n") || info.Main.Version == "(devel)" {
		t.Errorf("the program has the version %s and no revision %s:\n%s", info.Main.Version, revision, info)
	}
}
