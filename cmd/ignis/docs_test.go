package main

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/ignis-go/ignis/internal/longtest"
)

// ignis docs serves the documentation until a signal ends it.
func TestDocsServes(t *testing.T) {
	p := start(t, nil, "docs", "--address", "127.0.0.1:0")
	url := regexp.MustCompile(`^documentation on (http://127\.0\.0\.1:\d+/)`).FindStringSubmatch(p.line())
	if url == nil {
		t.Fatal("the address was not printed")
	}
	for path, want := range map[string]string{"": "What do you want to do?", "tokens.html": "Rotating keys", "llms-full.txt": "# Tokens"} {
		response, err := httpGet(t, url[1]+path)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(response.Body)
		_ = response.Body.Close()
		if err != nil || response.StatusCode != http.StatusOK || !strings.Contains(string(text), want) || response.Header.Get("Content-Security-Policy") == "" {
			t.Errorf("/%s: %d %v %.200s", path, response.StatusCode, response.Header, text)
		}
	}
	_, other, errors := ignisRun(t, nil, "docs", "--address", strings.TrimSuffix(strings.TrimPrefix(url[1], "http://"), "/"))
	if other != "" || !strings.Contains(errors, "error: --address: ") || !strings.Contains(errors, "hint: choose another port with --address") {
		t.Errorf("on the same address: %s%s", other, errors)
	}
	p.signal(syscall.SIGTERM)
	if code := p.wait(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

func httpGet(t *testing.T, url string) (*http.Response, error) {
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	if err != nil {
		return nil, err
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	return client.Do(request)
}

// ignis docs --out writes a site that works in any folder of a web server. It leaves other files
// alone.
func TestDocsWrites(t *testing.T) {
	longtest.Mark(t)
	t.Parallel()
	root := t.TempDir()
	out := filepath.Join(root, "team", "ignis")
	for range 2 { // the second time, it replaces the files
		code, stdout, stderr := ignisRun(t, nil, "docs", "--out", out)
		if code != 0 || stderr != "" || !regexp.MustCompile(`^wrote \d\d+ files to .*ignis\n$`).MatchString(stdout) {
			t.Fatalf("%d %s%s", code, stdout, stderr)
		}
		if err := os.WriteFile(filepath.Join(out, "CNAME"), []byte("docs.example.com"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if text, err := os.ReadFile(filepath.Join(out, "CNAME")); err != nil || string(text) != "docs.example.com" {
		t.Errorf("another file: %s, %v", text, err)
	}
	server := httptest.NewServer(http.FileServer(http.Dir(root)))
	defer server.Close()
	for _, path := range []string{"", "deploys.html", "search.json", "style.css", "chat.png", "llms.txt", "tokens.md"} {
		response, err := httpGet(t, server.URL+"/team/ignis/"+path)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		if response.StatusCode != http.StatusOK {
			t.Errorf("%s: %d", path, response.StatusCode)
		}
	}
	file := filepath.Join(out, "CNAME")
	if code, _, stderr := ignisRun(t, nil, "docs", "--out", file); code != exitFailed || !strings.HasPrefix(stderr, "error: --out: ") {
		t.Errorf("into a file: %d %s", code, stderr)
	}
	if code, _, stderr := ignisRun(t, nil, "docs", "--address", "here"); code != exitUsage || !strings.Contains(stderr, "expected host:port such as 127.0.0.1:8090") {
		t.Errorf("a malformed address: %d %s", code, stderr)
	}
}

// Errors of the output are not lost.
func TestDocsOutputFails(t *testing.T) {
	longtest.Mark(t)
	t.Parallel()
	for _, args := range [][]string{{"docs", "--address", "127.0.0.1:0"}, {"docs", "--out", t.TempDir()}} {
		var errs bytes.Buffer
		if code := run(context.Background(), args, &stdio{out: failingWriter{}, err: &errs}); code != exitFailed {
			t.Errorf("%q: %d %s", args, code, &errs)
		}
	}
}

type failingWriter struct{}

func (failingWriter) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }
