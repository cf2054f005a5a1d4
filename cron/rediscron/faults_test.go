package rediscron_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ignis-go/ignis/cron"
	"github.com/ignis-go/ignis/cron/rediscron"
	"github.com/ignis-go/ignis/internal/longtest"
	"github.com/ignis-go/ignis/internal/redistest"
)

// fault makes Redis answer with an error.
type fault struct {
	reply      string // part of the error
	refused    bool
	runs       bool // whether Runs works
	anonymous  bool // the stores have no password
	begin, end func(t *testing.T, r *redistest.Server)
}

// do returns a function that sends commands to a Redis.
func do(commands ...string) func(*testing.T, *redistest.Server) {
	return func(t *testing.T, r *redistest.Server) {
		t.Helper()
		for _, c := range commands {
			r.Do(strings.Fields(c)...)
		}
	}
}

// rights contains the rights that the package documentation lists.
const rights = "+eval +evalsha +time +hmget +hset +zadd +zcard +zrange +zrangebyscore +zrevrange +zrem +zremrangebyrank +pexpire +info"

// addUser creates the user of the stores.
const addUser = "acl setuser cron on >secret ~ignis:cron:* +client +hello +ping +select " + rights

// faults contains the faults that can be caused in a running Redis.
var faults = map[string]fault{
	"MISCONF": {
		reply: "MISCONF", runs: true, end: do("config set stop-writes-on-bgsave-error no"),
		begin: func(t *testing.T, r *redistest.Server) {
			r.Do("config", "set", "save", "3600 1")
			if err := os.RemoveAll(filepath.Dir(r.Socket())); err != nil {
				t.Error(err)
			}
			r.Do("bgsave")
			redistest.Wait(t, "the save to fail", func() bool {
				return strings.Contains(r.Do("info", "persistence"), "rdb_last_bgsave_status:err")
			})
		},
	},
	"OOM": {
		reply: "OOM", runs: true,
		begin: do("config set maxmemory 1"), end: do("config set maxmemory 0"),
	},
	"NOREPLICAS": {
		reply: "NOREPLICAS", runs: true,
		begin: do("config set min-replicas-to-write 1"), end: do("config set min-replicas-to-write 0"),
	},
	"READONLY": {
		reply: "READONLY", runs: true,
		begin: do("replicaof 127.0.0.1 1"), end: do("replicaof no one"),
	},
	"MASTERDOWN": {
		reply: "MASTERDOWN",
		begin: do("config set replica-serve-stale-data no", "replicaof 127.0.0.1 1"), end: do("replicaof no one"),
	},
	"NOPERM": {
		reply: "NOPERM", refused: true, runs: true,
		begin: do("acl setuser cron -evalsha"), end: do("acl setuser cron +evalsha"),
	},
	"NOPERM for the keys": {
		reply: "NOPERM", refused: true,
		begin: do("acl setuser cron resetkeys"), end: do("acl setuser cron ~ignis:cron:*"),
	},
	"NOPERM in the script": {
		reply: "script", refused: true, runs: true,
		begin: do("acl setuser cron -zrangebyscore"), end: do("acl setuser cron +zrangebyscore"),
	},
	"NOAUTH": {
		reply: "NOAUTH", refused: true, anonymous: true,
		begin: do("acl setuser default resetpass >other", "--pass other client kill type normal"),
		end:   do("--pass other acl setuser default nopass"),
	},
	"WRONGPASS for a deleted user": {
		reply: "WRONGPASS", refused: true,
		begin: do("acl deluser cron"), end: do(addUser),
	},
	"WRONGPASS": {
		reply: "WRONGPASS", refused: true,
		begin: do("acl setuser cron resetpass >other", "client kill user cron"), end: do("acl setuser cron resetpass >secret"),
	},
	"BUSY": {
		reply: "BUSY",
		begin: func(t *testing.T, r *redistest.Server) {
			r.Do("config", "set", "busy-reply-threshold", "50")
			inBackground(t, func() { _, _ = r.Try("eval", "while true do end", "0") })
		},
		end: do("script kill"),
	},
	"LOADING": {
		reply: "LOADING",
		begin: func(t *testing.T, r *redistest.Server) {
			for i := range 40 {
				r.Do("set", fmt.Sprint("key", i), strings.Repeat("x", 4000))
			}
			r.Do("config", "set", "rdbcompression", "no")
			r.Do("config", "set", "loading-process-events-interval-bytes", "4096")
			r.Do("config", "set", "key-load-delay", "300000") // microseconds
			inBackground(t, func() { _, _ = r.Try("debug", "reload") })
		},
		end: do("config set key-load-delay 0"),
	},
}

