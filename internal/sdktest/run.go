package sdktest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"time"
)

// The outcomes of a case.
const (
	OK      = "ok"
	Failed  = "FAILED"
	Skipped = "skipped"
)

// DefaultParallel is the number of cases that are played at a time by default.
const DefaultParallel = 8

// DefaultPatience is how long a case waits for what must happen, by default.
const DefaultPatience = 5 * time.Second

// Config configures [Run].
type Config struct {
	Command  []string // of the driver, with its arguments
	Cases    []Case   // nil means all
	Parallel int      // number of cases that are played at a time; 0 means DefaultParallel

	// Patience is how long a case waits for what must happen. Only failing cases take that
	// long. 0 means DefaultPatience.
	Patience time.Duration

	// Attempts is how often a case is played until it passes. 0 means 1. A busy machine can
	// make a case fail whose client is right.
	Attempts int
}

// Result is the result of a case.
type Result struct {
	Case    string   `json:"case"`
	Rules   []string `json:"rules"`
	Outcome string   `json:"outcome"`
	Lacks   []string `json:"lacks,omitempty"` // why it was skipped
	Fault   *Fault   `json:"fault,omitempty"`
	Attempt int      `json:"attempt,omitempty"` // whose outcome this is, if it is not the first
	Millis  int64    `json:"milliseconds"`
	Trace   []string `json:"trace,omitempty"` // what happened, if it failed
}

// Run plays cases and calls each with their results, in the order of the cases. It
// returns an error if the driver cannot be started or does not introduce itself, or ctx's
// error if that is done first.
func Run(ctx context.Context, cfg Config, each func(Result)) error {
	if cfg.Cases == nil {
		cfg.Cases = Cases()
	}
	if cfg.Parallel == 0 {
		cfg.Parallel = DefaultParallel
	}
	if cfg.Patience == 0 {
		cfg.Patience = DefaultPatience
	}
	lacks, err := introduce(ctx, cfg)
	if err != nil {
		return err
	}
	results := make([]chan Result, len(cfg.Cases))
	for i := range results {
		results[i] = make(chan Result, 1)
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	places := make(chan struct{}, cfg.Parallel)
	wg.Go(func() {
		for i, c := range cfg.Cases {
			select {
			case places <- struct{}{}:
			case <-ctx.Done():
				return
			}
			wg.Go(func() {
				defer func() { <-places }()
				results[i] <- playCase(ctx, c, cfg, lacks)
			})
		}
	})
	for _, r := range results {
		select {
		case result := <-r:
			if ctx.Err() == nil { // otherwise the driver was stopped
				each(result)
			}
		case <-ctx.Done():
		}
	}
	return ctx.Err()
}

// introduce starts the driver once and returns what its client lacks.
func introduce(ctx context.Context, cfg Config) (lacks []string, err error) {
	c := newCase("introduction", "", "", "introduces itself", func(*play) {})
	p, fault := runCase(ctx, c, cfg)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if fault != nil {
		return nil, fmt.Errorf("the driver does not work: expected %s; got %s", fault.Want, fault.Got)
	}
	for _, name := range p.lacks {
		if !slices.Contains(Features(), name) {
			return nil, fmt.Errorf("the driver lacks %q, which is not a feature: the features are %q", name, Features())
		}
	}
	return p.lacks, nil
}

func playCase(ctx context.Context, c Case, cfg Config, lacks []string) Result {
	r := Result{Case: c.Name, Rules: c.Rules, Outcome: OK}
	for _, need := range c.Needs {
		if slices.Contains(lacks, need) {
			r.Outcome, r.Lacks = Skipped, append(r.Lacks, need)
		}
	}
	if r.Outcome == Skipped {
		return r
	}
	p, fault := runCase(ctx, c, cfg)
	for n := 2; fault != nil && n <= cfg.Attempts && ctx.Err() == nil; n++ {
		p, fault = runCase(ctx, c, cfg)
		r.Attempt = n
	}
	r.Millis = time.Since(p.began).Milliseconds()
	if fault != nil {
		r.Outcome, r.Fault, r.Trace = Failed, fault, p.trace
		for _, line := range p.driver.errors() {
			r.Trace = append(r.Trace, "standard error: "+line)
		}
	}
	return r
}

// runCase plays a case, and leaves no process, connection or goroutine.
func runCase(ctx context.Context, c Case, cfg Config) (p *play, fault *Fault) {
	ctx, cancel := context.WithTimeout(ctx, caseTime)
	defer cancel()
	p = &play{c: c, ctx: ctx, patience: cfg.Patience, changed: make(chan struct{}), results: make(map[string]bool), began: time.Now()}
	if len(c.Rules) > 0 {
		p.by = c.Rules[0]
	}
	var err error
	if p.server, err = startServer(p.record); err != nil {
		return p, &Fault{Want: "a server for the case", Got: err.Error()}
	}
	defer p.server.close()
	if p.driver, err = startDriver(ctx, cfg.Command, p.server.url(), p); err != nil {
		return p, &Fault{Want: "a driver", Got: err.Error()}
	}
	fault = p.perform()
	cancel()
	<-p.driver.done
	p.server.close()
	p.cutAll(func(*conn) bool { return true })
	for _, c := range p.conns {
		c.readers.Wait()
	}
	return p, fault
}

// perform runs the case and everything around it.
func (p *play) perform() (fault *Fault) {
	defer func() {
		switch v := recover().(type) {
		case nil:
		case stopped:
			fault = v.fault
		default:
			panic(v)
		}
	}()
	p.introduction()
	p.c.play(p)
	p.finish()
	return nil
}

// introduction waits for the first line of the driver. It allows more time than for other
// lines, because several drivers start at the same time.
func (p *play) introduction() {
	by := p.by
	var first report
	p.rule("").until(3*p.patience, "the features that the client lacks, as the first line", func() bool {
		if len(p.reports) == 0 {
			return false
		}
		first, p.reports = p.reports[0], p.reports[1:]
		return true
	})
	if p.lacks = first.Lacks; p.lacks == nil {
		p.fail(`{"lacks":[...]} as the first line`, first.String())
	}
	p.rule(by)
}

// finish ends the driver and checks what remains.
func (p *play) finish() {
	p.rule("C7")
	p.mu.Lock()
	p.exiting = true
	p.mu.Unlock()
	p.cutAll(func(c *conn) bool { return c.silent || c.holdClose || c.stalled != nil || c.auth == nil })
	p.tell(fields{"do": "exit"})
	close(p.driver.commands)
	p.until(exitTime, "the process to end after exit, because the client leaves nothing behind", func() bool { return p.over })
	if p.exit != nil {
		p.rule("").fail("exit code 0", p.exit.Error())
	}
	for _, r := range p.reports {
		if r.Message != nil {
			p.rule("M6").fail("each message once, and only messages of the application", r.String())
		}
	}
}

// cutAll ends the connections for which which returns true.
func (p *play) cutAll(which func(*conn) bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.conns {
		if !which(c) {
			continue
		}
		if err := c.nc.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			p.traceLocked("close connection %d: %v", c.number, err)
		}
		if c.stalled != nil {
			close(c.stalled)
			c.stalled = nil
		}
	}
}
