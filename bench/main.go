// Command bench compares this library's server with others: Ignis on Bun, gws,
// gorilla and centrifuge. It writes what it has measured to results.json, and
// makes RESULTS.md and results.svg of that.
//
//	go run .                                    everything, five rounds: well over an hour
//	go run . -only burst,steady -systems ignis,bun -rounds 3
//	go run . -render                            only the page and the plot
//	go run . -quick -out DIR                    tiny sizes: does it work?
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"

	"github.com/ignis-go/ignis/internal/childproc"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if len(os.Args) == 2 && os.Args[1] == herdArgument {
		exit(herdMain(ctx, os.Stdin, os.Stdout))
	}
	exit(command(ctx, os.Args[1:]))
}

func exit(err error) {
	switch {
	case errors.Is(err, flag.ErrHelp):
		os.Exit(2)
	case err != nil:
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

func command(ctx context.Context, args []string) error {
	p := plan{sizes: fullSizes()}
	var only, names string
	var quick, render bool
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.StringVar(&only, "only", "", "workloads, with commas between: "+strings.Join(workloadNames(), ","))
	f.StringVar(&names, "systems", "", "systems, with commas between: "+strings.Join(systemNames(), ","))
	f.IntVar(&p.rounds, "rounds", 5, "rounds; figures are the medians")
	f.BoolVar(&p.keep, "append", false, "keep earlier runs of the same workloads and systems")
	f.StringVar(&p.out, "out", ".", "folder of results.json, RESULTS.md and results.svg")
	f.BoolVar(&quick, "quick", false, "tiny sizes, to see that everything works; other flags of sizes do not count")
	f.BoolVar(&render, "render", false, "measure nothing: make RESULTS.md and results.svg from results.json")
	p.sizes.flags(f)
	if err := f.Parse(args); err != nil {
		return err
	}
	if f.NArg() > 0 {
		return fmt.Errorf("unknown argument %q", f.Arg(0))
	}
	if quick {
		p.sizes = quickSizes()
	}
	if err := p.choose(only, names); err != nil {
		return err
	}
	if !render {
		if err := prepare(p.sizes); err != nil {
			return err
		}
		src, err := sourceFolder()
		if err != nil {
			return err
		}
		if err := p.measure(ctx, src); err != nil {
			return err
		}
	}
	var res results
	if err := res.load(p.out); err != nil {
		return err
	}
	return res.render(p.out)
}

// flags lets the command line choose the sizes.
func (z *sizes) flags(f *flag.FlagSet) {
	f.IntVar(&z.Clients, "clients", z.Clients, "clients in burst, steady, chat and scaling")
	f.IntVar(&z.Crowd, "crowd", z.Crowd, "clients in connect, memory, idle and slow")
	f.IntVar(&z.Size, "size", z.Size, "bytes of a message's data")
	f.IntVar(&z.Burst, "burst", z.Burst, "messages of a burst")
	f.IntVar(&z.Bursts, "bursts", z.Bursts, "bursts of a run")
	f.DurationVar(&z.Limit, "limit", z.Limit, "after so long a run begins no more bursts")
	f.DurationVar(&z.Steady, "steady", z.Steady, "how long steady runs, and each half of slow")
	f.DurationVar(&z.Chat, "chat", z.Chat, "how long chat runs")
	f.IntVar(&z.Rooms, "rooms", z.Rooms, "rooms of the chat")
	f.DurationVar(&z.Settle, "settle", z.Settle, "how long memory settles at least")
	f.DurationVar(&z.Idle, "idle", z.Idle, "how long idle CPU is measured")
	f.IntVar(&z.Messages, "messages", z.Messages, "messages from Redis to one client")
}

// choose checks the names of workloads and systems. None means all.
func (p *plan) choose(only, names string) error {
	if p.rounds < 1 {
		return fmt.Errorf("-rounds is %d", p.rounds)
	}
	p.only = workloadNames()
	if only != "" {
		p.only = strings.Split(only, ",")
	}
	for _, name := range p.only {
		if !slices.Contains(workloadNames(), name) {
			return fmt.Errorf("no workload is called %q; there are %s", name, strings.Join(workloadNames(), ", "))
		}
	}
	p.systems = systems
	if names == "" {
		return nil
	}
	p.systems = nil
	for name := range strings.SplitSeq(names, ",") {
		if !slices.Contains(systemNames(), name) {
			return fmt.Errorf("no system is called %q; there are %s", name, strings.Join(systemNames(), ", "))
		}
		for _, s := range systems {
			if s.name == name {
				p.systems = append(p.systems, s)
			}
		}
	}
	return nil
}

func workloadNames() (list []string) {
	for _, w := range workloads {
		list = append(list, w.name)
	}
	return list
}

func systemNames() (list []string) {
	for _, s := range systems {
		list = append(list, s.name)
	}
	return list
}

// prepare makes the machine's limits fit, for the children too, and says when
// they don't.
func prepare(z sizes) error {
	if runtime.NumCPU() < 2 {
		return errors.New("two cores are needed: one for the server and one for its clients")
	}
	if _, err := exec.LookPath("taskset"); err != nil {
		return errors.New("taskset (util-linux) is not installed")
	}
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return err
	}
	need := uint64(max(z.Clients, z.Crowd) + 500)
	limit.Max = max(limit.Max, need) // root may raise it
	limit.Cur = limit.Max
	// Set, and not left to the runtime, it counts for the children.
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return fmt.Errorf("%d open files per process are needed: %w", need, err)
	}
	return nil
}

// sourceFolder is this module's, whose servers are built.
func sourceFolder() (string, error) {
	out, err := childproc.Command("go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		return "", fmt.Errorf("run it in its own folder, as go run does: %w", err)
	}
	dir := strings.TrimSpace(string(out))
	if _, err := os.Stat(filepath.Join(dir, "servers", ours)); err != nil {
		return "", errors.New("run it in its own folder, as go run does")
	}
	return dir, nil
}

func redisVersion() string {
	out, err := childproc.Command("redis-server", "--version").Output()
	if err != nil {
		return ""
	}
	for field := range strings.FieldsSeq(string(out)) {
		if v, ok := strings.CutPrefix(field, "v="); ok {
			return "Redis " + v
		}
	}
	return ""
}
