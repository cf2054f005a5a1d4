package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/ignis-go/ignis/internal/childproc"
	"github.com/ignis-go/ignis/internal/doctest"
)

// tutorial follows a page of the documentation like a reader: it runs the commands in order, in one
// folder, and makes the files.
//
//   - A block after a comment, such as <!-- ignis.yaml -->, is a file of this name.
//   - A block of sh has commands. Servers, listeners and schedulers keep running.
//   - A block of bash is a script, which ends.
//   - A block of console also has what the commands print. In it, ... stands for any text. Such
//     commands may fail.
//   - A block after the comment "not run" is left out.
type tutorial struct {
	t         *testing.T
	dir       string
	replace   map[string]string // what the page says: what is used instead
	env       []string
	processes []*process // that keep running
	ran       int
}

func follow(t *testing.T, replace map[string]string, env ...string) *tutorial {
	t.Helper()
	if replace == nil {
		replace = make(map[string]string)
	}
	return &tutorial{t: t, dir: t.TempDir(), replace: replace, env: env}
}

// page follows all blocks of a page, which must have this number of commands.
func (d *tutorial) page(name string, commands int) {
	d.t.Helper()
	d.blocks(doctest.Blocks(doctest.Read(d.t, name)))
	if d.ran != commands {
		d.t.Errorf("%s: ran %d commands, want %d", name, d.ran, commands)
	}
}

func (d *tutorial) blocks(blocks []doctest.Block) {
	d.t.Helper()
	for _, b := range blocks {
		switch {
		case b.Note == "not run":
		case b.Note != "":
			d.write(b.Note, b.Text)
		case b.Language == "bash":
			d.ran++
			d.finish(b.Text)
		case b.Language == "sh":
			for _, command := range commandsOf(b.Text) {
				d.command(command)
			}
		case b.Language == "console":
			for _, part := range strings.Split("\n"+b.Text, "\n$ ")[1:] {
				command, want, _ := strings.Cut(part, "\n")
				d.expect(command, want)
			}
		}
	}
}

// commandsOf returns the commands of a block; a backslash continues one on the next line.
func commandsOf(text string) []string {
	text = strings.ReplaceAll(strings.TrimSpace(text), "\\\n", " ")
	return strings.Split(text, "\n")
}

// write makes a file, in which the addresses and folders of the page are replaced.
func (d *tutorial) write(name, text string) {
	d.t.Helper()
	name = filepath.Join(d.dir, name)
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		d.t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(d.replaced(text)), 0o600); err != nil {
		d.t.Fatal(err)
	}
}

func (d *tutorial) replaced(text string) string {
	pairs := make([]string, 0, 2*len(d.replace))
	for from, to := range d.replace {
		pairs = append(pairs, from, to)
	}
	return strings.NewReplacer(pairs...).Replace(text)
}

var runsOn = regexp.MustCompile(`^((?:[A-Z_]+=\S+ )*)ignis (serve|listen|cron run) `)

// command runs a command, or starts one that keeps running.
func (d *tutorial) command(text string) {
	d.t.Helper()
	d.ran++
	m := runsOn.FindStringSubmatch(text)
	switch {
	case strings.HasPrefix(text, "ignis doctor "): // finds something on most machines
		d.finish(text + " || [ $? = 1 ]")
		return
	case m == nil:
		d.finish(text)
		return
	}
	comment := regexp.MustCompile(`\s+#.*$`)
	words := doctest.Words(comment.ReplaceAllString(strings.TrimPrefix(text, m[1]), ""))
	listen := "127.0.0.1:8080"
	if m[2] == "serve" {
		words, listen = onFreePort(words)
	}
	for i := range words {
		words[i] = d.replaced(words[i])
	}
	cmd := childproc.Command(words[0], words[1:]...)
	cmd.Dir = d.dir
	p := startCommand(d.t, append(strings.Fields(m[1]), d.env...), cmd)
	d.processes = append(d.processes, p)
	switch m[2] {
	case "serve":
		said := p.line()
		port := regexp.MustCompile(`listening on \w+://[^ ]+:(\d+)`).FindStringSubmatch(said)
		if port == nil {
			d.t.Fatalf("%s printed %q", text, said)
		}
		d.replace[listen] = "127.0.0.1:" + port[1]
	case "cron run":
		p.line()
	}
}

// onFreePort makes a server listen on a free port, and returns the address that the page says.
func onFreePort(words []string) (_ []string, address string) {
	for i, w := range words {
		if w == "--listen" {
			address = words[i+1]
			words[i+1] = "127.0.0.1:0"
			if strings.HasPrefix(address, ":") || strings.HasPrefix(address, "0.0.0.0:") {
				address = "127.0.0.1:" + address[strings.LastIndex(address, ":")+1:]
			}
			return words, address
		}
	}
	return append(words, "--listen", "127.0.0.1:0"), "127.0.0.1:8080"
}

// finish runs a command to its end and returns what it prints: its errors if there is nothing else.
func (d *tutorial) finish(text string) string {
	d.t.Helper()
	if _, err := exec.LookPath("bash"); err != nil {
		d.t.Skip("bash is not installed")
	}
	cmd := childproc.CommandContext(withTimeout(d.t), "bash", "-euo", "pipefail", "-c", d.replaced(text))
	cmd.Dir, cmd.Env = d.dir, append(append(os.Environ(), fastExit), d.env...)
	var out, errs strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		d.t.Fatalf("%s: %v\n%s%s", text, err, &out, &errs)
	}
	if out.Len() == 0 {
		return errs.String()
	}
	return out.String()
}

// expect runs a command that prints what the page says.
func (d *tutorial) expect(command, want string) {
	d.t.Helper()
	d.ran++
	got := strings.TrimSpace(d.finish(command + " || true"))
	pattern := strings.ReplaceAll(regexp.QuoteMeta(strings.TrimSpace(d.replaced(want))), `\.\.\.`, `(?s:.*)`)
	if !regexp.MustCompile("^" + pattern + "$").MatchString(got) {
		d.t.Errorf("%s printed\n%s\nwant\n%s", command, got, want)
	}
}
