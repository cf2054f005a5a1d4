package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/ignis-go/ignis/internal/childproc"
	"github.com/ignis-go/ignis/internal/doctest"
	"github.com/ignis-go/ignis/internal/redistest"
)

// readme contains the README, docs/program.md and the commands in them.
type readme struct {
	text     string
	commands []string // the lines of its sh blocks
}

func readReadme(t *testing.T) readme {
	t.Helper()
	r := readme{text: doctest.Read(t, "README.md") + doctest.Read(t, "docs/program.md")}
	for _, b := range doctest.Blocks(r.text, "sh") {
		r.commands = append(r.commands, strings.Split(strings.TrimSpace(b.Text), "\n")...)
	}
	return r
}

// args returns the arguments of the first command that begins with prefix, split as by a
// shell. replace contains pairs of texts to replace.
func (r readme) args(t *testing.T, prefix string, replace ...string) []string {
	t.Helper()
	for _, c := range r.commands {
		if strings.HasPrefix(c, prefix) {
			var args []string
			for _, a := range doctest.Words(c) {
				args = append(args, strings.NewReplacer(replace...).Replace(a))
			}
			return args[1:]
		}
	}
	t.Fatalf("the README has no command that begins with %q", prefix)
	return nil
}

func TestReadmeTryOnOneMachine(t *testing.T) {
	t.Parallel()
	doc, redis := readReadme(t), redistest.Start(t)
	server := start(t, nil, append(doc.args(t, "ignis serve --dev", "redis://127.0.0.1:6379", redis.URL()), "--listen", "127.0.0.1:0")...)
	said := server.line()
	rest, ok := strings.CutPrefix(said, "listening on http://")
	address, note, _ := strings.Cut(rest, " ")
	if !ok || !strings.Contains(doc.text, "listening on http://127.0.0.1:8080 "+note) {
		t.Errorf("serve --dev prints %q, which differs from the README", said)
	}
	listener := start(t, nil, doc.args(t, "ignis listen", "127.0.0.1:8080", address)...)
	send := doc.args(t, "ignis emit")
	want := `{"event":"notice","data":{"text":"hello"},"room":"lobby"}`
	if !strings.Contains(doc.text, "`"+want+"`") {
		t.Errorf("the README does not say that listen prints %s", want)
	}
	redistest.Wait(t, "listen to print the notice", func() bool { // sent repeatedly, because listen may join later
		emit(t, redis.URL(), send[1:]...)
		return strings.Contains(listener.lines.text(), want+"\n")
	})
}

func TestReadmeEncryption(t *testing.T) {
	t.Parallel()
	doc := readReadme(t)
	server := start(t, nil, append(doc.args(t, "ignis serve --dev --encryption"), "--listen", "127.0.0.1:0")...)
	address := strings.Fields(strings.TrimPrefix(server.line(), "listening on http://"))[0]
	listener := start(t, nil, append(doc.args(t, "ignis listen ws://127.0.0.1:8080/ws --encrypt", "127.0.0.1:8080", address), "--all")...)
	if line := listener.line(); !strings.Contains(line, `"serverPublicKey"`) {
		t.Errorf("listen printed %q", line)
	}
}

func TestReadmeProduction(t *testing.T) {
	t.Parallel()
	doc, redis := readReadme(t), redistest.Start(t)
	secret := filepath.Join(t.TempDir(), "jwt")
	if err := os.WriteFile(secret, []byte(strings.Repeat("s", 32)), 0o600); err != nil {
		t.Fatal(err)
	}
	server := start(t, nil, doc.args(t, "ignis serve --listen",
		"0.0.0.0:8080", "127.0.0.1:0", "redis://redis:6379", redis.URL(), "/run/secrets/jwt", secret)...)
	if line := server.line(); !strings.HasPrefix(line, "listening on http://") {
		t.Errorf("serve printed %q", line)
	}
}

