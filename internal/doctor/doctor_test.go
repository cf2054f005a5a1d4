package doctor

import (
	"bytes"
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"testing/synctest"
	"time"
)

// A check that does not end is reported after its time limit, and its group is given up.
func TestCheckThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release, closed := make(chan struct{}), false
		g := group{name: "g", end: func() { closed = true }, checks: []check{
			{name: "g.first", run: returns(ok("fine"))},
			{name: "g.hangs", run: func(context.Context) []Finding { <-release; return nil }, extra: time.Second},
			{name: "g.last", run: returns(ok("fine"))},
		}}
		began := time.Now()
		found := g.run(t.Context(), 5*time.Second)
		want(t, found, "g.first", "ok: fine")
		want(t, found, "g.hangs", "fail: did not end within 6s")
		want(t, found, "g.last", "skip: g.hangs did not end")
		if took := time.Since(began); took != 6*time.Second+grace { // in fake time
			t.Errorf("took %v", took)
		}
		if closed {
			t.Error("what the check may still use was closed")
		}
		close(release)
	})
}

// A check whose context is done has time to say so.
func TestCheckThatNoticesItsLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		closed := false
		g := group{name: "g", end: func() { closed = true }, checks: []check{{name: "g.slow", run: func(ctx context.Context) []Finding {
			<-ctx.Done()
			return []Finding{fail("wait", "no answer")}
		}}}}
		want(t, g.run(t.Context(), time.Second), "g.slow", "fail: no answer")
		if !closed {
			t.Error("the group was not ended")
		}
	})
}

func TestRequiredCheck(t *testing.T) {
	g := group{name: "g", checks: []check{
		{name: "g.bad", run: returns(fail("repair it", "bad"))},
		{name: "g.needed", run: returns(fail("repair it", "bad")), required: true},
		{name: "g.last", run: returns(ok("fine"))},
	}}
	found := g.run(t.Context(), time.Second)
	want(t, found, "g.needed", "fail: bad")
	want(t, found, "g.last", "skip: g.needed failed")
}

func TestInterrupt(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	g := group{name: "g", checks: []check{
		{name: "g.slow", run: func(ctx context.Context) []Finding { cancel(); <-ctx.Done(); return nil }},
		{name: "g.last", run: returns(ok("fine"))},
	}}
	found := g.run(ctx, time.Minute)
	want(t, found, "g.slow", "skip: interrupted")
	want(t, found, "g.last", "skip: interrupted")
}

// The order of the report is that of the groups, although they run concurrently.
func TestReport(t *testing.T) {
	c := valid()
	c.System = fstest.MapFS{}
	r := Run(t.Context(), c)
	var groups []string
	for _, f := range r.Findings {
		name, _, _ := strings.Cut(f.Check, ".")
		if len(groups) == 0 || groups[len(groups)-1] != name {
			groups = append(groups, name)
		}
	}
	if all := []string{"configuration", "redis", "kernel", "tls", "tokens", "webhook", "public"}; !slices.Equal(groups, all) {
		t.Errorf("groups %q, want %q", groups, all)
	}
	if r.Failed != 0 || r.OK == 0 || r.Skipped == 0 || r.OK+r.Warnings+r.Skipped != len(r.Findings) {
		t.Errorf("%+v", r)
	}
	var text, document bytes.Buffer
	if r.WriteText(&text) != nil || r.WriteJSON(&document) != nil {
		t.Fatal("the report cannot be written")
	}
	for _, part := range []string{"configuration\n  ok    valid: the settings are valid\n", "  skip  connect: no Redis", "        -> name the issuer"} {
		if !strings.Contains(text.String(), part) {
			t.Errorf("no %q in\n%s", part, &text)
		}
	}
	var again Report
	if err := json.Unmarshal(document.Bytes(), &again); err != nil || !slices.Equal(again.Findings, r.Findings) {
		t.Errorf("%v: %s", err, &document)
	}
}

// Settings that cannot be used are reported, and only the system is examined.
func TestProblems(t *testing.T) {
	c := Config{Problems: []Problem{{"ignis.yaml:1:1: listn: unknown key", "correct it"}}, System: fstest.MapFS{}}
	r := Run(t.Context(), c)
	want(t, r.Findings, "configuration.valid", "fail: listn: unknown key", "skip: until the settings are valid")
	want(t, r.Findings, "kernel.descriptors", "skip: not known on this system")
	if slices.ContainsFunc(r.Findings, func(f Finding) bool { return strings.HasPrefix(f.Check, "redis") }) {
		t.Errorf("%+v", r.Findings)
	}
}

// Texts of servers cannot control the terminal or pretend to be other findings, and URLs have
// no credentials.
func TestTextsAreSafe(t *testing.T) {
	r := Report{Findings: []Finding{{Check: "a.b", Status: Fail, Text: "x\n  ok    \x1b[2Jy redis://u:s3cr3t@p@h:1/0, https://h/p@q", Advice: strings.Repeat("z", 5000)}}}
	r.count()
	if f := r.Findings[0]; f.Text != `x;   ok    \u001b[2Jy redis://...@h:1/0, https://h/p@q` && f.Text != `x;   ok    \u001b[2Jy redis://...@h:1/0, https://...@q` || len(f.Advice) > maxText+32 {
		t.Errorf("%q, %d bytes", f.Text, len(f.Advice))
	}
	if r.Failed != 1 {
		t.Errorf("%+v", r)
	}
}
