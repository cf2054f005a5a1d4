package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ignis-go/ignis/internal/testprog"
)

// Like the program, the test binary also acts as the herd and the flood.
func TestMain(m *testing.M) {
	if play := role(os.Args[1:]); play != nil {
		exit(play(context.Background(), os.Stdin, os.Stdout))
	}
	os.Exit(m.Run())
}

// TestQuick measures this library and another one with a few clients. The figures are not
// meaningful; the test only checks that everything works.
func TestQuick(t *testing.T) {
	if testing.Short() {
		t.Skip("takes ten seconds")
	}
	for _, program := range []string{"redis-server", "taskset"} {
		testprog.Require(t, "TEST_REQUIRE_REDIS", program, "this test measures with it")
	}
	dir := filepath.Join(t.TempDir(), "new")
	err := command(t.Context(), []string{"-quick", "-rounds", "1", "-systems", "ignis,gws", "-only", "burst,chat,connect,memory,idle,redis,publish,encrypted,encrypted-memory,strangers,attacks", "-floods", "bursts,tokens,guesses,slow-tls,webhook-fails", "-out", dir})
	if err != nil {
		t.Fatal(err)
	}
	var res results
	if err := res.load(dir); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, n := range res.Runs {
		got = append(got, n.Workload+" "+n.System)
		if n.Lost+n.Reordered+n.Repeated+n.Closed != 0 {
			t.Errorf("%s with %s: lost %d, reordered %d, repeated %d, closed %d", n.Workload, n.System, n.Lost, n.Reordered, n.Repeated, n.Closed)
		}
		for key, v := range n.Values {
			if v < 0 && key != keyKernel && key != keyTCP && key != keyGrowth {
				t.Errorf("%s with %s: %s is %v", n.Workload, n.System, key, v)
			}
		}
		if refused, ok := n.Values[keyRefused]; ok != (n.Workload == attacks) || ok && refused == 0 {
			t.Errorf("%s: %v refusals", n.Kind, refused)
		}
		if n.Version == "" || n.Settings == "" {
			t.Errorf("%s with %s: version %q, settings %q", n.Workload, n.System, n.Version, n.Settings)
		}
	}
	const want = "[burst ignis burst gws chat ignis connect ignis memory ignis idle ignis connect gws memory gws redis ignis publish ignis encrypted ignis encrypted-memory ignis strangers ignis strangers ignis attacks ignis attacks ignis attacks ignis]"
	if fmt.Sprint(got) != want {
		t.Errorf("got  %v\nwant %s", got, want)
	}
	page, err := os.ReadFile(dir + "/RESULTS.md")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(page), "gws: v") {
		t.Error("the page lacks the version of gws")
	}
}

func TestArguments(t *testing.T) {
	for _, args := range []string{
		"-only bursts", "-only burst,", "-systems nginx", "-systems ignis,", "-rounds 0", "more",
		"-floods tides", "-systems before", "-before nowhere", "-only strangers -systems gws",
	} {
		if err := command(t.Context(), append(strings.Fields(args), "-render", "-out", t.TempDir())); err == nil {
			t.Errorf("%s: no error", args)
		}
	}
}

// An older checkout takes part in addition to the chosen systems, and systems without a workload do
// not take part.
func TestSystems(t *testing.T) {
	for _, tt := range []struct{ only, names, before, want string }{
		{"burst", "ignis", "..", "ignis before"},
		{"strangers", "", "..", "ignis before"},
		{"strangers", "", "", "ignis"},
		{"steady", "", "", "ignis bun gws gorilla centrifuge"},
		{"steady", "before,gws", "..", "before gws"},
		{"steady", "metrics,ignis", "", "metrics ignis"},
		{"publish", "", "", "ignis centrifugo"},
	} {
		var p plan
		if err := p.choose(tt.only, "", tt.names, tt.before); err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, s := range p.systems {
			got = append(got, s.name)
			if (s.src != "") != (s.name == earlier) {
				t.Errorf("%+v: the sources of %s are in %q", tt, s.name, s.src)
			}
		}
		if text := strings.Join(got, " "); text != tt.want {
			t.Errorf("%+v: got %s", tt, text)
		}
	}
}
