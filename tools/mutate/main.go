// Mutate plants small faults in a package, one at a time, and runs the package's
// tests on each. A fault that no test detects survives and is printed: either a test
// is missing, or the changed code does nothing.
//
//	go run ./mutate -dir .. -n 40 -seed 1 ./cron
//
// The faults are chosen at random, but are the same for the same seed and code. No
// source file is changed, because the compiler gets the mutated file through -overlay.
// Faults that no test can detect are listed in equivalent.txt.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	var l lab
	var with string
	flag.StringVar(&l.dir, "dir", ".", "`directory` of the module")
	flag.IntVar(&l.n, "n", 40, "`number` of mutants to count; 0 means all")
	flag.Uint64Var(&l.seed, "seed", 1, "`seed` for choosing the mutants")
	flag.IntVar(&l.parallel, "p", 1, "`number` of mutants to test at a time")
	flag.DurationVar(&l.slack, "slack", 10*time.Second, "`time` that tests may take in addition to three times their usual time")
	flag.StringVar(&with, "with", "", "comma-separated `packages` whose tests to run as well")
	flag.StringVar(&l.match, "match", "", "test only mutants whose description, which begins with the file name, matches `regexp`")
	flag.StringVar(&l.only, "run", "", "run only tests that match `regexp`, as with go test")
	flag.StringVar(&l.skip, "skip", "", "skip tests that match `regexp`, as with go test")
	flag.StringVar(&l.equivalent, "equivalent", "mutate/equivalent.txt", "`file` that lists mutants that no test can detect")
	flag.Parse()
	l.packages = append(flag.Args(), strings.FieldsFunc(with, func(r rune) bool { return r == ',' })...)
	err := errors.New("expected one package as the argument, such as ./cron")
	if flag.NArg() == 1 {
		_, err = l.run(ctx, os.Stdout)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "mutate:", err)
		stop()
		os.Exit(1)
	}
}

// lab tests mutants.
type lab struct {
	dir         string   // of the module
	packages    []string // the mutated package, and others whose tests are run
	n, parallel int
	seed        uint64
	match       string // selects mutants
	only, skip  string // select tests
	equivalent  string
	slack       time.Duration

	temp   string
	tests  []*goPackage
	limits []map[bool]time.Duration // for each of tests, without and with the race detector
}

// goPackage is a package as described by go list.
type goPackage struct {
	Dir, ImportPath string
	GoFiles         []string
	Module          struct{ Dir string }
}

// verdict is the outcome for a mutant.
type verdict string

const (
	killed     verdict = "killed"         // a test failed
	timedOut   verdict = "timed out"      // the tests took much longer than usual
	survived   verdict = "survived"       // all tests passed
	stillborn  verdict = "do not compile" // not counted
	equivalent verdict = "equivalent"     // no test can detect it; not counted
)

// score counts the mutants with each verdict.
type score map[verdict]int

func (s score) counted() int { return s[killed] + s[timedOut] + s[survived] }

func (s score) String() string {
	return fmt.Sprintf("%d mutants: %d killed, %d timed out, %d survived: score %.1f %% (not counted: %d equivalent, %d that do not compile)",
		s.counted(), s[killed], s[timedOut], s[survived], 100*float64(s.counted()-s[survived])/float64(max(1, s.counted())), s[equivalent], s[stillborn])
}

func (l *lab) run(ctx context.Context, out io.Writer) (s score, err error) {
	for _, name := range l.packages {
		p := new(goPackage)
		text, err := goCommand(ctx, l.dir, "list", "-json=Dir,ImportPath,GoFiles,Module", name)
		if err = errors.Join(err, json.Unmarshal(text, p)); err != nil {
			return nil, err
		}
		l.tests = append(l.tests, p)
	}
	mutants, err := l.mutants()
	if err != nil {
		return nil, err
	}
	if l.temp, err = os.MkdirTemp("", "mutate"); err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(l.temp) }()
	if err := l.measure(ctx); err != nil {
		return nil, err
	}
	s = make(score)
	for len(mutants) > 0 && (l.n == 0 || s.counted() < l.n) {
		batch := mutants[:min(len(mutants), l.parallel)]
		mutants = mutants[len(batch):]
		verdicts, errs := make([]verdict, len(batch)), make([]error, len(batch))
		var all sync.WaitGroup
		for i, m := range batch {
			all.Go(func() { verdicts[i], errs[i] = l.try(ctx, m) })
		}
		all.Wait()
		if err := errors.Join(append(errs, ctx.Err())...); err != nil {
			_, _ = fmt.Fprintf(out, "%s, seed %d, ended early: %v\n", l.packages[0], l.seed, s)
			return s, err
		}
		for i, v := range verdicts {
			if l.n > 0 && s.counted() == l.n {
				break // so that the result does not depend on l.parallel
			}
			s[v]++
			if v == survived || v == timedOut {
				fmt.Fprintf(out, "%-9s  %s:%d: %s\n", v, batch[i].file, batch[i].line, batch[i].what)
			}
		}
	}
	_, err = fmt.Fprintf(out, "%s, seed %d: %v\n", l.packages[0], l.seed, s)
	return s, err
}

