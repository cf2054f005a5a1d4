//go:build unix

package rediscron_test

import (
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/ignis-go/ignis/cron/rediscron"
	"github.com/ignis-go/ignis/internal/longtest"
	"github.com/ignis-go/ignis/internal/redistest"
)

func threeSkewed(p plan) []plan {
	list := []plan{p, p, p}
	list[1].Ahead, list[2].Ahead = 2*time.Second, -2*time.Second
	return list
}

// until waits until jobs have been started for an instant that many seconds after the first.
func (n *nodes) until(seconds int64) (first int64) {
	n.t.Helper()
	isStart := func(l line) bool { return l.What == "started" }
	n.wait("the first run", isStart)
	first = n.said(isStart)[0].At
	redistest.WaitFor(n.t, 2*time.Minute, "runs", func() bool {
		list := n.said(isStart)
		return list[len(list)-1].At >= first+seconds
	})
	return first
}

// Three processes, two of them with clocks that are off by 2 s, run 150 jobs every second.
func TestEachInstantOnceInThreeProcesses(t *testing.T) {
	longtest.Mark(t)
	t.Parallel()
	const jobs, seconds = 150, 16
	n := startNodes(t, threeSkewed(plan{Jobs: jobs, Pattern: "* * * * * *", Takes: time.Millisecond})...)
	first := n.until(seconds+3) + 2 // all processes are running by then
	n.end()
	started, left := n.instants()
	runs := 0
	for i := range jobs {
		job := fmt.Sprintf("job-%d", i)
		for at, times := range started[job] {
			if times != 1 {
				t.Errorf("%s, instant %d: %d runs", job, at, times)
			}
		}
		for at := first; at < first+seconds; at++ {
			if started[job][at] == 0 {
				t.Errorf("%s, instant %d did not run: %s", job, at, left[job][at])
			}
			runs++
		}
	}
	t.Logf("%d instants, each run once", runs)
	byNode := make(map[string]int)
	for _, l := range n.said(func(l line) bool { return l.What == "started" }) {
		byNode[l.Node]++
	}
	t.Logf("runs by process: %v", byNode)
}

// One process is killed, another is suspended for a while, and Redis is restarted without its
// data. No instant runs twice, and each one that does not run is recorded.
func TestEachInstantAtMostOnce(t *testing.T) {
	longtest.Mark(t)
	t.Parallel()
	const jobs = 20
	n := startNodes(t, threeSkewed(plan{Jobs: jobs, Pattern: "* * * * * *", Takes: time.Millisecond})...)
	first := n.until(4) + 2
	asleep, killed := n.list[0], n.list[1]
	if err := asleep.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	n.until(14)
	if err := asleep.cmd.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	killed.kill()
	n.until(17)
	killedAt := time.Now()
	n.redis.Kill()
	n.redis.Restart()
	away := int(time.Since(killedAt).Seconds())
	last := n.until(26) + 24
	n.end()
	started, left := n.instants()
	missed := 0
	for i := range jobs {
		job := fmt.Sprintf("job-%d", i)
		unsaid := 0
		for at := first; at < last; at++ {
			switch times := started[job][at]; {
			case times > 1:
				t.Errorf("%s, instant %d: %d runs", job, at, times)
			case times == 0 && left[job][at] != "":
				missed++
			case times == 0:
				unsaid++
			}
		}
		// The killed process may have been granted one run that it did not start.
		if unsaid > 1 {
			t.Errorf("%s: %d instants did not run, but no reason is recorded", job, unsaid)
		}
	}
	t.Logf("%d instants, %d of them missed with a reason", int64(jobs)*(last-first), missed)
	if missed > jobs*(away+4) {
		t.Errorf("because of a restart of %d s, %d instants of %d jobs were missed", away, missed, jobs)
	}
}

func TestProcessKilledDuringRun(t *testing.T) {
	t.Parallel()
	n := startNodes(t, plan{Jobs: 1, Pattern: "*/2 * * * * *", Takes: 300 * time.Millisecond}, plan{Jobs: 1, Pattern: "*/2 * * * * *"})
	l := n.wait("a run of the slow process", func(l line) bool { return l.What == "started" && l.Node == "node-0" })
	n.named(l.Node).kill()
	n.wait("the next run", func(next line) bool { return next.What == "started" && next.At > l.At && next.Fence > l.Fence })
	n.end()
	if again := n.said(func(a line) bool { return a.What == "started" && a.At == l.At }); len(again) != 1 {
		t.Errorf("the instant was run again by %v", again)
	}
	s := open(t, rediscron.Config{URL: n.redis.URL()})
	runs, err := s.Runs(t.Context(), "job-0", 100)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range runs {
		if r.Scheduled.Unix() == l.At && (r.Outcome != 0 || r.Node != l.Node || r.Fence != l.Fence) {
			t.Errorf("the lost run is recorded as %+v", r)
		}
		if r.Scheduled.Unix() > l.At && r.Outcome == 0 {
			t.Errorf("a later run has no end: %+v", r)
		}
	}
}

// A process that was suspended during a run, and resumes after others have continued, cannot
// overwrite what they have written.
func TestSuspendedProcessIsFencedOff(t *testing.T) {
	longtest.Mark(t)
	t.Parallel()
	p := plan{Jobs: 1, Pattern: "*/2 * * * * *", Takes: 500 * time.Millisecond, Guarded: true}
	n := startNodes(t, p, p)
	n.wait("the end of a run", func(l line) bool { return l.What == "ended" })
	l, p1 := n.stopInARun()
	n.wait("a run of the other process", func(e line) bool { return e.What == "ended" && e.Node != l.Node && e.At > l.At })
	if err := p1.cmd.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	end := n.wait("the end of the first run", func(e line) bool { return e.At == l.At && e.Node == l.Node && e.What != "started" })
	if end.What != "refused" {
		t.Errorf("the write of the suspended run: %s", end.What)
	}
	n.wait("the process to run again", func(e line) bool { return e.Node == l.Node && e.What == "ended" && e.At > l.At })
	n.end()
}

// stopInARun suspends a process in the middle of a run.
func (n *nodes) stopInARun() (line, *node) {
	n.t.Helper()
	for {
		over := make(map[int64]bool)
		for _, l := range n.said(func(l line) bool { return l.What != "started" }) {
			over[l.At] = true
		}
		l := n.wait("a run in progress", func(l line) bool { return l.What == "started" && !over[l.At] })
		p := n.named(l.Node)
		if err := p.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
			n.t.Fatal(err)
		}
		n.wait("another process to go on", func(o line) bool { return o.Node != l.Node && o.At > l.At })
		if len(n.said(func(o line) bool { return o.At == l.At && o.What != "started" })) == 0 {
			return l, p
		}
		// The run ended before the signal arrived.
		if err := p.cmd.Process.Signal(syscall.SIGCONT); err != nil {
			n.t.Fatal(err)
		}
	}
}