// asUser adds the user and returns a configuration for it.
func asUser(t *testing.T, r *redistest.Server) rediscron.Config {
	t.Helper()
	do(addUser)(t, r)
	return rediscron.Config{URL: strings.Replace(r.URL(), "redis://", "redis://cron:secret@", 1)}
}

// inBackground runs f, which blocks a Redis, and waits for it at the end of the test.
func inBackground(t *testing.T, f func()) {
	var wg sync.WaitGroup
	t.Cleanup(wg.Wait)
	wg.Go(f)
}

// jobs is a job in two processes, due every second, with the outcomes of its instants.
type jobs struct {
	cancel context.CancelFunc
	ended  sync.WaitGroup

	mu   sync.Mutex
	runs map[int64]int
	left map[int64]string
}

func startJobs(t *testing.T, stores ...*rediscron.Store) *jobs {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	j := &jobs{cancel: cancel, runs: make(map[int64]int), left: make(map[int64]string)}
	t.Cleanup(j.end)
	for _, s := range stores {
		job, err := cron.New(cron.Config{
			Name: "each-second", Pattern: "* * * * * *", Zone: "UTC", Store: s, Overlap: cron.OverlapAllow,
			Logger: slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelError})),
			Do: func(_ context.Context, r cron.Run) error {
				j.mu.Lock()
				defer j.mu.Unlock()
				j.runs[r.Scheduled.Unix()]++
				return nil
			},
			OnRecord: func(r cron.Record) {
				if r.Outcome != cron.OutcomeMissed && r.Outcome != cron.OutcomeSkipped {
					return
				}
				j.mu.Lock()
				defer j.mu.Unlock()
				for at := r.Scheduled.Unix(); at <= r.Until.Unix(); at++ {
					j.left[at] = string(r.Reason)
				}
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		j.ended.Go(func() { _ = job.Run(ctx) })
	}
	return j
}

func (j *jobs) end() {
	j.cancel()
	j.ended.Wait()
}

// until waits until the job runs for an instant later than after.
func (j *jobs) until(t *testing.T, after int64) (first int64) {
	t.Helper()
	redistest.Wait(t, "the job to run", func() bool {
		j.mu.Lock()
		defer j.mu.Unlock()
		for at := range j.runs {
			if at > after && (first == 0 || at < first) {
				first = at
			}
		}
		return first != 0
	})
	return first
}

// check reports the outcomes of the instants in a range.
func (j *jobs) check(t *testing.T, from, to int64) {
	t.Helper()
	j.mu.Lock()
	defer j.mu.Unlock()
	once, reasons := 0, make(map[string]int)
	for at := from; at <= to; at++ {
		switch n, why := j.runs[at], j.left[at]; {
		case n > 1:
			t.Errorf("instant %d ran %d times", at, n)
		case n == 1:
			once++
		case why == "":
			t.Errorf("instant %d did not run, but no reason is recorded", at)
		default:
			reasons[why]++
		}
	}
	t.Logf("of %d instants, %d ran once; the others: %v", to-from+1, once, reasons)
}

// While Redis answers with an error for a few seconds, every call fails with that error. No
// instant runs twice, and each one runs or is recorded with a reason.
func TestRedisAnswersWithErrors(t *testing.T) {
	longtest.Mark(t)
	t.Parallel()
	for name, f := range faults {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := redistest.StartWith(t, redistest.Config{Args: []string{"--enable-debug-command", "yes"}})
			c := rediscron.Config{URL: r.URL()}
			if !f.anonymous {
				c = asUser(t, r)
			}
			s, other := open(t, c), open(t, c)
			j := startJobs(t, open(t, c), open(t, c))
			first := j.until(t, 0)
			at := whole(redisTime(t, s)).Add(time.Second)
			await(t, s, at)
			grant := claim(t, s, at, "a", cron.Granted)

			f.begin(t, r)
			at = at.Add(time.Second)
			expect(t, f, func() error {
				_, err := s.Claim(t.Context(), cron.Claim{Job: "job", Scheduled: at, Token: "a"})
				return err
			})
			faulty := time.Now()
			err := s.Finish(t.Context(), cron.Finish{Job: "job", Scheduled: at.Add(-time.Second), Fence: grant.Fence, Outcome: cron.OutcomeFailed})
			if !f.is(err) {
				t.Errorf("Finish: %v", err)
			}
			if _, err := s.Runs(t.Context(), "job", 1); f.runs != (err == nil) || !f.runs && !f.is(err) {
				t.Errorf("Runs: %v", err)
			}
			redistest.Wait(t, "the fault to last", func() bool { return time.Since(faulty) > 1500*time.Millisecond })
			f.end(t, r)

			var after cron.State
			redistest.Wait(t, "Redis to answer", func() bool {
				after, err = other.Last(t.Context(), cron.Query{Job: "job"})
				return err == nil
			})
			await(t, other, at)
			if g := ask(t, s, at, "a"); g.Verdict != cron.Granted || g.Fence <= grant.Fence {
				t.Errorf("after the fault: %+v", g)
			}
			claim(t, other, at, "b", cron.Taken)
			last := j.until(t, after.Now.Unix()+1)
			j.end()
			j.check(t, first, last)
		})
	}
}