func TestReadmeMeasure(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("ignis bench is for Linux")
	}
	doc, redis := readReadme(t), redistest.Start(t)
	_, address := serve(t, nil, "--dev", "--redis", redis.URL())
	p := start(t, nil, doc.args(t, "ignis bench",
		"127.0.0.1:8080", address, "redis://127.0.0.1:6379", redis.URL(), "5000", "50", "30s", "1s")...)
	if code := p.wait(); code != 0 || !strings.Contains(p.lines.text(), "p99") {
		t.Errorf("exit code %d, got %s", code, p.lines.text())
	}
}

// TestReadmeNamesTheCommands compares the table of commands with the program's.
func TestReadmeNamesTheCommands(t *testing.T) {
	t.Parallel()
	doc := readReadme(t)
	p := start(t, nil, "--help")
	p.wait()
	var got, want []string
	for _, m := range regexp.MustCompile("(?m)^\\| `ignis ([\\w-]+)`").FindAllStringSubmatch(doc.text, -1) {
		got = append(got, m[1])
	}
	for _, m := range regexp.MustCompile(`(?m)^  ([\w-]+) .*`).FindAllStringSubmatch(p.lines.text(), -1) {
		want = append(want, m[1])
	}
	if strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("the README's table has %q, the program %q", got, want)
	}
}

// The commands for completion and manual pages work in the shells that they are for.
func TestReadmeShells(t *testing.T) {
	t.Parallel()
	doc, home := readReadme(t), t.TempDir()
	if p := start(t, nil, doc.args(t, "ignis man --out", "~", home)...); p.wait() != 0 {
		t.Error(p.errors.text())
	}
	if _, err := os.Stat(filepath.Join(home, ".local/share/man/man1/ignis-serve.1")); err != nil {
		t.Errorf("%v, and the page says that man finds ignis-serve there", err)
	}
	for shell, check := range map[string]string{
		"bash": "complete -p ignis", "zsh": "echo $_comps[ignis]", "fish": "complete -c ignis",
	} {
		path, err := exec.LookPath(shell)
		if err != nil {
			t.Logf("%s is not installed, so its completion is not tested", shell)
			continue
		}
		line := doc.commands[slices.IndexFunc(doc.commands, func(c string) bool { return strings.Contains(c, "ignis completion "+shell) })]
		if shell == "zsh" {
			line = "autoload -Uz compinit; compinit -u -D\n" + line // as in everyone's .zshrc
		}
		text, err := childproc.CommandContext(t.Context(), path, "-c", line+"\n"+check).CombinedOutput()
		if err != nil || !strings.Contains(string(text), "_ignis") {
			t.Errorf("%s: %v, %s", line, err, text)
		}
	}
}

func TestReadmeCron(t *testing.T) {
	t.Parallel()
	doc, redis := readReadme(t), redistest.Start(t)
	block := regexp.MustCompile("(?s)```yaml\n# jobs.yaml\n(.*?)```").FindStringSubmatch(doc.text)
	if block == nil {
		t.Fatal("the README has no jobs.yaml")
	}
	file := filepath.Join(t.TempDir(), "jobs.yaml")
	if err := os.WriteFile(file, []byte(block[1]), 0o600); err != nil {
		t.Fatal(err)
	}
	if check := start(t, nil, doc.args(t, "ignis cron check", "jobs.yaml", file)...); check.wait() != 0 {
		t.Errorf("check: %s", check.errors.text())
	}
	next := start(t, nil, doc.args(t, "ignis cron next")...)
	if next.wait() != 0 || !strings.Contains(doc.text, "```\n"+next.lines.text()+"```") {
		t.Errorf("cron next prints this, which the README does not show:\n%s%s", next.lines.text(), next.errors.text())
	}
	p := start(t, nil, doc.args(t, "ignis cron run", "jobs.yaml", file, "redis://127.0.0.1:6379", redis.URL())...)
	if line := p.line(); !strings.HasPrefix(line, "running 1 job of ") {
		t.Errorf("run printed %q", line)
	}
	p.signal(syscall.SIGTERM)
	if code := p.wait(); code != 0 {
		t.Errorf("run ended with exit code %d", code)
	}
}
