package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sassoftware/go-rpmutils"

	"github.com/ignis-go/ignis/internal/childproc"
	"github.com/ignis-go/ignis/internal/testprog"
)

// installedFiles are files that both packages install, except the completion for zsh.
var installedFiles = []string{
	"/usr/bin/ignis", "/usr/lib/systemd/system/ignis.service", "/usr/lib/systemd/system/ignis.socket",
	"/usr/lib/sysusers.d/ignis.conf", "/etc/ignis/ignis.yaml", "/etc/ignis/secrets", "/usr/share/man/man1/ignis.1.gz",
	"/usr/share/man/man1/ignis-serve.1.gz", "/usr/share/bash-completion/completions/ignis",
	"/usr/share/fish/vendor_completions.d/ignis.fish", "/usr/share/doc/ignis/README.md",
}

// dpkg reads the package and installs it, keeps the configuration, and removes the rest.
func testDeb(t *testing.T, deb string) {
	testprog.Require(t, "TEST_REQUIRE_SYSTEMD", "dpkg-deb", "this test reads the package with it")
	about := command(t, ".", "dpkg-deb", "--field", deb)
	for _, want := range []string{"Package: ignis\n", "Version: 0.1.0-1\n", "Architecture: amd64\n"} {
		if !strings.Contains(about, want) {
			t.Errorf("the description does not contain %q:\n%s", want, about)
		}
	}
	list := command(t, ".", "dpkg-deb", "--contents", deb)
	for _, name := range append(installedFiles, "/usr/share/zsh/vendor-completions/_ignis", "/usr/share/doc/ignis/copyright") {
		if !strings.Contains(list, " ."+name) {
			t.Errorf("the package does not contain %s:\n%s", name, list)
		}
	}
	if !strings.Contains(list, "drwx------ root/root         0 2026-11-26 12:00 ./etc/ignis/secrets/\n") {
		t.Errorf("others may read the secrets:\n%s", list)
	}
	if os.Getuid() != 0 {
		t.Skip("only root can install a package")
	}
	root := t.TempDir()
	for _, name := range []string{"info", "updates"} {
		if err := os.MkdirAll(filepath.Join(root, "var/lib/dpkg", name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	write(t, filepath.Join(root, "var/lib/dpkg/status"), "", 0o644)
	dpkg := func(args ...string) string {
		return command(t, ".", "dpkg", append([]string{"--root=" + root, "--force-script-chrootless"}, args...)...)
	}
	if text := dpkg("--install", deb); !strings.Contains(text, "create the secret") {
		t.Errorf("the first installation does not say what to do:\n%s", text)
	}
	checkVersion(t, filepath.Join(root, "usr/bin/ignis"))
	verifyUnits(t, root)
	config, secret := filepath.Join(root, "etc/ignis/ignis.yaml"), filepath.Join(root, "etc/ignis/secrets/jwt")
	write(t, config, "listen: 127.0.0.1:1\n", 0o644)
	write(t, secret, "s3cret", 0o600)
	if text := dpkg("--install", "--force-confold", deb); strings.Contains(text, "create the secret") || read(t, config) != "listen: 127.0.0.1:1\n" {
		t.Errorf("an update changes the configuration to %q:\n%s", read(t, config), text)
	}
	dpkg("--remove", "ignis")
	if _, err := os.Stat(filepath.Join(root, "usr/bin/ignis")); !os.IsNotExist(err) {
		t.Errorf("the program after its removal: %v", err)
	}
	if read(t, config) == "" {
		t.Error("the configuration is removed")
	}
	dpkg("--purge", "ignis")
	if read(t, secret) != "s3cret" {
		t.Error("the secret is removed")
	}
}

// verifyUnits lets systemd check the units that are installed in root.
func verifyUnits(t *testing.T, root string) {
	t.Helper()
	testprog.Require(t, "TEST_REQUIRE_SYSTEMD", "systemd-analyze", "this test checks the units with it")
	dir := t.TempDir()
	for _, name := range []string{"ignis.service", "ignis.socket"} {
		unit := read(t, filepath.Join(root, "usr/lib/systemd/system", name))
		if text := read(t, filepath.Join("../deploy/systemd", name)); unit != text {
			t.Errorf("the package has another %s", name)
		}
		write(t, filepath.Join(dir, name), strings.ReplaceAll(unit, "/usr/bin/ignis", root+"/usr/bin/ignis"), 0o644)
	}
	if text := command(t, dir, "systemd-analyze", "verify", "./ignis.service", "./ignis.socket"); text != "" {
		t.Error(text)
	}
}

// The package for Red Hat has the same files, of which the configuration is kept.
func testRPM(t *testing.T, name string) {
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rpm, err := rpmutils.ReadRpm(f)
	if err != nil {
		t.Fatal(err)
	}
	nevra, err := rpm.Header.GetNEVRA()
	if err != nil || nevra.String() != "ignis-0:0.1.0-1.x86_64.rpm" && nevra.String() != "ignis-0.1.0-1.x86_64.rpm" {
		t.Errorf("%v, %v", nevra, err)
	}
	files, err := rpm.Header.GetFiles()
	if err != nil {
		t.Fatal(err)
	}
	flags := make(map[string]int)
	for _, f := range files {
		flags[f.Name()] = f.Flags()
		if f.Name() == "/usr/bin/ignis" && f.Mode()&0o777 != 0o755 || f.Name() == "/etc/ignis/secrets" && f.Mode()&0o777 != 0o700 {
			t.Errorf("%s has the mode %o", f.Name(), f.Mode())
		}
	}
	for _, name := range append(installedFiles, "/usr/share/zsh/site-functions/_ignis", "/usr/share/licenses/ignis/LICENSE") {
		if _, ok := flags[name]; !ok {
			t.Errorf("the package does not contain %s", name)
		}
	}
	if f := flags["/etc/ignis/ignis.yaml"]; f != rpmutils.RPMFILE_CONFIG|rpmutils.RPMFILE_NOREPLACE {
		t.Errorf("ignis.yaml has the flags %d", f)
	}
	if _, err := exec.LookPath("rpm"); err != nil {
		t.Log("rpm is not installed, so it does not read the package")
		return
	}
	if text := command(t, ".", "rpm", "--nosignature", "-K", name); !strings.Contains(text, "digests OK") {
		t.Error(text)
	}
}

// steps is what the scripts are to do with systemctl.
var steps = []struct{ script, args, want string }{
	{"postinstall", "configure", "daemon-reload\n"}, // not started
	{"postinstall", "1", "daemon-reload\n"},
	{"postinstall", "configure 0.0.9-1", "daemon-reload\ntry-restart ignis.service\n"},
	{"postinstall", "2", "daemon-reload\ntry-restart ignis.service\n"},
	{"postinstall", "abort-upgrade 0.0.9-1", ""},
	{"preremove", "remove", "disable --now ignis.socket ignis.service\n"},
	{"preremove", "0", "disable --now ignis.socket ignis.service\n"},
	{"preremove", "upgrade 0.2.0-1", ""},
	{"preremove", "1", ""},
	{"postremove", "remove", "daemon-reload\n"},
	{"postremove", "purge", "daemon-reload\n"},
}

// The scripts of the packages do the right thing when systemd runs, and nothing without it.
func TestScripts(t *testing.T) {
	const variable, purpose = "TEST_REQUIRE_NAMESPACES", "this test pretends with it that systemd runs"
	testprog.Require(t, variable, "unshare", purpose)
	if err := childproc.Command("unshare", "--mount", "true").Run(); err != nil {
		testprog.Missing(t, variable, "a user that may create namespaces", purpose)
	}
	scripts, err := filepath.Abs("scripts")
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range steps {
		bin := t.TempDir()
		write(t, filepath.Join(bin, "systemctl"), "#!/bin/sh\necho \"$@\" >>"+bin+"/calls\n", 0o755)
		write(t, filepath.Join(bin, "systemd-sysusers"), "#!/bin/sh\n", 0o755)
		for _, running := range []bool{false, true} {
			prepare := "mount -t tmpfs tmpfs /run"
			want := ""
			if running {
				prepare += " && mkdir -p /run/systemd/system"
				want = step.want
			}
			write(t, filepath.Join(bin, "calls"), "", 0o644)
			command(t, ".", "unshare", "--mount", "sh", "-ec", prepare+"; PATH="+bin+":$PATH; sh "+scripts+"/"+step.script+" "+step.args)
			if got := read(t, filepath.Join(bin, "calls")); got != want {
				t.Errorf("%s %s, systemd runs: %v: got %q, want %q", step.script, step.args, running, got, want)
			}
		}
	}
}
