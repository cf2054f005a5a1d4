package rediscron_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/ignis-go/ignis/cron"
	"github.com/ignis-go/ignis/cron/crontest"
	"github.com/ignis-go/ignis/cron/rediscron"
	"github.com/ignis-go/ignis/internal/longtest"
	"github.com/ignis-go/ignis/internal/redistest"
)

func TestMain(m *testing.M) {
	runAsNode()
	// A client of a Cluster keeps a goroutine for a few seconds after Close.
	goleak.VerifyTestMain(m,
		goleak.IgnoreAnyFunction("github.com/redis/rueidis.(*call).DelayDo.func1"),
		goleak.IgnoreAnyFunction("github.com/redis/rueidis.(*clusterClient)._refresh.func2"),
		goleak.IgnoreAnyFunction("github.com/redis/rueidis.(*clusterClient).redirectOrNew.func1"),
	)
}

func open(t testing.TB, c rediscron.Config) *rediscron.Store {
	t.Helper()
	s, err := rediscron.New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func TestConformance(t *testing.T) {
	t.Parallel()
	r := redistest.Start(t)
	crontest.TestStore(t, open(t, rediscron.Config{URL: r.URL()}))
}

func TestConformanceOnACluster(t *testing.T) {
	t.Parallel()
	c := redistest.StartCluster(t)
	crontest.TestStore(t, open(t, rediscron.Config{URL: c.URL()}))
}

// whole truncates a time to the second.
func whole(t time.Time) time.Time { return t.Truncate(time.Second) }

func claim(t *testing.T, s *rediscron.Store, at time.Time, token string, want cron.Verdict) cron.Grant {
	t.Helper()
	g, err := s.Claim(t.Context(), cron.Claim{Job: "job", Scheduled: at, Token: token})
	if err != nil {
		t.Fatal(err)
	}
	if g.Verdict != want {
		t.Fatalf("claim of %v: verdict %d, want %d", at, g.Verdict, want)
	}
	return g
}

func redisTime(t *testing.T, s *rediscron.Store) time.Time {
	t.Helper()
	state, err := s.Last(t.Context(), cron.Query{Job: "job"})
	if err != nil {
		t.Fatal(err)
	}
	return state.Now
}

// await waits until Redis' clock has reached an instant.
func await(t *testing.T, s *rediscron.Store, at time.Time) {
	t.Helper()
	redistest.Wait(t, "an instant to be due", func() bool { return !redisTime(t, s).Before(at) })
}

// An instant that was granted before a restart is not granted again, although Redis has lost its
// data.
func TestRestart(t *testing.T) {
	t.Parallel()
	r := redistest.Start(t)
	s := open(t, rediscron.Config{URL: r.URL()})
	at := whole(redisTime(t, s)).Add(time.Second)
	await(t, s, at)
	before := claim(t, s, at, "a", cron.Granted)
	r.Kill()
	if _, err := s.Claim(t.Context(), cron.Claim{Job: "job", Scheduled: at, Token: "b"}); err == nil {
		t.Fatal("a claim without Redis succeeded")
	}
	r.Restart()
	claim(t, s, at, "b", cron.Forgotten)
	claim(t, s, at, "a", cron.Forgotten) // Redis has lost the grant
	next := whole(redisTime(t, s)).Add(time.Second)
	await(t, s, next)
	after := claim(t, s, next, "b", cron.Granted)
	if after.Fence <= before.Fence {
		t.Errorf("fence %d after %d", after.Fence, before.Fence)
	}
}

// A Redis that restarts with an old snapshot has lost the later grants.
func TestRestartWithOldSnapshot(t *testing.T) {
	t.Parallel()
	for _, durable := range []bool{false, true} {
		t.Run(fmt.Sprintf("durable %v", durable), func(t *testing.T) {
			t.Parallel()
			r := redistest.Start(t)
			s := open(t, rediscron.Config{URL: r.URL(), Durable: durable})
			first := whole(redisTime(t, s)).Add(time.Second)
			await(t, s, first.Add(time.Second))
			kept := claim(t, s, first, "a", cron.Granted)
			r.Do("save")
			lost := claim(t, s, first.Add(time.Second), "a", cron.Granted)
			r.Kill()
			r.Restart()
			redistest.Wait(t, "the snapshot", func() bool {
				g, err := s.Claim(t.Context(), cron.Claim{Job: "job", Scheduled: first, Token: "b"})
				return err == nil && g.Verdict == cron.Taken
			})
			if g := claim(t, s, first, "a", cron.Granted); g.Fence != kept.Fence {
				t.Errorf("fence %d, was %d", g.Fence, kept.Fence)
			}
			if durable { // it was configured to trust the snapshot
				claim(t, s, first.Add(time.Second), "b", cron.Granted)
				return
			}
			claim(t, s, first.Add(time.Second), "b", cron.Forgotten)
			next := whole(redisTime(t, s)).Add(time.Second)
			await(t, s, next)
			if g := claim(t, s, next, "b", cron.Granted); g.Fence <= lost.Fence {
				t.Errorf("fence %d after %d", g.Fence, lost.Fence)
			}
		})
	}
}

// A replica that takes over counts as restarted, because instants that were due by then may have
// been granted.
func TestFailover(t *testing.T) {
	longtest.Mark(t)
	t.Parallel()
	c := redistest.StartSentinel(t, 3)
	s := open(t, rediscron.Config{URL: c.URL()})
	before := redisTime(t, s)
	await(t, s, whole(before).Add(time.Second))
	c.Master.Kill()
	var after time.Time
	redistest.Wait(t, "the replica to take over", func() bool {
		state, err := s.Last(t.Context(), cron.Query{Job: "job"})
		after = state.Now
		return err == nil
	})
	claim(t, s, whole(before).Add(time.Second), "a", cron.Forgotten)
	claim(t, s, whole(after), "a", cron.Forgotten)
	await(t, s, whole(after).Add(2*time.Second))
	claim(t, s, whole(after).Add(2*time.Second), "a", cron.Granted)
}

// A replica that was restarted after the last call that it knows of, and did not receive the last
// grant of the dead master, is not mistaken for the same Redis after a restart.
func TestFailoverToRestartedReplica(t *testing.T) {
	t.Parallel()
	master := redistest.Start(t)
	replica := redistest.StartWith(t, redistest.Config{Args: []string{"--replicaof", "127.0.0.1 " + strconv.Itoa(master.Port())}})
	s := open(t, rediscron.Config{URL: master.URL()})
	seen := whole(redisTime(t, s))
	time.Sleep(time.Until(seen.Add(1100 * time.Millisecond))) // the start time has whole seconds
	replica.Kill()
	replica.Restart()
	redistest.Wait(t, "the replica to have the job", func() bool {
		return replica.Do("exists", "ignis:cron:{job}:state") == "1"
	})
	at := whole(time.Now()).Add(2 * time.Second)
	replica.Do("replicaof", "127.0.0.1", "1") // cuts the replication link
	time.Sleep(time.Until(at))
	redistest.Wait(t, "the grant", func() bool {
		g, err := s.Claim(t.Context(), cron.Claim{Job: "job", Scheduled: at, Token: "a"})
		return err == nil && g.Verdict == cron.Granted
	})
	master.Kill()
	replica.Do("replicaof", "no", "one")
	promoted := open(t, rediscron.Config{URL: replica.URL()})
	claim(t, promoted, at, "b", cron.Forgotten)
	next := whole(redisTime(t, promoted)).Add(time.Second)
	await(t, promoted, next)
	claim(t, promoted, next, "b", cron.Granted)
}

func TestOldClaimsAreForgotten(t *testing.T) {
	t.Parallel()
	r := redistest.Start(t)
	s := open(t, rediscron.Config{URL: r.URL()})
	now := redisTime(t, s)
	// Pretend that the store has known the job for an hour.
	r.Do("hset", "ignis:cron:{job}:state", "floor", strconv.FormatInt(now.Add(-time.Hour).Unix(), 10))
	at := whole(now).Add(-1100 * time.Second)
	for range 1005 {
		at = at.Add(time.Second)
		claim(t, s, at, "a", cron.Granted)
	}
	if n := r.Do("zcard", "ignis:cron:{job}:claims"); n != "1000" {
		t.Errorf("%s claims are kept", n)
	}
	claim(t, s, at.Add(-1001*time.Second), "a", cron.Forgotten)
	claim(t, s, at.Add(-999*time.Second), "b", cron.Taken)
	if ttl := r.Do("pttl", "ignis:cron:{job}:claims"); len(ttl) < 11 {
		t.Errorf("the claims live for %s ms", ttl)
	}
}

func TestRuns(t *testing.T) {
	t.Parallel()
	r := redistest.Start(t)
	s := open(t, rediscron.Config{URL: r.URL(), Node: "here"})
	at := whole(redisTime(t, s)).Add(time.Second)
	await(t, s, at.Add(2*time.Second))
	var grants []cron.Grant
	for i := range 3 {
		grants = append(grants, claim(t, s, at.Add(time.Duration(i)*time.Second), "a", cron.Granted))
	}
	err := s.Finish(t.Context(), cron.Finish{
		Job: "job", Scheduled: at.Add(time.Second), Fence: grants[1].Fence, Outcome: cron.OutcomeFailed, Duration: time.Minute,
	})
	if err != nil {
		t.Fatal(err)
	}
	runs, err := s.Runs(t.Context(), "job", 2)
	if err != nil || len(runs) != 2 {
		t.Fatalf("%v (%v)", runs, err)
	}
	if n := runs[0]; !n.Scheduled.Equal(at.Add(2*time.Second)) || n.Outcome != 0 || n.Node != "here" || n.Granted.Before(n.Scheduled) {
		t.Errorf("the newest: %+v", n)
	}
	if n := runs[1]; n.Fence != grants[1].Fence || n.Outcome != cron.OutcomeFailed || n.Duration != time.Minute {
		t.Errorf("the one before: %+v", n)
	}
	for _, garbage := range []string{
		"garbage", "x 1 a here 5", "1 x a here 5", "1 1 a here x", "1 1 a here 5 x 5", "1 1 a here 5 5 x", "1 1 a here 5 5", "1 1 a here 5 5 5 5",
	} {
		r.Do("zadd", "ignis:cron:{job}:claims", "9999999999", garbage)
		if _, err := s.Runs(t.Context(), "job", 1); err == nil || !strings.Contains(err.Error(), "job job: malformed") {
			t.Errorf("%q is accepted: %v", garbage, err)
		}
		r.Do("zrem", "ignis:cron:{job}:claims", garbage)
	}
	if runs, err := s.Runs(t.Context(), "job", 0); err != nil || len(runs) != 0 {
		t.Errorf("none: %v (%v)", runs, err)
	}
}

// If the user may not send INFO, restarts are not detected, but everything else works.
func TestWithoutInfo(t *testing.T) {
	t.Parallel()
	r := redistest.Start(t)
	r.Do(strings.Fields("acl setuser cron on >secret ~ignis:cron:* +client +hello +ping +select +eval +evalsha +time " +
		"+hmget +hset +zadd +zcard +zrange +zrangebyscore +zrevrange +zrem +zremrangebyrank +pexpire")...)
	s := open(t, rediscron.Config{URL: strings.Replace(r.URL(), "redis://", "redis://cron:secret@", 1)})
	at := whole(redisTime(t, s)).Add(time.Second)
	await(t, s, at)
	g := claim(t, s, at, "a", cron.Granted)
	if err := s.Finish(t.Context(), cron.Finish{Job: "job", Scheduled: at, Fence: g.Fence, Outcome: cron.OutcomeSucceeded}); err != nil {
		t.Error(err)
	}
	if runs, err := s.Runs(t.Context(), "job", 1); err != nil || len(runs) != 1 {
		t.Errorf("%v (%v)", runs, err)
	}
}

func TestHangingRedis(t *testing.T) {
	t.Parallel()
	r := redistest.Start(t)
	patient := open(t, rediscron.Config{URL: r.URL()})
	at := whole(redisTime(t, patient)).Add(time.Second)
	await(t, patient, at)
	s := open(t, rediscron.Config{URL: r.URL(), Timeout: 300 * time.Millisecond})
	r.Pause()
	if _, err := s.Claim(t.Context(), cron.Claim{Job: "job", Scheduled: at, Token: "a"}); err == nil {
		t.Fatal("a claim on a hanging Redis succeeded")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Last(ctx, cron.Query{Job: "job"}); err == nil {
		t.Fatal("an ended context is ignored")
	}
	r.Resume()
	var g cron.Grant
	redistest.Wait(t, "Redis to answer", func() bool {
		var err error
		g, err = s.Claim(t.Context(), cron.Claim{Job: "job", Scheduled: at, Token: "a"})
		return err == nil
	})
	if g.Verdict != cron.Granted { // whether or not the first claim arrived
		t.Errorf("verdict %d", g.Verdict)
	}
}

func TestClosed(t *testing.T) {
	t.Parallel()
	r := redistest.Start(t)
	s := open(t, rediscron.Config{URL: r.URL()})
	redisTime(t, s)
	for range 2 {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	_, lastErr := s.Last(t.Context(), cron.Query{Job: "job"})
	_, claimErr := s.Claim(t.Context(), cron.Claim{Job: "job", Scheduled: time.Unix(100, 0), Token: "a"})
	finishErr := s.Finish(t.Context(), cron.Finish{Job: "job", Scheduled: time.Unix(100, 0)})
	_, runsErr := s.Runs(t.Context(), "job", 1)
	for _, err := range []error{lastErr, claimErr, finishErr, runsErr} {
		if !errors.Is(err, rediscron.ErrClosed) || !strings.HasPrefix(err.Error(), "rediscron: ") {
			t.Errorf("after Close: %v", err)
		}
	}
}

// A run without an instant leaves no record, so Redis is not called.
func TestFinishOfNoInstant(t *testing.T) {
	t.Parallel()
	s := open(t, rediscron.Config{URL: "redis://127.0.0.1:1"})
	if err := s.Finish(t.Context(), cron.Finish{Job: "job", Fence: 1, Outcome: cron.OutcomeSucceeded}); err != nil {
		t.Error(err)
	}
}

func TestInvalidClaims(t *testing.T) {
	t.Parallel()
	s := open(t, rediscron.Config{URL: "redis://127.0.0.1:1"})
	for name, c := range map[string]cron.Claim{
		"no token":             {Scheduled: time.Unix(100, 0)},
		"a token with a space": {Scheduled: time.Unix(100, 0), Token: "a b"},
		"a fraction":           {Scheduled: time.Unix(100, 1), Token: "a"},
		"a time before 1970":   {Scheduled: time.Unix(-100, 0), Token: "a"},
		"the start of 1970":    {Scheduled: time.Unix(0, 0), Token: "a"},
	} {
		if _, err := s.Claim(t.Context(), c); err == nil || strings.Contains(err.Error(), "dial") {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, c := range map[string]cron.Claim{
		"a second later": {Scheduled: time.Unix(1, 0), Token: "a"},
		"no instant":     {Token: "a"},
	} {
		if _, err := s.Claim(t.Context(), c); err == nil || !strings.Contains(err.Error(), "dial") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
