package rediscron_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/ignis-go/ignis/cron"
	"github.com/ignis-go/ignis/cron/rediscron"
	"github.com/ignis-go/ignis/internal/childproc"
	"github.com/ignis-go/ignis/internal/redistest"
)

// plan describes what a process does. The process is this test binary with the plan in its
// environment.
type plan struct {
	Redis   string
	Node    string
	Ahead   time.Duration // how far its clock is ahead
	Jobs    int           // named job-0 and so on
	Pattern string
	Takes   time.Duration // duration of a run
	Guarded bool          // a run ends with a write that its fencing number protects
}

const planVariable = "TEST_CRON_PLAN"

// line is one line of a process's output.
type line struct {
	Node   string
	What   string // started, ended, refused, missed, skipped
	Job    string
	At     int64
	Until  int64 `json:",omitempty"`
	Fence  uint64
	Reason string `json:",omitempty"`
}

// runAsNode does not return in a process that has a plan.
func runAsNode() {
	text := os.Getenv(planVariable)
	if text == "" {
		return
	}
	var p plan
	if err := json.Unmarshal([]byte(text), &p); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	if err := p.run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

func (p *plan) run() error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	store, err := rediscron.New(rediscron.Config{URL: p.Redis, Node: p.Node})
	if err != nil {
		return err
	}
	defer store.Close()
	out := json.NewEncoder(os.Stdout)
	var mu sync.Mutex
	say := func(l line) {
		l.Node = p.Node
		mu.Lock()
		defer mu.Unlock()
		_ = out.Encode(l)
	}
	var s cron.Scheduler
	for i := range p.Jobs {
		job, err := cron.New(cron.Config{
			Name: fmt.Sprintf("job-%d", i), Pattern: p.Pattern,
			Store: store, Misfire: cron.MisfireAll, Overlap: cron.OverlapQueue,
			Now: func() time.Time {
				if p.Ahead == 0 {
					return time.Now()
				}
				return time.Now().Add(p.Ahead)
			},
			Logger: slog.New(slog.NewTextHandler(os.Stderr, nil)),
			Do:     func(ctx context.Context, r cron.Run) error { p.do(ctx, r, say); return nil },
			OnRecord: func(r cron.Record) {
				if r.Outcome == cron.OutcomeMissed || r.Outcome == cron.OutcomeSkipped {
					say(line{What: r.Outcome.String(), Job: r.Job, At: r.Scheduled.Unix(), Until: r.Until.Unix(), Reason: string(r.Reason)})
				}
			},
		})
		if err != nil {
			return err
		}
		if err := s.Add(job); err != nil {
			return err
		}
	}
	return s.Run(ctx)
}

// guarded is a script that rejects numbers below the greatest that it has seen.
const guarded = `local n = tonumber(redis.call('GET', KEYS[1]) or 0)
if tonumber(ARGV[1]) < n then return 0 end
redis.call('SET', KEYS[1], ARGV[1])
return 1`

func (p *plan) do(ctx context.Context, r cron.Run, say func(line)) {
	l := line{What: "started", Job: r.Job, At: r.Scheduled.Unix(), Fence: r.Fence}
	say(l)
	select { // work
	case <-time.After(p.Takes):
	case <-ctx.Done():
	}
	l.What = "ended"
	if p.Guarded {
		client, err := rueidis.NewClient(rueidis.MustParseURL(p.Redis))
		if err != nil {
			return
		}
		defer client.Close()
		ok, err := client.Do(context.Background(), client.B().Eval().Script(guarded).Numkeys(1).
			Key("guarded:"+r.Job).Arg(fmt.Sprint(r.Fence)).Build()).AsInt64()
		if err != nil || ok == 0 {
			l.What = "refused"
		}
	}
	say(l)
}

// node is a process that executes a plan.
type node struct {
	name string
	cmd  *childproc.Cmd
	done chan struct{}
}

// nodes are several processes and their output.
type nodes struct {
	t     *testing.T
	redis *redistest.Server
	list  []*node

	mu    sync.Mutex
	lines []line
}

func startNodes(t *testing.T, plans ...plan) *nodes {
	t.Helper()
	n := &nodes{t: t, redis: redistest.Start(t)}
	for i, p := range plans {
		p.Redis, p.Node = n.redis.URL(), fmt.Sprintf("node-%d", i)
		n.start(p)
	}
	return n
}

func (n *nodes) start(p plan) {
	n.t.Helper()
	text, err := json.Marshal(p)
	if err != nil {
		n.t.Fatal(err)
	}
	cmd := childproc.Command(os.Args[0], "-test.run=^$")
	cmd.Env = append(os.Environ(), planVariable+"="+string(text))
	out, err := cmd.StdoutPipe()
	if err != nil {
		n.t.Fatal(err)
	}
	log, err := cmd.StderrPipe()
	if err != nil {
		n.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		n.t.Fatal(err)
	}
	p1 := &node{name: p.Node, cmd: cmd, done: make(chan struct{})}
	n.list = append(n.list, p1)
	var readers sync.WaitGroup
	readers.Go(func() { n.read(out) })
	readers.Go(func() {
		for s := bufio.NewScanner(log); s.Scan(); {
			n.t.Logf("%s: %s", p.Node, s.Text())
		}
	})
	go func() {
		defer close(p1.done)
		readers.Wait()
		_ = cmd.Wait()
	}()
	n.t.Cleanup(func() { p1.kill() })
}

func (p *node) kill() {
	_ = p.cmd.Process.Signal(syscall.SIGKILL)
	<-p.done
}

// end shuts the processes down gracefully.
func (n *nodes) end() {
	for _, p := range n.list {
		_ = p.cmd.Process.Signal(syscall.SIGTERM)
	}
	for _, p := range n.list {
		<-p.done
	}
}

func (n *nodes) read(r io.Reader) {
	for dec := json.NewDecoder(r); ; {
		var l line
		if dec.Decode(&l) != nil {
			return
		}
		n.mu.Lock()
		n.lines = append(n.lines, l)
		n.mu.Unlock()
	}
}

// said returns the lines for which match returns true.
func (n *nodes) said(match func(line) bool) []line {
	n.mu.Lock()
	defer n.mu.Unlock()
	var list []line
	for _, l := range n.lines {
		if match(l) {
			list = append(list, l)
		}
	}
	return list
}

// wait waits for a matching line, and returns the last one.
func (n *nodes) wait(what string, match func(line) bool) line {
	n.t.Helper()
	var l line
	redistest.Wait(n.t, what, func() bool {
		list := n.said(match)
		if len(list) > 0 {
			l = list[len(list)-1]
		}
		return len(list) > 0
	})
	return l
}

func (n *nodes) named(name string) *node {
	for _, p := range n.list {
		if p.name == name {
			return p
		}
	}
	n.t.Fatalf("there is no process %s", name)
	return nil
}

// instants returns, for each job and instant, how often it was started, and the reason that a
// process has recorded if it was not.
func (n *nodes) instants() (started map[string]map[int64]int, left map[string]map[int64]string) {
	started, left = make(map[string]map[int64]int), make(map[string]map[int64]string)
	for _, l := range n.said(func(line) bool { return true }) {
		if started[l.Job] == nil {
			started[l.Job], left[l.Job] = make(map[int64]int), make(map[int64]string)
		}
		switch l.What {
		case "started":
			started[l.Job][l.At]++
		case "missed", "skipped":
			for at := l.At; at <= l.Until; at++ {
				left[l.Job][at] = l.What + " " + l.Reason
			}
		}
	}
	return started, left
}
