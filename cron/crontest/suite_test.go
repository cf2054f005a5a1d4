package crontest_test

import (
	"context"
	"errors"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ignis-go/ignis/cron"
	"github.com/ignis-go/ignis/cron/crontest"
	"github.com/ignis-go/ignis/internal/childproc"
)

func TestMemory(t *testing.T) {
	t.Parallel()
	crontest.TestStore(t, &crontest.Memory{})
}

// A store that is down does nothing. A store that drops its answers does its work and fails.
func TestDownAndDropAnswers(t *testing.T) {
	ctx := t.Context()
	now := time.Unix(1_000_000_000, 0)
	m := &crontest.Memory{Now: func() time.Time { return now }}
	if _, err := m.Last(ctx, cron.Query{Job: "job"}); err != nil {
		t.Fatal(err)
	}
	now = now.Add(10 * time.Second)
	at := func(n int) time.Time { return time.Unix(1_000_000_000+int64(n), 0) }
	calls := map[string]func() error{
		"Finish": func() error { return m.Finish(ctx, cron.Finish{Job: "job"}) },
		"Last":   func() error { _, err := m.Last(ctx, cron.Query{Job: "job"}); return err },
	}
	for name, c := range map[string]cron.Claim{
		"granted": {Scheduled: at(1), Token: "a"}, "the same": {Scheduled: at(1), Token: "a"}, "taken": {Scheduled: at(1), Token: "b"},
		"early": {Scheduled: at(60), Token: "a"}, "forgotten": {Scheduled: at(0), Token: "a"}, "manual": {Token: "a"},
	} {
		c.Job = "job"
		calls[name] = func() error { _, err := m.Claim(ctx, c); return err }
	}
	all := func(want error) {
		t.Helper()
		for name, call := range calls {
			if err := call(); !errors.Is(err, want) {
				t.Errorf("%s: %v, want %v", name, err, want)
			}
		}
	}
	m.SetDown(true)
	all(crontest.ErrDown)
	m.SetDown(false)
	if state, _ := m.Last(ctx, cron.Query{Job: "job"}); !state.Last.IsZero() || len(m.Finished()) != 0 {
		t.Errorf("the store did something while down: %v, %v", state.Last, m.Finished())
	}
	m.DropAnswers(true)
	all(crontest.ErrDown)
	m.DropAnswers(false)
	if state, _ := m.Last(ctx, cron.Query{Job: "job"}); !state.Last.Equal(at(1)) || len(m.Finished()) != 1 {
		t.Errorf("the store did nothing while dropping answers: %v, %v", state.Last, m.Finished())
	}
	asked := m.Queries()
	all(nil)
	if n := m.Queries() - asked; n != 1 {
		t.Errorf("%d more queries", n)
	}
	m.Forget()
	if g, err := m.Claim(ctx, cron.Claim{Job: "job", Scheduled: at(2), Token: "a"}); err != nil || g.Verdict != cron.Forgotten {
		t.Errorf("after Forget: %+v, %v", g, err)
	}
}

func TestMemoryFromAnyGoroutine(t *testing.T) {
	var m crontest.Memory
	var all sync.WaitGroup
	for _, call := range []func(){
		func() { m.SetDown(false) },
		func() { m.DropAnswers(false) },
		m.Forget,
		func() { m.Finished() },
		func() {
			_, _ = m.Claim(t.Context(), cron.Claim{Job: "job", Scheduled: time.Now().Truncate(time.Second), Token: "a"})
		},
		func() { _ = m.Finish(t.Context(), cron.Finish{Job: "job"}) },
		func() { _, _ = m.Last(t.Context(), cron.Query{Job: "job"}) },
	} {
		for range 2 {
			all.Go(func() {
				for range 100 {
					call()
				}
			})
		}
	}
	all.Wait()
}

// broken is a store that alters the calls and answers of a Memory.
type broken struct {
	crontest.Memory
	claim  func(m *crontest.Memory, c cron.Claim) cron.Grant
	last   func(last, now time.Time) (time.Time, time.Time)
	plan   func(q cron.Query, s *cron.State) // alters the answers to queries of the test Plan
	finish func(m *crontest.Memory, f cron.Finish) error
	fails  func(job string, at time.Time) bool // reports whether a claim, or a query that begins, fails
}

var errNoLuck = errors.New("no luck")

func (b *broken) Claim(ctx context.Context, c cron.Claim) (cron.Grant, error) {
	if b.fails != nil && b.fails(c.Job, c.Scheduled) {
		return cron.Grant{}, errNoLuck
	}
	if b.claim != nil {
		return b.claim(&b.Memory, c), nil
	}
	return b.Memory.Claim(ctx, c)
}

