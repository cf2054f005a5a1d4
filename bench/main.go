// Command bench compares this library's server with Ignis on Bun, gws, gorilla, centrifuge
// and Centrifugo. It writes its measurements to results.json, and generates RESULTS.md and
// results.svg from them.
//
//	go run .                                        everything; takes well over an hour
//	go run . -only burst,steady -systems ignis,bun -rounds 3
//	go run . -render                                only generate the page and the plot
//	go run . -quick -out DIR                        tiny sizes, to check that everything works
//	go run . -only burst -before CHECKOUT -out DIR  compare with another checkout
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

// role returns the main function of a helper process if args selects one, and nil otherwise.
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
	case publishArgument:
		return publishMain
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
	f.StringVar(&only, "only", "", "comma-separated workloads to measure (default all): "+strings.Join(workloadNames(), ","))
	f.StringVar(&names, "systems", "", "comma-separated systems to measure (default all): "+strings.Join(systemNames(), ","))
	f.StringVar(&floods, "floods", "", "comma-separated kinds of floods for strangers and attacks (default all): "+strings.Join(floodNames(), ","))
	f.StringVar(&before, "before", "", "another checkout of this repository, whose server is measured as the system "+earlier)
	f.IntVar(&p.rounds, "rounds", 0, fmt.Sprintf("number of rounds; the figures are medians over all rounds (default %d, %d for strangers and attacks)", defaultRounds, floodRounds))
	f.BoolVar(&p.keep, "append", false, "keep earlier runs of the same workloads and systems")
	f.StringVar(&p.out, "out", ".", "folder for results.json, RESULTS.md and results.svg")
	f.BoolVar(&quick, "quick", false, "use tiny sizes to check that everything works; overrides all flags for sizes")
	f.BoolVar(&render, "render", false, "only generate RESULTS.md and results.svg from results.json")
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
		return fmt.Errorf("-rounds: expected at least 1, but got %d", p.rounds)
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

// flags defines the flags for the sizes.
func (z *sizes) flags(f *flag.FlagSet) {
	f.IntVar(&z.Clients, "clients", z.Clients, "clients in burst, steady, chat and scaling")
	f.IntVar(&z.Crowd, "crowd", z.Crowd, "clients in connect, memory, idle, slow and encrypted-memory")
	f.IntVar(&z.Size, "size", z.Size, "bytes of data per message")
	f.IntVar(&z.Burst, "burst", z.Burst, "messages per burst")
	f.IntVar(&z.Bursts, "bursts", z.Bursts, "bursts per run")
	f.DurationVar(&z.Limit, "limit", z.Limit, "time after which a run starts no more bursts")
	f.DurationVar(&z.Steady, "steady", z.Steady, "duration of steady and of each half of slow")
	f.DurationVar(&z.Chat, "chat", z.Chat, "duration of chat")
	f.IntVar(&z.Rooms, "rooms", z.Rooms, "rooms in chat")
	f.DurationVar(&z.Settle, "settle", z.Settle, "minimum time before memory is read")
	f.DurationVar(&z.Idle, "idle", z.Idle, "time over which idle CPU is measured")
	f.IntVar(&z.Messages, "messages", z.Messages, "messages from Redis to one client")
	f.IntVar(&z.Strangers, "strangers", z.Strangers, "connections per flood")
	f.IntVar(&z.Visitors, "visitors", z.Visitors, "well-behaved clients during a flood")
	f.DurationVar(&z.Flood, "flood", z.Flood, "duration of measurements during a flood")
	f.DurationVar(&z.Calm, "calm", z.Calm, "duration of measurements before and after a flood")
	f.DurationVar(&z.Publish, "publish", z.Publish, "duration of each half of publish")
	f.IntVar(&z.Senders, "senders", z.Senders, "connections that send requests in publish, at most 100")
	f.IntVar(&z.Batch, "batch", z.Batch, "messages in a batch in publish")
}

// choose selects workloads, floods and systems by their names. An empty list means all.
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
	if names == "" {
		list = slices.DeleteFunc(slices.Clone(list), func(name string) bool { return system{name: name}.linksMetrics() })
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
		return fmt.Errorf("none of the systems %s takes part in the workloads %s", strings.Join(list, ", "), strings.Join(p.only, ", "))
	}
	return nil
}

// takesPart reports whether a system takes part in any selected workload. Others are not built.
func (p *plan) takesPart(s system) bool {
	return slices.ContainsFunc(workloads, func(w workload) bool {
		return slices.Contains(p.only, w.name) && w.has(s)
	})
}

// chosen splits a comma-separated list of names and checks that they are in all. If the list is empty, it
// returns all.
func chosen(what, names string, all []string) ([]string, error) {
	if names == "" {
		return all, nil
	}
	list := strings.Split(names, ",")
	for _, name := range list {
		if !slices.Contains(all, name) {
			return nil, fmt.Errorf("unknown %s %q; expected one of %s", what, name, strings.Join(all, ", "))
		}
	}
	return list, nil
}

// benchFolder returns the bench folder of another checkout.
func benchFolder(checkout string) (string, error) {
	dir, err := filepath.Abs(filepath.Join(checkout, "bench"))
	if err != nil {
		return "", err
	}
	if _, err := os.Stat(filepath.Join(dir, "servers", ours)); err != nil {
		return "", fmt.Errorf("-before: %s is not a checkout of this repository: %w", checkout, err)
	}
	return dir, nil
}

func floodNames() (list []string) {
	for _, k := range append(flood.Kinds(), flood.Attacks()...) {
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

// prepare checks the requirements, and raises the limit of open files for this process and its children.
func prepare(z sizes) error {
	if runtime.NumCPU() < 2 {
		return errors.New("the machine needs at least two cores, one for the server and one for its clients")
	}
	if _, err := exec.LookPath("taskset"); err != nil {
		return errors.New("taskset is not installed; it is part of util-linux")
	}
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return err
	}
	need := uint64(max(z.Clients, z.Crowd, z.Strangers) + 500)
	limit.Max = max(limit.Max, need) // only root may raise it
	limit.Cur = limit.Max
	// Child processes inherit the limit only if it is set explicitly.
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return fmt.Errorf("raising the limit of open files to %d: %w", need, err)
	}
	return nil
}

// sourceFolder returns the folder of this module, whose servers are built.
func sourceFolder() (string, error) {
	out, err := childproc.Command("go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		return "", fmt.Errorf("bench must be run in its own folder with go run: %w", err)
	}
	dir := strings.TrimSpace(string(out))
	if _, err := os.Stat(filepath.Join(dir, "servers", ours)); err != nil {
		return "", errors.New("bench must be run in its own folder with go run")
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
