// Command bench compares this library's server with others: Ignis on Bun, gws,
// gorilla and centrifuge. It writes what it has measured to results.json, and
// makes RESULTS.md and results.svg of that.
//
//	go run .                                    everything, five rounds: well over an hour
//	go run . -only burst,steady -systems ignis,bun -rounds 3
//	go run . -render                            only the page and the plot
//	go run . -quick -out DIR                    tiny sizes: does it work?
//	go run . -only burst -before CHECKOUT -out DIR  this server and an older one, in turn
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"

	"github.com/ignis-go/ignis/bench/internal/flood"
	"github.com/ignis-go/ignis/internal/childproc"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if play := role(os.Args[1:]); play != nil {
		exit(play(ctx, os.Stdin, os.Stdout))
	}
	exit(command(ctx, os.Args[1:]))
}

// role returns what this process is to be if another one of this program has
// started it, else nil.
func role(args []string) func(context.Context, io.Reader, io.Writer) error {
	if len(args) != 1 {
		return nil
	}
	switch args[0] {
	case herdArgument:
		return herdMain
	case floodArgument:
		return floodMain
	case probeArgument:
		return probeMain
	}
	return nil
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
	var only, names, floods, before string
	var quick, render bool
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.StringVar(&only, "only", "", "workloads, with commas between: "+strings.Join(workloadNames(), ","))
	f.StringVar(&names, "systems", "", "systems, with commas between: "+strings.Join(systemNames(), ","))
	f.StringVar(&floods, "floods", "", "kinds of strangers, with commas between: "+strings.Join(floodNames(), ","))
	f.StringVar(&before, "before", "", "a checkout of this repository whose server takes part, too, as the system "+earlier)
	f.IntVar(&p.rounds, "rounds", 0, fmt.Sprintf("rounds; figures are the medians (default %d; %d with strangers)", defaultRounds, floodRounds))
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
	rounds := false
	f.Visit(func(set *flag.Flag) { rounds = rounds || set.Name == "rounds" })
	if rounds && p.rounds < 1 {
		return fmt.Errorf("-rounds is %d", p.rounds)
	}
	if err := p.choose(only, floods, names, before); err != nil {
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
	f.IntVar(&z.Strangers, "strangers", z.Strangers, "connections of a flood")
	f.IntVar(&z.Visitors, "visitors", z.Visitors, "clients beside a flood")
	f.DurationVar(&z.Flood, "flood", z.Flood, "how long is measured beside a flood")
	f.DurationVar(&z.Calm, "calm", z.Calm, "how long is measured before a flood, and after it")
}

// choose checks the names of workloads, floods and systems. None means all.
func (p *plan) choose(only, floods, names, before string) (err error) {
	if p.only, err = chosen("workload", only, workloadNames()); err != nil {
		return err
	}
	if p.floods, err = chosen("flood", floods, floodNames()); err != nil {
		return err
	}
	if before != "" {
		if before, err = benchFolder(before); err != nil {
			return err
		}
	}
	known := slices.DeleteFunc(systemNames(), func(name string) bool { return name == earlier && before == "" })
	list, err := chosen("system", names, known)
	if err != nil {
		return err
	}
	if before != "" && !slices.Contains(list, earlier) {
		list = append(slices.Clone(list), earlier)
	}
	for _, name := range list {
		s := systems[slices.IndexFunc(systems, func(s system) bool { return s.name == name })]
		if s.name == earlier {
			s.src = before
		}
		if p.takesPart(s) {
			p.systems = append(p.systems, s)
		}
	}
	if len(p.systems) == 0 {
		return fmt.Errorf("none of the systems %s takes part in %s", strings.Join(list, ", "), strings.Join(p.only, ", "))
	}
	return nil
}

// takesPart reports whether any of the workloads is for the system: others need
// not be built.
func (p *plan) takesPart(s system) bool {
	return slices.ContainsFunc(workloads, func(w workload) bool {
		return slices.Contains(p.only, w.name) && w.has(s)
	})
}

// chosen splits a list of names, each of which has to be one of those that there
// are. Without any it returns those.
func chosen(what, names string, all []string) ([]string, error) {
	if names == "" {
		return all, nil
	}
	list := strings.Split(names, ",")
	for _, name := range list {
		if !slices.Contains(all, name) {
			return nil, fmt.Errorf("no %s is called %q; there are %s", what, name, strings.Join(all, ", "))
		}
	}
	return list, nil
}

// benchFolder returns this folder in another checkout.
func benchFolder(checkout string) (string, error) {
	dir, err := filepath.Abs(filepath.Join(checkout, "bench"))
	if err != nil {
		return "", err
	}
	if _, err := os.Stat(filepath.Join(dir, "servers", ours)); err != nil {
		return "", fmt.Errorf("-before: %s is no checkout of this repository: %w", checkout, err)
	}
	return dir, nil
}

func floodNames() (list []string) {
	for _, k := range flood.Kinds() {
		list = append(list, k.Name)
	}
	return list
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
	need := uint64(max(z.Clients, z.Crowd, z.Strangers) + 500)
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
