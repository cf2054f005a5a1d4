package sdktest

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	// writeTime limits writing a frame, and waiting for the end of a connection that the
	// server has closed.
	writeTime = 5 * time.Second
	// caseTime is the time limit of a case.
	caseTime = 25 * time.Second
	// exitTime is the time within which a driver must end after the command exit.
	exitTime = 3 * time.Second
	// absence is how long most cases wait to see that something does not happen.
	absence = 300 * time.Millisecond
	// maxTrace is the number of lines of a trace that are kept.
	maxTrace = 200
)

// play is one case while it is played. The case runs in one goroutine. The driver and the
// connections have goroutines that record what happens.
type play struct {
	c        Case
	lacks    []string
	patience time.Duration   // how long to wait for what must happen
	ctx      context.Context //nolint:containedctx // of this run only
	driver   *driver
	server   *server
	info     string // of the key derivation
	by       string // the rule that the next expectation tests

	mu      sync.Mutex
	changed chan struct{} // closed and replaced when something happens
	fault   *Fault        // the first one that a goroutine found
	reports []report      // not yet taken by the case
	states  []string      // all that were reported
	results map[string]bool
	arrived []*conn // not yet taken by the case
	conns   []*conn
	over    bool  // the driver has ended
	exit    error // why
	exiting bool
	trace   []string
	began   time.Time
}

// stopped is the value with which a failed expectation ends a case.
type stopped struct{ fault *Fault }

// rule sets the rule that is broken if an expectation fails from here on.
func (p *play) rule(name string) *play {
	p.by = name
	return p
}

// fail ends the case.
func (p *play) fail(want, got string) {
	panic(stopped{&Fault{Rule: p.by, Want: want, Got: got}})
}

// broken records a fault that a goroutine found. The case ends when it next waits.
func (p *play) broken(rule, want, got string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.brokenLocked(rule, want, got)
}

func (p *play) brokenLocked(rule, want, got string) {
	if p.fault == nil {
		p.fault = &Fault{Rule: rule, Want: want, Got: got}
	}
	p.wakeLocked()
}

// note records something that happened.
func (p *play) note(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f()
	p.wakeLocked()
}

func (p *play) wakeLocked() {
	close(p.changed)
	p.changed = make(chan struct{})
}

func (p *play) tracef(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.traceLocked(format, args...)
}

func (p *play) traceLocked(format string, args ...any) {
	line := fmt.Sprintf("%6d ms  ", time.Since(p.began).Milliseconds()) + fmt.Sprintf(format, args...)
	if p.trace = append(p.trace, line); len(p.trace) > maxTrace {
		p.trace = slices.Delete(p.trace, 0, 1)
	}
}

// wait waits until done, which is called with the lock held, returns true. It returns
// false after the limit.
func (p *play) wait(limit time.Duration, done func() bool) bool {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	for {
		p.mu.Lock()
		changed, fault, over, exit := p.changed, p.fault, p.over && !p.exiting, p.exit
		ok := fault == nil && done()
		p.mu.Unlock()
		switch {
		case fault != nil:
			panic(stopped{fault})
		case ok:
			return true
		case over:
			panic(stopped{p.gone(exit)})
		}
		select {
		case <-changed:
		case <-timer.C:
			return false
		case <-p.ctx.Done():
			p.rule("").fail(fmt.Sprintf("the case to end within %v", caseTime), "no end")
		}
	}
}

// until is wait, and fails after the limit.
func (p *play) until(limit time.Duration, want string, done func() bool) {
	if p.wait(limit, done) {
		return
	}
	p.fail(fmt.Sprintf("%s within %v", want, limit), p.lately())
}

// soon is until for what must happen in a moment.
func (p *play) soon(want string, done func() bool) { p.until(p.patience, want, done) }

// never fails if a text appears within d. The text is what happened.
func (p *play) never(d time.Duration, want string, what func() string) {
	var got string
	if p.wait(d, func() bool { got = what(); return got != "" }) {
		p.fail(want, got)
	}
}

// rest lets time pass in which nothing in particular is expected.
func (p *play) rest(d time.Duration) { p.wait(d, func() bool { return false }) }

// lately describes what has happened that the case did not wait for.
func (p *play) lately() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var got []string
	for _, r := range p.reports[max(0, len(p.reports)-3):] {
		got = append(got, r.String())
	}
	for _, c := range p.conns {
		for _, m := range c.messages[:min(2, len(c.messages))] {
			got = append(got, fmt.Sprintf("%s on connection %d", m, c.number))
		}
	}
	if len(p.states) > 0 {
		got = append(got, "state "+p.states[len(p.states)-1])
	}
	if len(got) == 0 {
		return "nothing"
	}
	text := got[0]
	for _, s := range got[1:] {
		text += ", " + s
	}
	return text
}

// gone returns the fault of a driver that ended in the middle of a case.
func (p *play) gone(exit error) *Fault {
	got := "its end with exit code 0"
	if exit != nil {
		got = exit.Error()
	}
	if lines := p.driver.errors(); len(lines) > 0 {
		i := slices.IndexFunc(lines, func(line string) bool {
			return strings.Contains(line, "rror") || strings.Contains(line, "panic")
		})
		if i < 0 {
			i = len(lines) - 1
		}
		got += ": " + short(lines[i])
	}
	return &Fault{Want: "a driver that runs until it is told to exit", Got: got}
}

// record records a connection.
func (p *play) record(nc net.Conn, header []byte, at time.Time) {
	p.note(func() {
		c := &conn{
			p: p, nc: nc, header: header, number: len(p.conns) + 1, at: at,
			ids: make(map[string]bool), ivs: make(map[string]bool),
		}
		p.conns = append(p.conns, c)
		p.arrived = append(p.arrived, c)
		p.traceLocked("client connects: %d", c.number)
	})
}

// line records a line of the driver.
func (p *play) line(text []byte) {
	r, err := parseReport(text)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.traceLocked("driver: %s", short(string(text)))
	switch {
	case err != nil:
		p.brokenLocked("", "a report as a JSON object on each line of standard output", short(string(text))+" ("+err.Error()+")")
	case r.Result != "" && p.results[r.Result] && r.Ref == "":
		p.brokenLocked("Q2", "one result for each request", "another one: "+r.String())
	case r.State != "" && len(p.states) > 0 && p.states[len(p.states)-1] == r.State:
		p.brokenLocked("C1", "each change of the state once", r.State+" twice")
	}
	if r.State != "" {
		p.states = append(p.states, r.State)
	}
	if r.Result != "" {
		p.results[r.Result] = true
	}
	p.reports = append(p.reports, r)
	p.wakeLocked()
}

// flooded records that the driver prints too much.
func (p *play) flooded() {
	p.broken("", fmt.Sprintf("at most %d lines of at most %d bytes", maxLines, maxLine), "more")
}

// ended records the end of the driver.
func (p *play) ended(err error) {
	p.note(func() {
		p.over, p.exit = true, err
		p.traceLocked("driver ended: %v", err)
	})
}
