package httpapi_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/ignis-go/ignis/bustest"
	"github.com/ignis-go/ignis/httpapi"
	"github.com/ignis-go/ignis/internal/childproc"
	"github.com/ignis-go/ignis/internal/redistest"
)

// The commands in docs/http-api.md print what it says. In a value, "..." stands for anything.
func TestDocumentedCommands(t *testing.T) {
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skip("curl is not installed")
	}
	text, err := os.ReadFile("../docs/http-api.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)```sh\n(.*?)```\n\n```json\n(.*?)```").FindAllStringSubmatch(string(text), -1)
	if n := strings.Count(string(text), "```sh\n"); n != len(blocks) || n == 0 {
		t.Fatalf("%d of %d commands have an output", len(blocks), n)
	}
	n := start(t, setup{bus: bustest.NewCluster(1)[0]})
	ann := n.dial("ann")
	ann.Join("lobby")
	for _, b := range blocks {
		cmd := childproc.CommandContext(t.Context(), "bash", "-ec", b[1])
		cmd.Env = append(os.Environ(), "API="+n.url, "KEY="+n.keys["all"])
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s%s", err, b[1], out)
		}
		compare(t, b[1], string(out), b[2])
		if strings.Contains(b[1], "/v1/disconnect") {
			redistest.Wait(t, "ann to be gone", func() bool { return len(n.Clients()) == 0 })
			n.dial("bob")
		}
	}
}

// docs/limits.md has a row for each limit, with its default.
func TestLimitsAreDocumented(t *testing.T) {
	text, err := os.ReadFile("../docs/limits.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, ok := strings.Cut(string(text), "## HTTP API\n")
	section, _, _ = strings.Cut(section, "\n## ")
	rows := make(map[string]string)
	for _, m := range regexp.MustCompile("(?m)^\\|[^|]*\\| `(\\w+)` \\| ([^|]*) \\|").FindAllStringSubmatch(section, -1) {
		rows[m[1]] = m[2]
	}
	if !ok || len(rows) == 0 {
		t.Fatal("docs/limits.md has no section about the HTTP API")
	}
	for name, want := range httpapi.Limits(start(t, setup{}).api) {
		if rows[name] != want {
			t.Errorf("docs/limits.md has the default %q for %s, want %q", rows[name], name, want)
		}
	}
	// Each counter that it names exists.
	for _, m := range regexp.MustCompile("`httpapi\\.Stats\\.(\\w+)`").FindAllStringSubmatch(section, -1) {
		if _, ok := reflect.TypeFor[httpapi.Stats]().FieldByName(m[1]); !ok {
			t.Errorf("docs/limits.md names the counter %s, which does not exist", m[1])
		}
	}
}

// compare compares the JSON values that commands have printed with those in the documentation.
func compare(t *testing.T, commands, got, want string) {
	t.Helper()
	g, w := json.NewDecoder(strings.NewReader(got)), json.NewDecoder(strings.NewReader(want))
	for w.More() {
		var a, b any
		if err := g.Decode(&a); err != nil {
			t.Fatalf("%s: %v in %s", commands, err, got)
		}
		if err := w.Decode(&b); err != nil {
			t.Fatalf("%s: %v in the documentation", commands, err)
		}
		if !alike(a, b) {
			text, _ := json.Marshal(a)
			t.Errorf("%sprints %s\nand the documentation says %s", commands, text, want)
		}
	}
	if g.More() {
		t.Errorf("%sprints more than the documentation says: %s", commands, got)
	}
}

func alike(got, want any) bool {
	switch w := want.(type) {
	case string:
		return w == "..." || got == want
	case map[string]any:
		g, ok := got.(map[string]any)
		if !ok || len(g) != len(w) {
			return false
		}
		for k, v := range w {
			if !alike(g[k], v) {
				return false
			}
		}
		return true
	case []any:
		g, ok := got.([]any)
		if !ok || len(g) != len(w) {
			return false
		}
		for i := range w {
			if !alike(g[i], w[i]) {
				return false
			}
		}
		return true
	}
	return got == want
}
