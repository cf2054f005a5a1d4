package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ignis-go/ignis/internal/childproc"
	"github.com/ignis-go/ignis/internal/completion"
	"github.com/ignis-go/ignis/internal/longtest"
)

// completed are unfinished command lines, and what each shell makes of them if only one word fits.
var completed = []struct{ line, want string }{
	{"ignis comp", "ignis completion "},
	{"ignis cron expl", "ignis cron explain "},
	{"ignis serve --dev --encr", "ignis serve --dev --encryption "},
	{"ignis serve --encryption req", "ignis serve --encryption required "},
	{"ignis serve --encryption=req", "ignis serve --encryption=required "},
	{"ignis serve --slow-clients=drop-o", "ignis serve --slow-clients=drop-oldest "},
	{"ignis listen ws://127.0.0.1:8080/ws --tok", "ignis listen ws://127.0.0.1:8080/ws --token"},
	{"ignis cron run jo", "ignis cron run jobs.yaml "},
	{"ignis serve --config jo", "ignis serve --config jobs.yaml "},
	{"ignis serve --config=jo", "ignis serve --config=jobs.yaml "},
	{"ignis serve --config=jobs.yaml --encr", "ignis serve --config=jobs.yaml --encryption "},
	{"ignis man --out pag", "ignis man --out pages/"},
	{"ignis completion fi", "ignis completion fish "},
}

// inShell returns a command that runs a shell in a folder with some files.
func inShell(t *testing.T, shell string, args ...string) *childproc.Cmd {
	t.Helper()
	path, err := exec.LookPath(shell)
	if err != nil {
		t.Skipf("%s is not installed, but this test completes commands in it", shell)
	}
	dir := t.TempDir()
	for _, name := range []string{"jobs.yaml", "pages/ignis.1", "pages.txt"} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := childproc.CommandContext(t.Context(), path, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), fastExit, "TERM=dumb", "HOME="+dir, "ZDOTDIR="+dir, "XDG_CONFIG_HOME="+dir, "INPUTRC=/dev/null", "LC_ALL=C.UTF-8")
	return cmd
}

// Bash and zsh complete what is typed on a terminal.
func TestCompletionOnTerminal(t *testing.T) {
	longtest.Mark(t)
	t.Parallel()
	for shell, prepare := range map[string]string{
		"bash": "PS1= PS2=; bind 'set bell-style none'; bind 'set enable-bracketed-paste off'; bind 'set show-all-if-ambiguous on'; bind 'set completion-query-items 0'; source <(ignis completion bash)",
		"zsh":  "PS1= RPS1=; unsetopt beep prompt_cr prompt_sp zle_bracketed_paste; setopt no_list_rows_first; autoload -Uz compinit; compinit -u -D; LISTMAX=0; source <(ignis completion zsh)",
	} {
		t.Run(shell, func(t *testing.T) {
			t.Parallel()
			args := map[string][]string{"bash": {"--norc", "--noprofile", "-i"}, "zsh": {"-f", "-i"}}
			c := newConsole(t, inShell(t, shell, args[shell]...))
			c.send(prepare + "; echo rea''dy\n")
			c.until("ready")
			for _, row := range completed {
				c.send(row.line + "\t")
				c.until(row.want)
				c.send("\x15echo :e''nd:\n") // Ctrl-U deletes the line
				c.until(":end:")
			}
			c.send("ignis emit \t\t")
			list := c.until("room") // the shell answers before it reads on
			c.send("\x15echo :e''nd:\n")
			if list += c.until(":end:"); !strings.Contains(list, "broadcast") {
				t.Errorf("of the commands below emit, it shows %q", list)
			}
		})
	}
}

// Fish completes what its own command complete is given.
func TestCompletionInFish(t *testing.T) {
	longtest.Mark(t)
	t.Parallel()
	script := "ignis completion fish | source\n"
	for _, row := range completed {
		script += "complete -C '" + row.line + "'; echo ---\n"
	}
	script += "complete -C 'ignis emit '"
	text, err := inShell(t, "fish", "--no-config", "-c", script).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	got := strings.Split(string(text), "---\n")
	for i, row := range completed {
		words := strings.Fields(row.want)
		if want := words[len(words)-1]; !slices.ContainsFunc(strings.Split(got[i], "\n"), func(s string) bool {
			text, _, _ := strings.Cut(s, "\t")
			return strings.HasPrefix(text, want)
		}) {
			t.Errorf("%s: got %q", row.line, got[i])
		}
	}
	if !strings.Contains(got[len(got)-1], "room\tSend to the members of a room\n") {
		t.Errorf("commands below emit: %q", got[len(got)-1])
	}
}

// The program completes every flag of every command, and all values of those with a choice.
func TestCompletionIsComplete(t *testing.T) {
	t.Parallel()
	app := model(t)
	c := &completion.Completer{App: app, Choices: choices}
	offers := func(words ...string) (list []string) {
		for _, candidate := range c.Complete(words).Candidates {
			list = append(list, candidate.Text)
		}
		return list
	}
	n := 0
	for _, leaf := range app.Leaves(true) {
		path := strings.Fields(leaf.Path())
		got := offers(append(path, "--")...)
		for _, group := range leaf.AllFlags(true) {
			for _, f := range group {
				n++
				if !slices.Contains(got, "--"+f.Name) {
					t.Errorf("%s --%s is not offered", leaf.FullPath(), f.Name)
				}
				values := offers(append(path, "--"+f.Name, "")...)
				for _, value := range f.EnumSlice() {
					if value != "" && !slices.Contains(values, value) {
						t.Errorf("%s --%s %s is not offered", leaf.FullPath(), f.Name, value)
					}
				}
				kind := c.Complete(append(path, "--"+f.Name, "")).Kind
				if file := strings.HasSuffix(f.Name, "-file") || f.Name == "config"; file != (kind == completion.Files) && file {
					t.Errorf("%s --%s: file names are not offered; its placeholder is %s, not FILE", leaf.FullPath(), f.Name, f.FormatPlaceHolder())
				}
			}
		}
	}
	if n < 100 {
		t.Errorf("only %d flags", n)
	}
}

// A shell that has no script is a usage error.
func TestCompletionErrors(t *testing.T) {
	t.Parallel()
	p := start(t, nil, "completion", "csh")
	if code := p.wait(); code != exitUsage || !strings.Contains(p.errors.text(), `"bash","zsh","fish"`) {
		t.Errorf("exit code %d, %s", code, p.errors.text())
	}
}
