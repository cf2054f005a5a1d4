package main

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/ignis-go/ignis/internal/childproc"
	"github.com/ignis-go/ignis/internal/doctest"
)

// commands returns the commands in a section of a page.
func commands(t *testing.T, page, title string) (all string) {
	t.Helper()
	for _, b := range doctest.Blocks(doctest.Section(t, doctest.Read(t, "docs/"+page), title), "sh") {
		all += b.Text
	}
	if all == "" {
		t.Fatalf("docs/%s has no commands in the section %q", page, title)
	}
	return all
}

// cloneAsDocumented clones a repository with the command in docs/releasing.md.
func cloneAsDocumented(t *testing.T, folder, repository string) {
	t.Helper()
	clone, _, _ := strings.Cut(commands(t, "releasing.md", "Reproduce a release"), "\n")
	if !strings.Contains(clone, "https://github.com/ignis-go/ignis") {
		t.Fatalf("%s clones another repository", clone)
	}
	write(t, filepath.Join(folder, "README"), "", 0o644)
	command(t, folder, "sh", "-ec", strings.ReplaceAll(clone, "https://github.com/ignis-go/ignis", repository))
}

// The commands for downloads work, and the pages name the files that exist.
func testDocs(t *testing.T, out string) {
	home := t.TempDir()
	install := "HOME=" + home + "\n" + commands(t, "install.md", "Archives")
	verify := commands(t, "releasing.md", "Verify a download")
	download := t.TempDir()
	command(t, out, "sh", "-ec", `cp -- * "$0"`, download)
	command(t, download, "sh", "-ec", install)
	checkVersion(t, filepath.Join(home, ".local/bin/ignis"))
	for _, name := range []string{".local/share/man/man1/ignis-serve.1", ".local/share/bash-completion/completions/ignis"} {
		if read(t, filepath.Join(home, name)) == "" {
			t.Errorf("%s is empty", name)
		}
	}
	write(t, filepath.Join(download, "ignis"), read(t, filepath.Join(home, ".local/bin/ignis")), 0o755)
	text := command(t, download, "sh", "-ec", verify)
	for _, want := range []string{"amd64.tar.gz: OK", "vcs.revision=", "vcs.modified=false", "go1."} {
		if !strings.Contains(text, want) {
			t.Errorf("the commands do not print %q:\n%s", want, text)
		}
	}
	for line := range strings.Lines(commands(t, "install.md", "Packages")) {
		if !strings.Contains(read(t, "scripts/postinstall"), line) {
			t.Errorf("docs/install.md says %q after the installation of a package, but the package does not", line)
		}
	}
	known := slices.Collect(maps.Keys(contents(t, out)))
	for name := range maps.Keys(contents(t, out)) { // and those for other systems
		known = append(known, strings.NewReplacer("amd64.deb", "arm64.deb", "x86_64", "aarch64").Replace(name))
	}
	known = append(known, "ignis_0.1.0_windows_amd64.zip")
	for _, page := range []string{"install.md", "releasing.md"} {
		for _, name := range regexp.MustCompile(`ignis[_-]0\.1\.0[\w.-]*\.[a-z]+`).FindAllString(read(t, "../docs/"+page), -1) {
			if !slices.Contains(known, name) {
				t.Errorf("docs/%s names the file %s, but there are %q", page, name, known)
			}
		}
	}
}

// make release passes the flags in docs/releasing.md, and the tool knows them.
func TestMakeRelease(t *testing.T) {
	n := 0
	for _, page := range []string{read(t, "../docs/releasing.md"), read(t, "main.go")} {
		for _, line := range regexp.MustCompile(`make release(?: ARGS=('[^'\n]*'|\S*))?`).FindAllStringSubmatch(page, -1) {
			n++
			cmd := childproc.CommandContext(t.Context(), "make", "-C", "..", "--dry-run", "--no-print-directory", "release", "ARGS="+strings.Trim(line[1], "'"))
			cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "MAKE") })
			text, err := cmd.CombinedOutput()
			args, ok := strings.CutPrefix(strings.TrimSpace(string(text)), "cd release && go run .")
			if err != nil || !ok {
				t.Errorf("%s runs %s, %v", line[0], text, err)
			}
			if err := try(append(strings.Fields(args), "-dir", t.TempDir())...); err == nil || !strings.Contains(err.Error(), "use git clone") {
				t.Errorf("%s: %v", line[0], err)
			}
		}
	}
	if n < 5 {
		t.Errorf("only %d commands", n)
	}
}