func (b *broken) Last(ctx context.Context, q cron.Query) (cron.State, error) {
	state, err := b.Memory.Last(ctx, q)
	if b.last != nil {
		state.Last, state.Now = b.last(state.Last, state.Now)
	}
	if b.plan != nil && strings.HasPrefix(q.Job, "Plan") {
		b.plan(q, &state)
	}
	if q.Begins && b.fails != nil && b.fails(q.Job, time.Time{}) {
		err = errNoLuck
	}
	return state, err
}

func (b *broken) Finish(ctx context.Context, f cron.Finish) error {
	if b.finish != nil {
		return b.finish(&b.Memory, f)
	}
	return b.Memory.Finish(ctx, f)
}

// faults returns stores that break a guarantee, by the test that should detect it.
func faults() map[string]*broken {
	ask := func(m *crontest.Memory, c cron.Claim) cron.Grant {
		g, _ := m.Claim(context.Background(), c)
		return g
	}
	granted := func(change func(c cron.Claim, g *cron.Grant)) *broken {
		return &broken{claim: func(m *crontest.Memory, c cron.Claim) cron.Grant {
			g := ask(m, c)
			if g.Verdict == cron.Granted {
				change(c, &g)
			}
			return g
		}}
	}
	var claims, tries atomic.Uint64
	return map[string]*broken{
		"EachInstantOnce": {claim: func(m *crontest.Memory, c cron.Claim) cron.Grant {
			if strings.HasPrefix(c.Job, "EachInstantOnce") {
				c.Token = "" // as if all came from one process
			}
			return ask(m, c)
		}},
		"RepeatedClaim": granted(func(_ cron.Claim, g *cron.Grant) { g.Fence = claims.Add(1) }),
		"NeverEarly": {claim: func(m *crontest.Memory, c cron.Claim) cron.Grant {
			g := ask(m, c)
			if g.Verdict == cron.TooEarly {
				g.Now = g.Now.Add(time.Hour)
			}
			return g
		}},
		"BeforeTheStoreKnewTheJob": {claim: func(m *crontest.Memory, c cron.Claim) cron.Grant {
			g := ask(m, c)
			if g.Verdict == cron.Forgotten {
				g.Verdict, g.Fence = cron.Granted, claims.Add(1)
			}
			return g
		}},
		"Manual": granted(func(c cron.Claim, g *cron.Grant) {
			if c.Scheduled.IsZero() {
				g.Fence = 1
			}
		}),
		"Last": {last: func(last, now time.Time) (time.Time, time.Time) {
			if !last.IsZero() {
				last = last.Add(-time.Second)
			}
			return last, now
		}},
		"Behind": {claim: func(m *crontest.Memory, c cron.Claim) cron.Grant {
			c.Behind = false
			return ask(m, c)
		}},
		"late claims never settle anything": {claim: func(m *crontest.Memory, c cron.Claim) cron.Grant {
			c.Behind = strings.HasPrefix(c.Job, "Behind")
			return ask(m, c)
		}},
		"Order": granted(func(_ cron.Claim, g *cron.Grant) { g.Fence = 1e6 - g.Fence }),
		"JobsAreIndependent": {claim: func(m *crontest.Memory, c cron.Claim) cron.Grant {
			c.Job = strings.TrimSuffix(c.Job, "-other")
			return ask(m, c)
		}},
		"Finish": {finish: func(m *crontest.Memory, f cron.Finish) error {
			m.SetDown(f.Scheduled.IsZero())
			defer m.SetDown(false)
			return m.Finish(context.Background(), f)
		}},
		"no plan is kept": {plan: func(_ cron.Query, s *cron.State) { s.Plan = cron.Plan{} }},
		"a new schedule does not reset Last": {plan: func(q cron.Query, s *cron.State) {
			if strings.HasSuffix(q.Plan.Schedule, "UTC") {
				s.Last = s.Last.Add(-2 * time.Second)
			}
		}},
		"a new schedule resets Last to now": {plan: func(q cron.Query, s *cron.State) {
			if strings.HasSuffix(q.Plan.Schedule, "UTC") {
				s.Last = s.Last.Add(3 * time.Second)
			}
		}},
		"the same plan resets Last": {plan: func(q cron.Query, s *cron.State) {
			if q.Plan.Fingerprint == "x" {
				s.Last = s.Now
			}
		}},
		"another target resets Last": {plan: func(q cron.Query, s *cron.State) {
			if q.Plan.Fingerprint == "y" {
				s.Last = s.Now
			}
		}},
		"an old claim moves Last back": func() *broken {
			claimed := ""
			return &broken{
				claim: func(m *crontest.Memory, c cron.Claim) cron.Grant {
					if strings.HasPrefix(c.Job, "Plan") {
						claimed = c.Token
					}
					return ask(m, c)
				},
				plan: func(_ cron.Query, s *cron.State) {
					if claimed == "b" {
						s.Last = s.Last.Add(-time.Second)
					}
				},
			}
		}(),
		"a token for each instant": func() *broken {
			tokens := make(map[string]time.Time)
			return &broken{claim: func(m *crontest.Memory, c cron.Claim) cron.Grant {
				if !strings.HasPrefix(c.Job, "RepeatedClaim") {
					return ask(m, c)
				}
				if at, known := tokens[c.Token]; known && !at.Equal(c.Scheduled) {
					return cron.Grant{Verdict: cron.Taken}
				}
				tokens[c.Token] = c.Scheduled
				return ask(m, c)
			}}
		}(),
		"plans fail":      {fails: func(job string, at time.Time) bool { return strings.HasPrefix(job, "Plan") && at.IsZero() }},
		"one claim fails": {fails: func(job string, _ time.Time) bool { return strings.HasPrefix(job, "Each") && tries.Add(1) == 7 }},
		"the first second is granted": {claim: func(m *crontest.Memory, c cron.Claim) cron.Grant {
			g := ask(m, c)
			if early := ask(m, cron.Claim{Job: c.Job, Scheduled: c.Scheduled.Add(-time.Second), Token: "?"}); g.Verdict == cron.Forgotten && early.Verdict == cron.Forgotten {
				if later := ask(m, cron.Claim{Job: c.Job, Scheduled: c.Scheduled.Add(time.Second), Token: "?"}); later.Verdict != cron.Forgotten {
					g.Verdict, g.Fence = cron.Granted, claims.Add(1)
				}
			}
			return g
		}},
		"a grant without a fence": granted(func(_ cron.Claim, g *cron.Grant) { g.Fence = 0 }),
		"every claim is Taken": {claim: func(m *crontest.Memory, c cron.Claim) cron.Grant {
			g := ask(m, c)
			g.Verdict = cron.Taken
			return g
		}},
	}
}

