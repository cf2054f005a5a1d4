package crontest

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ignis-go/ignis/cron"
)

// TestStore tests whether a store keeps the guarantees of [cron.Store]. It uses new job names and
// takes a few seconds, because the store's clock runs in real time.
func TestStore(t *testing.T, store cron.Store) {
	tests := []struct {
		name string
		test func(*suite)
	}{
		{"EachInstantOnce", (*suite).eachInstantOnce},
		{"RepeatedClaim", (*suite).sameAgain},
		{"NeverEarly", (*suite).neverEarly},
		{"BeforeTheStoreKnewTheJob", (*suite).before},
		{"Manual", (*suite).manual},
		{"Last", (*suite).last},
		{"Behind", (*suite).behind},
		{"Order", (*suite).order},
		{"JobsAreIndependent", (*suite).apart},
		{"Finish", (*suite).finish},
		{"Plan", (*suite).plan},
	}
	list := make([]*suite, len(tests))
	for i, test := range tests {
		list[i] = &suite{T: t, store: store, job: fmt.Sprintf("%s-%d", test.name, time.Now().UnixNano())}
		_, list[i].from = list[i].state() // the store knows the job from now on
	}
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for range tick.C { // wait until some instants are due by the store's clock
		if _, now := list[0].state(); now.Sub(list[0].from) >= 5*time.Second {
			break
		}
	}
	for i, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			list[i].T = t
			test.test(list[i])
		})
	}
}

// suite is a test with its own job.
type suite struct {
	*testing.T
	store cron.Store
	job   string
	from  time.Time // only instants after this time can be claimed
}

// instant returns the n-th instant that can be claimed. From the fourth on they may be in the
// future.
func (s *suite) instant(n int) time.Time {
	return s.from.Truncate(time.Second).Add(time.Duration(n) * time.Second)
}

func (s *suite) state() (last, now time.Time) {
	s.Helper()
	state, err := s.store.Last(s.Context(), cron.Query{Job: s.job})
	if err != nil {
		s.Fatal(err)
	}
	return state.Last, state.Now
}

func (s *suite) claim(at time.Time, token string) cron.Grant {
	s.Helper()
	g, err := s.store.Claim(s.Context(), cron.Claim{Job: s.job, Scheduled: at, Token: token})
	if err != nil {
		s.Fatal(err)
	}
	return g
}

func (s *suite) expect(at time.Time, token string, want cron.Verdict) cron.Grant {
	s.Helper()
	g := s.claim(at, token)
	if g.Verdict != want {
		s.Fatalf("claim %s of %v: verdict %d, want %d", token, at, g.Verdict, want)
	}
	if want == cron.Granted && g.Fence == 0 {
		s.Fatal("grant without a fence")
	}
	return g
}

func (s *suite) eachInstantOnce() {
	var granted atomic.Int32
	var all sync.WaitGroup
	for i := range 50 {
		all.Go(func() {
			g, err := s.store.Claim(s.Context(), cron.Claim{Job: s.job, Scheduled: s.instant(1), Token: fmt.Sprint(i)})
			if err != nil {
				s.Error(err)
			}
			if g.Verdict == cron.Granted {
				granted.Add(1)
			}
		})
	}
	all.Wait()
	if n := granted.Load(); n != 1 {
		s.Fatalf("%d claims granted", n)
	}
}

func (s *suite) sameAgain() {
	first := s.expect(s.instant(1), "a", cron.Granted)
	s.expect(s.instant(2), "a", cron.Granted)
	again := s.expect(s.instant(1), "a", cron.Granted)
	if first.Fence != again.Fence {
		s.Fatalf("fences %d and %d of the same claim", first.Fence, again.Fence)
	}
	s.expect(s.instant(1), "b", cron.Taken)
	s.expect(s.instant(1).In(time.FixedZone("elsewhere", 3600)), "b", cron.Taken)
}

func (s *suite) neverEarly() {
	_, now := s.state()
	g := s.expect(now.Add(time.Hour).Truncate(time.Second), "a", cron.TooEarly)
	if g.Now.Before(now) || g.Now.Sub(now) > time.Minute {
		s.Fatalf("the store's time: %v, after %v", g.Now, now)
	}
	s.expect(now.Truncate(time.Second), "a", cron.Granted)
	if last, _ := s.state(); !last.Equal(now.Truncate(time.Second)) {
		s.Fatalf("last: %v, want %v", last, now.Truncate(time.Second))
	}
}

// before checks that the store refuses instants that it may have granted before it lost its data.
func (s *suite) before() {
	s.expect(s.instant(0).Add(-time.Hour), "a", cron.Forgotten)
	s.expect(s.instant(0), "a", cron.Forgotten)
}

