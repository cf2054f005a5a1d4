package main

import (
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"

	"github.com/ignis-go/ignis/internal/doctest"
)

// newPages are the pages that are written for a purpose, other than references.
var newPages = []string{
	"encryption", "faq", "first-chat", "kernel", "proxies", "scale-out", "schedules", "security", "send", "troubleshooting", "workers",
}

// others are texts on these pages that come from other programs.
var others = []string{
	"no such host", "first record does not look like a TLS handshake", "certificate signed by unknown authority", "certificate has expired",
	"table full, dropping packet", "Cannot assign requested address", "consider tuning tcp_mem", "certificate is valid for", "open files", "no live upstreams",
}

// The pages name flags, metrics, alerts and messages that exist.
func TestPagesNameWhatExists(t *testing.T) {
	t.Parallel()
	flags := allFlags(t)
	metrics, alerts, code := doctest.Read(t, "docs/metrics.md"), doctest.Read(t, "docs/oncall.md"), sources(t)
	for _, name := range newPages {
		page := "docs/" + name + ".md"
		text := doctest.Read(t, page)
		for _, m := range regexp.MustCompile("`(--[a-z-]+)[ `]").FindAllStringSubmatch(text, -1) {
			if !flags[m[1]] && !slices.Contains(othersFlags, m[1]) {
				t.Errorf("%s names the flag %s, which does not exist", page, m[1])
			}
		}
		for _, m := range regexp.MustCompile(`\bignis_[a-z_]+`).FindAllString(text, -1) {
			if !strings.Contains(metrics, "`"+m+"`") {
				t.Errorf("%s names the metric %s, which does not exist", page, m)
			}
		}
		for _, m := range regexp.MustCompile(`\bIgnis[A-Z]\w+`).FindAllString(text, -1) {
			if !strings.Contains(alerts, "### "+m+"\n") {
				t.Errorf("%s names the alert %s, which does not exist", page, m)
			}
		}
		for _, m := range regexp.MustCompile("`([^`\n]+)`").FindAllStringSubmatch(text, -1) {
			said := m[1]
			if !regexp.MustCompile(`^[A-Za-z]+:?( [A-Za-z:()]+){2,}$`).MatchString(said) || strings.HasPrefix(said, "ignis ") || regexp.MustCompile(`^(npm|pip|gem) `).MatchString(said) {
				continue
			}
			other := slices.ContainsFunc(others, func(o string) bool { return strings.Contains(said, o) })
			if !other && !strings.Contains(code, said) {
				t.Errorf("%s quotes %q, which is not in the code", page, said)
			}
		}
	}
}

// othersFlags are flags of other programs.
var othersFlags = []string{"--ulimit", "--sysctl", "--allowed-unsafe-sysctls", "--conntrack-max-per-core"}

// allFlags returns the flags of all commands.
func allFlags(t *testing.T) map[string]bool {
	t.Helper()
	return flagsBelow(model(t).Node)
}

// serveFlags returns the flags of ignis serve.
func serveFlags(t *testing.T) map[string]bool {
	t.Helper()
	return flagsBelow(serveNode(t))
}

// serveNode returns the command serve.
func serveNode(t *testing.T) *kong.Node {
	t.Helper()
	for _, node := range model(t).Children {
		if node.Name == "serve" {
			return node
		}
	}
	t.Fatal("there is no command serve")
	return nil
}

// flagsBelow returns the flags of a command and of those below it.
func flagsBelow(n *kong.Node) map[string]bool {
	flags := make(map[string]bool)
	for _, f := range n.Flags {
		flags["--"+f.Name] = true
	}
	for _, child := range n.Children {
		maps.Copy(flags, flagsBelow(child))
	}
	return flags
}

// sources returns the code of the module, without tests, and that of the client for browsers.
func sources(t *testing.T) string {
	t.Helper()
	var code strings.Builder
	err := filepath.WalkDir("../..", func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if e.IsDir() && (e.Name() == "node_modules" || e.Name() == ".git") {
			return fs.SkipDir
		}
		if ext := filepath.Ext(path); ext == ".ts" || ext == ".go" && !strings.HasSuffix(path, "_test.go") {
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			code.Write(text)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return code.String()
}

// Each page shows a command, a sample or a table on its first screen.
func TestFirstScreens(t *testing.T) {
	t.Parallel()
	const screen = 25 // lines
	pages, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(string(text), "\n")
		shown := slices.ContainsFunc(lines[:min(screen, len(lines))], func(line string) bool {
			return strings.HasPrefix(line, "```") || strings.HasPrefix(line, "| ")
		})
		if !shown {
			t.Errorf("%s shows nothing in its first %d lines", filepath.Base(page), screen)
		}
	}
}
