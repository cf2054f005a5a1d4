package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/ignis-go/ignis/internal/childproc"
	"github.com/ignis-go/ignis/internal/doctest"
	"github.com/ignis-go/ignis/internal/redistest"
)

// listeningPages returns docs/listening.md and docs/proxies.md.
func listeningPages(t *testing.T) string {
	t.Helper()
	return doctest.Read(t, "docs/listening.md") + doctest.Read(t, "docs/proxies.md")
}

// Each command in docs/listening.md and docs/proxies.md works.
func TestListeningCommands(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t)
	for _, page := range []string{"docs/listening.md", "docs/proxies.md"} {
		t.Run(page, func(t *testing.T) { runListeningCommands(t, doctest.Read(t, page), redis.URL()) })
	}
}

func runListeningCommands(t *testing.T, page, redis string) {
	t.Helper()
	ca, cert, key := tlsPair(t)
	dir, sockets := filepath.Dir(socketPath(t)), filepath.Dir(socketPath(t))
	replace := strings.NewReplacer(
		"/etc/ignis/tls.crt", cert, "/etc/ignis/tls.key", key, "/etc/ignis/clients.crt", file(t, dir, "clients.crt", string(ca.PEM)),
		"/run/secrets/jwt", secretFile(t), "redis://10.0.0.5:6379", redis, "/run/ignis/", sockets+"/",
		"--listen :8443", "--listen 127.0.0.1:0", "--listen :8080", "--listen 127.0.0.1:0",
		"--listen :443", "--listen 127.0.0.1:0 --acme-directory https://127.0.0.1:1/", "--acme-http :80", "--acme-http 127.0.0.1:0",
		"/var/lib/ignis/acme", filepath.Join(t.TempDir(), "acme"),
		"127.0.0.1:8443", "127.0.0.1:0", "127.0.0.1:8080", "127.0.0.1:0",
	)
	var server *process
	for _, block := range doctest.Blocks(page, "sh") {
		if block.Note == "not run" {
			continue
		}
		for line := range strings.Lines(block.Text) {
			words := strings.Fields(replace.Replace(line))
			settings := []string{"IGNIS_LOG_LEVEL=debug"}
			for strings.Contains(words[0], "=") {
				settings, words = append(settings, words[0]), words[1:]
			}
			if words[0] == "openssl" {
				cmd := childproc.Command("openssl", words[1:]...)
				cmd.Dir = dir
				if text, err := cmd.CombinedOutput(); err != nil {
					t.Fatalf("%s: %v, %s", line, err, text)
				}
				continue
			}
			if words[0] != "ignis" {
				t.Errorf("not tested: %s", line)
				continue
			}
			for i, w := range words { // the address of the server before it
				if server != nil {
					words[i] = strings.Replace(w, "localhost:8443", "localhost:"+portOf(server), 1)
				}
			}
			cmd := childproc.Command("ignis", words[1:]...)
			cmd.Dir = dir
			p := startCommand(t, settings, cmd)
			switch words[1] {
			case "serve":
				server = p
				if said := p.line(); !strings.HasPrefix(said, "listening on ") {
					t.Errorf("%s printed %s", line, said)
				}
			case "listen": // prints nothing until something happens
				server.logged("client authenticated")
			}
		}
	}
}

// portOf returns the port of the first address that a server has printed.
func portOf(p *process) string {
	m := regexp.MustCompile(`listening on \w+://127\.0\.0\.1:(\d+)`).FindStringSubmatch(p.lines.text())
	if m == nil {
		return ""
	}
	return m[1]
}

// The two pages quote texts that are in the code, and flags that exist.
func TestListeningQuotes(t *testing.T) {
	page := listeningPages(t)
	var code strings.Builder
	for _, pattern := range []string{"../../*.go", "../../internal/app/*.go", "../../internal/listen/*.go", "../../internal/acmecert/*.go"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range files {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			code.Write(text)
		}
	}
	for _, m := range regexp.MustCompile("`([^`\n]+)`").FindAllStringSubmatch(page, -1) {
		if regexp.MustCompile(`^[A-Za-z]+:?( [A-Za-z:]+){2,}$`).MatchString(m[1]) && !strings.Contains(code.String(), m[1]) {
			t.Errorf("a page quotes %q, which is not in the code", m[1])
		}
	}
	flags := serveFlags(t)
	for _, m := range regexp.MustCompile("`(--[a-z-]+)").FindAllStringSubmatch(page, -1) {
		if !flags[m[1]] {
			t.Errorf("a page names the flag %s, which does not exist", m[1])
		}
	}
}