const faultsEnv = "CRONTEST_FAULTS"

// TestBroken is run by TestSuiteFindsFaults in a separate process, because it fails.
func TestBroken(t *testing.T) {
	if os.Getenv(faultsEnv) == "" {
		return
	}
	for name, store := range faults() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			crontest.TestStore(t, store)
		})
	}
}

// If a store breaks a guarantee, the test of that guarantee fails.
func TestSuiteFindsFaults(t *testing.T) {
	t.Parallel()
	cmd := childproc.CommandContext(t.Context(), os.Args[0], "-test.run=^TestBroken$", "-test.v", "-test.parallel=100")
	cmd.Env = append(os.Environ(), faultsEnv+"=1")
	out, err := cmd.CombinedOutput()
	if err == nil {
		t.Error("no fault was detected")
	}
	for name := range faults() {
		test := name
		switch name {
		case "no plan is kept", "a new schedule does not reset Last", "a new schedule resets Last to now", "the same plan resets Last",
			"another target resets Last", "an old claim moves Last back", "plans fail":
			test = "Plan"
		case "a token for each instant":
			test = "RepeatedClaim"
		case "one claim fails":
			test = "EachInstantOnce"
		case "the first second is granted":
			test = "BeforeTheStoreKnewTheJob"
		case "a grant without a fence":
			test = "Manual"
		case "every claim is Taken":
			test = "Order"
		case "late claims never settle anything":
			test = "Behind"
		}
		failed := "--- FAIL: TestBroken/" + strings.ReplaceAll(name, " ", "_") + "/" + test + " "
		if !strings.Contains(string(out), failed) {
			t.Errorf("%s was not detected: no %q in the output", name, failed)
		}
	}
	for _, says := range []string{
		"the plan was {Schedule:", "last, with the same plan: ", "last, with a different fingerprint: ",
		"last, with a different schedule since ", "last, after a claim of the old schedule: ", "no luck", "claims granted",
		"grant without a fence", "of the same claim", "the store's time: ",
	} {
		if !strings.Contains(string(out), says) {
			t.Errorf("nothing says %q", says)
		}
	}
	if t.Failed() {
		t.Logf("%s", out)
	}
}