// is reports whether the fault caused an error.
func (f *fault) is(err error) bool {
	return err != nil && strings.Contains(err.Error(), f.reply) && errors.Is(err, rediscron.ErrRefused) == f.refused
}

// expect waits until a call fails with the error of the fault. It may fail with a lost
// connection first.
func expect(t *testing.T, f fault, call func() error) {
	t.Helper()
	var last error
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the last error: %v", last)
		}
	})
	redistest.Wait(t, "the fault", func() bool {
		last = call()
		return f.is(last)
	})
}

// ask repeats a claim until it is answered, because the first connection may not be usable yet.
func ask(t *testing.T, s *rediscron.Store, at time.Time, token string) (g cron.Grant) {
	t.Helper()
	redistest.Wait(t, "an answer", func() bool {
		var err error
		g, err = s.Claim(t.Context(), cron.Claim{Job: "job", Scheduled: at, Token: token})
		return err == nil
	})
	return g
}

// If the script lacks a right before or after it has written, one of the two claims is granted
// nevertheless, and no number is used twice.
func TestMissingRight(t *testing.T) {
	t.Parallel()
	r := redistest.Start(t)
	c := asUser(t, r)
	s, other := open(t, c), open(t, c)
	// Pretend that the store has known the job for an hour.
	at := whole(redisTime(t, s)).Add(-time.Minute)
	r.Do("hset", "ignis:cron:{job}:state", "floor", strconv.FormatInt(at.Add(-time.Hour).Unix(), 10))
	fences := make(map[uint64]string)
	for right := range strings.FieldsSeq(rights) {
		if right == "+info" || right == "+eval" { // works without it, or needs it only at first
			continue
		}
		r.Do("acl", "setuser", "cron", "-"+right[1:])
		_, err := s.Claim(t.Context(), cron.Claim{Job: "job", Scheduled: at, Token: "a"})
		unused := strings.Contains("+zrevrange +zrem +zremrangebyrank +zrange", right) // not needed by this claim
		if unused != (err == nil) || err != nil && !errors.Is(err, rediscron.ErrRefused) {
			t.Errorf("without %s: %v", right, err)
		}
		r.Do("acl", "setuser", "cron", right)
		b := ask(t, other, at, "b")
		a := ask(t, s, at, "a")
		if (a.Verdict == cron.Granted) == (b.Verdict == cron.Granted) {
			t.Errorf("without %s: a has verdict %d, b %d", right, a.Verdict, b.Verdict)
		}
		fence := max(a.Fence, b.Fence)
		if was, ok := fences[fence]; ok {
			t.Errorf("the claims without %s and without %s both have number %d", was, right, fence)
		}
		fences[fence] = right
		// Without the right, the end is not recorded, and the claim remains.
		r.Do("acl", "setuser", "cron", "-"+right[1:])
		_ = s.Finish(t.Context(), cron.Finish{Job: "job", Scheduled: at, Fence: fence, Outcome: cron.OutcomeSucceeded})
		r.Do("acl", "setuser", "cron", right)
		claim(t, s, at, "c", cron.Taken)
		at = at.Add(time.Second)
	}
}

// An operator may have renamed a command.
func TestRenamedCommand(t *testing.T) {
	t.Parallel()
	for _, command := range []string{"evalsha", "hset", "zrevrange"} {
		t.Run(command, func(t *testing.T) {
			t.Parallel()
			r := redistest.StartWith(t, redistest.Config{Args: []string{"--rename-command", command, ""}})
			s := open(t, rediscron.Config{URL: r.URL()})
			_, err := s.Last(t.Context(), cron.Query{Job: "job"})
			if command == "zrevrange" {
				_, err = s.Runs(t.Context(), "job", 1)
			}
			if err == nil || !strings.Contains(strings.ToLower(err.Error()), "unknown") || !errors.Is(err, rediscron.ErrRefused) {
				t.Errorf("the error is %v", err)
			}
		})
	}
}
