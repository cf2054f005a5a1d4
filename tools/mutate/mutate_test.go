package main

import (
	"context"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// fixture contains a package, and tests that miss some of its faults.
var fixture = map[string]string{
	"go.mod": "module fixture\n\ngo 1.26\n",
	"fixture.go": `package fixture

import (
	"errors"
	"sync"
)

type Counter struct {
	mu sync.Mutex
	n  int
}

func (c *Counter) Add(n int) error {
	if n < 0 {
		return errors.New("negative")
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n += n
	return nil
}

func (c *Counter) Get() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.n
}

func wait(n int) {
	for n > 0 {
		n--
	}
}
`,
	"fixture_test.go": `package fixture

import "testing"

func TestCounter(t *testing.T) {
	wait(3)
	var c Counter
	done := make(chan bool)
	go func() { _ = c.Add(1); close(done) }()
	_ = c.Add(1)
	<-done
	if c.Get() != 2 || c.Add(-1) == nil {
		t.Error("wrong")
	}
}
`,
	"equivalent.txt": `# It counts down either way.
fixture.go: swap > in wait: for n > 0 { => for n >= 0 {
`,
}

func write(t *testing.T, more map[string]string) *lab {
	t.Helper()
	dir := t.TempDir()
	files := maps.Clone(fixture)
	maps.Copy(files, more)
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return &lab{dir: dir, packages: []string{"."}, parallel: 2, slack: time.Second, equivalent: filepath.Join(dir, "equivalent.txt")}
}

func TestMutate(t *testing.T) {
	var out strings.Builder
	l := write(t, nil)
	s, err := l.run(t.Context(), &out)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	last := lines[len(lines)-1]
	slices.Sort(lines)
	// The tests do not add 0, and call Get only when nothing else is running.
	want := []string{
		"survived   fixture.go:14: swap < in Counter.Add: if n < 0 { => if n <= 0 {",
		"survived   fixture.go:14: change constant in Counter.Add: if n < 0 { => if n < 1 {",
		"survived   fixture.go:24: drop lock in Counter.Get: c.mu",
		"survived   fixture.go:30: change constant in wait: for n > 0 { => for n > 1 {",
		"timed out  fixture.go:31: drop assignment in wait: n--",
	}
	for _, w := range want {
		if !slices.Contains(lines, w) {
			t.Errorf("not found: %s", w)
		}
	}
	if s[survived] != 4 || s[timedOut] != 1 || s[equivalent] != 1 || s[killed] < 5 || s[stillborn] != 0 {
		t.Errorf("%v", s)
	}
	if !strings.HasPrefix(last, "., seed 0: ") || t.Failed() {
		t.Errorf("%s", out.String())
	}
}

// The same seed and count select the same mutants, and match limits their kinds.
func TestSample(t *testing.T) {
	var outs [2]strings.Builder
	for i := range outs {
		l := write(t, nil)
		l.n, l.seed, l.match, l.parallel = 3, 7, `: (swap|drop lock|drop error)`, 1+i
		s, err := l.run(t.Context(), &outs[i])
		if err != nil || s.counted() != 3 {
			t.Fatalf("%v, %v", s, err)
		}
	}
	if outs[0].String() != outs[1].String() {
		t.Errorf("%s and then %s", &outs[0], &outs[1])
	}
}

func TestErrors(t *testing.T) {
	for want, files := range map[string]map[string]string{
		"no such mutant: fixture.go: swap": {"equivalent.txt": "fixture.go: swap > in wait: while n > 0\n"},
		"fail without a mutant":            {"other_test.go": "package fixture\nimport \"testing\"\nfunc TestOther(t *testing.T) { t.Fail() }\n"},
		"go list":                          {"go.mod": "nothing"},
	} {
		l := write(t, files)
		if _, err := l.run(t.Context(), &strings.Builder{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

// An interrupted run reports the results so far.
func TestEndedEarly(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	var out strings.Builder
	l := write(t, nil)
	_, err := l.run(ctx, writer(func(line []byte) {
		cancel() // at the first survivor
		out.Write(line)
	}))
	if lines := strings.Split(out.String(), "\n"); !errors.Is(err, context.Canceled) || !strings.HasPrefix(lines[len(lines)-2], "., seed 0, ended early: ") {
		t.Errorf("%v:\n%s", err, &out)
	}
}

type writer func([]byte)

func (w writer) Write(b []byte) (int, error) { w(b); return len(b), nil }

// All mutants in equivalent.txt exist in the code.
func TestEquivalentMutantsAreThere(t *testing.T) {
	text, err := os.ReadFile("equivalent.txt")
	if err != nil {
		t.Fatal(err)
	}
	there := make(map[string]map[string]bool) // mutants by key, for each file
	for key := range strings.Lines(string(text)) {
		if key = strings.TrimSpace(key); key == "" || key[0] == '#' {
			continue
		}
		file, _, _ := strings.Cut(key, ":")
		if there[file] == nil {
			there[file] = make(map[string]bool)
			src, err := os.ReadFile(filepath.Join("../..", filepath.FromSlash(file)))
			if err != nil {
				t.Error(err)
				continue
			}
			mutants, err := mutantsOf(file, src)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range mutants {
				there[file][m.key()] = true
			}
		}
		if !there[file][key] {
			t.Errorf("no such mutant: %s", key)
		}
	}
}
