package main

import (
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/ignis-go/ignis/internal/childproc"
	"github.com/ignis-go/ignis/internal/doctest"
	"github.com/ignis-go/ignis/internal/longtest"
	"github.com/ignis-go/ignis/internal/redistest"
	"github.com/ignis-go/ignis/webhook"
)

// movePages are the pages about moving from other servers. docs/moving has the tests of their samples
// in other languages.
var movePages = []string{"docs/from-centrifugo.md", "docs/from-ignis.md", "docs/from-pusher.md", "docs/from-signalr.md", "docs/from-socketio.md"}

// eachMovePage calls f for each page, with a folder that has the files that its commands and
// configurations name, except ignis.yaml.
func eachMovePage(t *testing.T, f func(t *testing.T, page, dir string)) {
	t.Helper()
	pages, err := filepath.Glob("../../docs/from-*.md")
	if err != nil || len(pages) != len(movePages) {
		t.Fatalf("movePages lacks one of %q, %v", pages, err)
	}
	for _, page := range movePages {
		t.Run(filepath.Base(page), func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			file(t, dir, "jwt.secret", testKey)
			file(t, dir, "webhook.secret", webhook.NewSecret())
			f(t, doctest.Read(t, page), dir)
		})
	}
}

// Each configuration is valid.
func TestMoveConfigurations(t *testing.T) {
	longtest.Mark(t)
	t.Parallel()
	eachMovePage(t, func(t *testing.T, page, dir string) {
		blocks := doctest.Blocks(page, "yaml")
		if len(blocks) == 0 {
			t.Error("there is no configuration")
		}
		for _, block := range blocks {
			file(t, dir, "ignis.yaml", block.Text)
			cmd := childproc.Command("ignis", "config", "check", "--config", "ignis.yaml", "--jwt-secret-file", "jwt.secret")
			cmd.Dir = dir
			if p := startCommand(t, nil, cmd); p.wait() != 0 {
				t.Errorf("%s%s", block.Text, p.errors.text())
			}
		}
	})
}

// Each command that starts a server does so, and each request to the HTTP API succeeds.
func TestMoveCommands(t *testing.T) {
	longtest.Mark(t)
	t.Parallel()
	redis := redistest.Start(t)
	key, entry := makeKey(t, "all")
	_, address := serve(t, []string{"IGNIS_JWT_SECRET=" + testKey}, "--config", writeFile(t, "ignis.yaml", keysFile(entry)))
	replace := strings.NewReplacer("\\\n", " ", "0.0.0.0:8080", "127.0.0.1:0", "redis://10.0.0.5:6379", redis.URL())
	eachMovePage(t, func(t *testing.T, page, dir string) {
		file(t, dir, "ignis.yaml", doctest.Blocks(page, "yaml")[0].Text)
		started := false
		for _, block := range doctest.Blocks(page, "sh") {
			switch words := doctest.Words(replace.Replace(block.Text)); words[0] {
			case "curl":
				if out := shell(t, dir, address, block.Text, "KEY="+key); out != `{"localRecipients":0}` {
					t.Errorf("%s printed %s", block.Text, out)
				}
			case "ignis":
				args := words[1:]
				if !strings.Contains(block.Text, "--listen") {
					args = append(args, "--listen", "127.0.0.1:0")
				}
				cmd := childproc.Command("ignis", args...)
				cmd.Dir = dir
				if line := startCommand(t, nil, cmd).line(); !strings.HasPrefix(line, "listening on http://") {
					t.Errorf("%s printed %s", block.Text, line)
				}
				started = true
			case "go": // installs the program and the client
			default:
				t.Errorf("not tested: %s", block.Text)
			}
		}
		if !started {
			t.Error("no command starts a server")
		}
	})
}

// The samples in Go compile.
func TestMoveGo(t *testing.T) {
	longtest.Mark(t)
	t.Parallel()
	const program = `package main

import (
	"context"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/wire"
)

var srv *ignis.Server

func allowed(context.Context, string, []string) ([]string, error) { return nil, nil }

func main() {
	_ = wire.CodeForbidden
	_, _ = allowed(context.Background(), "", nil)
	_ = ignis.Config{
`
	eachMovePage(t, func(t *testing.T, page, _ string) {
		for _, block := range doctest.Blocks(page, "go") {
			doctest.Build(t, program+block.Text+"}\n}\n")
		}
	})
}

// The pages name flags, operations of the HTTP API and webhook events that exist.
func TestMoveNames(t *testing.T) {
	longtest.Mark(t)
	t.Parallel()
	api, webhooks, configuration := doctest.Read(t, "docs/http-api.md"), doctest.Read(t, "docs/webhooks.md"), doctest.Read(t, "docs/configuration.md")
	quoted := regexp.MustCompile("`([^`\n]+)`")
	flags := serveFlags(t)
	eachMovePage(t, func(t *testing.T, page, _ string) {
		for _, m := range regexp.MustCompile(`/v1/([a-z]+(?:/[a-z]+)?)`).FindAllStringSubmatch(page, -1) {
			if !strings.Contains(api, "/v1/"+m[1]) {
				t.Errorf("docs/http-api.md has no %s", m[0])
			}
		}
		for _, m := range regexp.MustCompile("`(--[a-z-]+)").FindAllStringSubmatch(page, -1) {
			if !flags[m[1]] {
				t.Errorf("there is no flag %s", m[1])
			}
		}
		for _, m := range regexp.MustCompile("`tokens\\.\\w+`").FindAllString(page, -1) {
			if !strings.Contains(configuration, m) {
				t.Errorf("docs/configuration.md has no %s", m)
			}
		}
		// What follows the word is a list of quoted names.
		for _, list := range regexp.MustCompile("(?s)webhook(?:\\]\\(webhooks\\.md\\))? events? ((?:`\\w+`(?:,|,? and)?\\s*)+)").FindAllStringSubmatch(page, -1) {
			for _, m := range quoted.FindAllStringSubmatch(list[1], -1) {
				if !strings.Contains(webhooks, `"type": "`+m[1]+`"`) {
					t.Errorf("docs/webhooks.md has no event %s", m[1])
				}
			}
		}
	})
}