func (s *suite) manual() {
	a := s.expect(time.Time{}, "a", cron.Granted)
	b := s.expect(time.Time{}, "b", cron.Granted)
	if b.Fence <= a.Fence {
		s.Fatalf("fence %d after %d", b.Fence, a.Fence)
	}
	if last, _ := s.state(); !last.IsZero() {
		s.Fatalf("last: %v, although no instant was claimed", last)
	}
}

func (s *suite) last() {
	if last, _ := s.state(); !last.IsZero() {
		s.Fatalf("last of a new job: %v", last)
	}
	s.expect(s.instant(2), "a", cron.Granted)
	s.expect(s.instant(1), "a", cron.Granted)
	if last, _ := s.state(); !last.Equal(s.instant(2)) {
		s.Fatalf("last: %v, want %v", last, s.instant(2))
	}
}

// behind checks that Last does not change until the last claim of a series of missed instants.
func (s *suite) behind() {
	claim := func(n int, behind bool, token string, verdict cron.Verdict, last time.Time) {
		s.Helper()
		g, err := s.store.Claim(s.Context(), cron.Claim{Job: s.job, Scheduled: s.instant(n), Token: token, Behind: behind})
		if err != nil || g.Verdict != verdict {
			s.Fatalf("verdict %d, want %d (%v)", g.Verdict, verdict, err)
		}
		if got, _ := s.state(); !got.Equal(last) {
			s.Fatalf("last after instant %d: %v, want %v", n, got, last)
		}
	}
	claim(3, true, "a", cron.Granted, time.Time{})
	claim(2, true, "a", cron.Granted, time.Time{})
	claim(2, true, "b", cron.Taken, time.Time{})
	claim(1, true, "a", cron.Granted, time.Time{})
	claim(1, false, "b", cron.Taken, s.instant(3))
}

func (s *suite) order() {
	a := s.expect(s.instant(2), "a", cron.Granted)
	b := s.expect(s.instant(1), "b", cron.Granted) // an older instant
	if b.Fence <= a.Fence {
		s.Fatalf("fence %d after %d", b.Fence, a.Fence)
	}
}

func (s *suite) apart() {
	at := s.instant(1)
	s.expect(at, "a", cron.Granted)
	s.job += "-other"
	s.expect(at, "b", cron.Forgotten) // rather than Taken
}

func (s *suite) finish() {
	g := s.expect(s.instant(1), "a", cron.Granted)
	for _, at := range []time.Time{s.instant(1), {}} {
		f := cron.Finish{Job: s.job, Scheduled: at, Fence: g.Fence, Outcome: cron.OutcomeSucceeded, Duration: time.Second}
		if err := s.store.Finish(s.Context(), f); err != nil {
			s.Fatal(err)
		}
	}
	s.expect(s.instant(1), "b", cron.Taken)
}

// plan checks that a query that begins saves its plan, and that a different schedule resets Last.
func (s *suite) plan() {
	begin := func(p, was cron.Plan, ago time.Duration) cron.State {
		s.Helper()
		before, err := s.store.Last(s.Context(), cron.Query{Job: s.job, Begins: true, Ago: ago, Plan: p})
		if err != nil {
			s.Fatal(err)
		}
		if before.Plan != was {
			s.Fatalf("the plan was %+v, want %+v", before.Plan, was)
		}
		return before
	}
	a, b := cron.Plan{Schedule: "0 9 * * * Europe/Paris", Fingerprint: "x"}, cron.Plan{Schedule: "0 8 * * * UTC"}
	begin(a, cron.Plan{}, 0)
	s.expect(s.instant(1), "a", cron.Granted)
	if got := begin(a, a, 0).Last; !got.Equal(s.instant(1)) {
		s.Fatalf("last, with the same plan: %v, want %v", got, s.instant(1))
	}
	other := cron.Plan{Schedule: a.Schedule, Fingerprint: "y"}
	if got := begin(other, a, 0).Last; !got.Equal(s.instant(1)) {
		s.Fatalf("last, with a different fingerprint: %v, want %v", got, s.instant(1))
	}
	_, now := s.state()
	ago := now.Sub(s.instant(3))
	state := begin(b, other, ago)
	if d := state.Last.Sub(s.instant(3)); d < 0 || d > 2*time.Second {
		s.Fatalf("last, with a different schedule since %v: %v", s.instant(3), state.Last)
	}
	s.expect(s.instant(2), "b", cron.Granted) // a claim of a process that still follows the old schedule
	if again := begin(b, b, 0); !again.Last.Equal(state.Last) {
		s.Fatalf("last, after a claim of the old schedule: %v, want %v", again.Last, state.Last)
	}
}