// mutants returns the mutants of the package in random order.
func (l *lab) mutants() ([]mutant, error) {
	p := l.tests[0]
	match, err := regexp.Compile(l.match)
	if err != nil {
		return nil, err
	}
	same, err := os.ReadFile(l.equivalent)
	if err != nil {
		return nil, err
	}
	known := make(map[string]bool) // whether a mutant exists, by its key
	for line := range strings.Lines(string(same)) {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			known[line] = false
		}
	}
	var all []mutant
	for _, name := range p.GoFiles {
		path := filepath.Join(p.Dir, name)
		src, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		file, err := filepath.Rel(p.Module.Dir, path)
		if err != nil {
			return nil, err
		}
		found, err := mutantsOf(filepath.ToSlash(file), src)
		if err != nil {
			return nil, err
		}
		for _, m := range found {
			if _, m.same = known[m.key()]; m.same {
				known[m.key()] = true
			}
			if m.path = path; match.MatchString(m.key()) {
				all = append(all, m)
			}
		}
	}
	for key, found := range known {
		file, _, _ := strings.Cut(key, ":")
		if !found && filepath.Join(p.Module.Dir, filepath.Dir(file)) == p.Dir {
			return nil, fmt.Errorf("%s: no such mutant: %s", l.equivalent, key)
		}
	}
	rand.New(rand.NewPCG(l.seed, 0)).Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return all, nil
}

// measure runs the tests without a mutant. They must pass, and their duration sets
// the limits.
func (l *lab) measure(ctx context.Context) error {
	for _, p := range l.tests {
		limits := make(map[bool]time.Duration)
		for _, race := range []bool{false, true} {
			bin := filepath.Join(l.temp, "tests")
			if err := build(ctx, p, race, "", bin); err != nil {
				return err
			}
			from := time.Now()
			if v, out := l.test(ctx, p, bin, "", time.Hour); v != survived {
				return fmt.Errorf("the tests of %s fail without a mutant:\n%s", p.ImportPath, out)
			}
			limits[race] = 3*time.Since(from) + l.slack
		}
		l.limits = append(l.limits, limits)
	}
	return ctx.Err()
}

// try tests one mutant.
func (l *lab) try(ctx context.Context, m mutant) (verdict, error) {
	if m.same {
		return equivalent, nil
	}
	dir, err := os.MkdirTemp(l.temp, "mutant")
	if err != nil {
		return "", err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	changed, overlay, bin := filepath.Join(dir, "mutant.go"), filepath.Join(dir, "overlay.json"), filepath.Join(dir, "tests")
	text, err := json.Marshal(map[string]map[string]string{"Replace": {m.path: changed}})
	if err := errors.Join(err, os.WriteFile(changed, m.text, 0o600), os.WriteFile(overlay, text, 0o600)); err != nil {
		return "", err
	}
	for i, p := range l.tests {
		if build(ctx, p, m.race, overlay, bin) != nil {
			return stillborn, nil
		}
		if v, _ := l.test(ctx, p, bin, overlay, l.limits[i][m.race]); v != survived {
			return v, nil
		}
	}
	return survived, nil
}

func build(ctx context.Context, p *goPackage, race bool, overlay, bin string) error {
	_, err := goCommand(ctx, p.Dir, "test", "-c", "-vet=off", fmt.Sprintf("-race=%v", race), "-overlay="+overlay, "-o", bin, ".")
	return err
}

// test runs a test program, and kills it and its children at the time limit.
func (l *lab) test(ctx context.Context, p *goPackage, bin, overlay string, limit time.Duration) (verdict, []byte) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, bin, "-test.failfast", "-test.timeout=0", "-test.run="+l.only, "-test.skip="+l.skip)
	cmd.Dir = p.Dir
	// Programs that the tests build contain the fault as well.
	cmd.Env = append(os.Environ(), "GOFLAGS="+os.Getenv("GOFLAGS")+" -overlay="+overlay)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second
	out, err := cmd.CombinedOutput()
	if cmd.Process != nil {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // processes that the tests left behind
	}
	switch {
	case ctx.Err() != nil:
		return timedOut, out
	case err != nil && !errors.Is(err, exec.ErrWaitDelay):
		return killed, out
	}
	return survived, out
}

func goCommand(ctx context.Context, dir string, args ...string) ([]byte, error) {
	var stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir, cmd.Stderr = dir, &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go %s: %w\n%s", strings.Join(args, " "), err, &stderr)
	}
	return out, nil
}
