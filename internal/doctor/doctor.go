package doctor

import (
	"context"
	"crypto/x509"
	"fmt"
	"io/fs"
	"sync"
	"time"

	"github.com/ignis-go/ignis/internal/app"
)

// Config says what to examine.
type Config struct {
	// App is the configuration of the server.
	App app.Config
	// Problems are the reasons why the settings cannot be used. If there are any, only the
	// system is examined.
	Problems []Problem
	// Warnings are texts about settings that can be used but should be changed.
	Warnings []string
	// Clients is the planned number of clients of the server. 0: [DefaultClients].
	Clients int
	// PublicURL is the address that clients use, such as wss://example.com/ws. Empty: it is
	// not examined.
	PublicURL string
	// Token is a token for the connection that examines idle timeouts. Empty: one is signed
	// with the secret of the settings, if there is one.
	Token string
	// Idle is how long that connection stays open without messages. 0: idle timeouts are
	// not examined.
	Idle time.Duration
	// Timeout is the maximum duration of a check, in addition to Idle. 0: [DefaultTimeout].
	Timeout time.Duration

	// System is the root of the file system, from which the limits of the kernel are read.
	System fs.FS
	// Roots are the authorities that clients trust. Nil: those of the system.
	Roots *x509.CertPool
}

// Defaults of a [Config].
const (
	DefaultClients = 10_000
	DefaultTimeout = 10 * time.Second
)

// Problem is a reason why settings cannot be used.
type Problem struct{ Text, Advice string }

// Status is the result of a check.
type Status string

// The results.
const (
	OK   Status = "ok"
	Warn Status = "warn" // works, but not under all circumstances
	Fail Status = "fail" // does not work
	Skip Status = "skip" // not examined
)

// Finding is what a check has found.
type Finding struct {
	Check  string `json:"check"`
	Status Status `json:"status"`
	Text   string `json:"text"`
	Advice string `json:"advice,omitempty"` // what to do
}

func ok(format string, args ...any) Finding {
	return Finding{Status: OK, Text: fmt.Sprintf(format, args...)}
}

func skip(format string, args ...any) Finding {
	return Finding{Status: Skip, Text: fmt.Sprintf(format, args...)}
}

func warn(advice, format string, args ...any) Finding {
	return Finding{Status: Warn, Text: fmt.Sprintf(format, args...), Advice: advice}
}

func fail(advice, format string, args ...any) Finding {
	return Finding{Status: Fail, Text: fmt.Sprintf(format, args...), Advice: advice}
}

// check is one check. Its function must return when its context is done.
type check struct {
	name string
	run  func(ctx context.Context) []Finding
	// required says that the rest of the group is skipped if the check fails.
	required bool
	// extra is added to the time limit.
	extra time.Duration
}

// group is a sequence of checks that share something, such as a connection.
type group struct {
	name   string
	checks []check
	end    func() // called after the last check; may be nil
}

// groups returns all checks, in the order in which they are reported.
func groups(c *Config) []group {
	if len(c.Problems) > 0 {
		return []group{c.brokenGroup(), c.kernelGroup()}
	}
	return []group{c.configurationGroup(), c.redisGroup(), c.kernelGroup(), c.tlsGroup(), c.tokensGroup(), c.webhookGroup(), c.publicGroup()}
}

// Run runs all checks. Groups run concurrently, and the checks of a group in order. A check
// that exceeds the time limit fails, and the rest of its group is skipped. If ctx is done,
// the checks that have not ended are reported as skipped.
func Run(ctx context.Context, c Config) Report {
	if c.Clients <= 0 {
		c.Clients = DefaultClients
	}
	if c.Timeout <= 0 {
		c.Timeout = DefaultTimeout
	}
	list := groups(&c)
	results := make([][]Finding, len(list))
	var running sync.WaitGroup
	for i, g := range list {
		running.Go(func() { results[i] = g.run(ctx, c.Timeout) })
	}
	running.Wait()
	var r Report
	for _, found := range results {
		r.Findings = append(r.Findings, found...)
	}
	r.count()
	return r
}

// grace is how long a check may take to return after its context is done. A system call that
// does not end, as on a file system that hangs, must not hold back the other results.
const grace = time.Second

// run runs the checks of the group.
func (g *group) run(ctx context.Context, timeout time.Duration) (all []Finding) {
	stopped := ""
	for _, c := range g.checks {
		if stopped != "" {
			all = append(all, named(c.name, skip("not examined, because %s", stopped))...)
			continue
		}
		found, ended := c.runLimited(ctx, timeout+c.extra)
		all = append(all, named(c.name, found...)...)
		switch {
		case ctx.Err() != nil:
			stopped = "the program was interrupted"
		case !ended:
			stopped = c.name + " did not end"
		case c.required && failed(found):
			stopped = c.name + " failed"
		}
		if !ended {
			g.end = nil // the check may still use what it would close
		}
	}
	if g.end != nil {
		g.end()
	}
	return all
}

// runLimited runs the check with a time limit. It reports whether the check has ended.
func (c *check) runLimited(ctx context.Context, limit time.Duration) (found []Finding, ended bool) {
	limited, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	result := make(chan []Finding, 1)
	go func() { result <- c.run(limited) }()
	select {
	case found = <-result:
	case <-limited.Done():
		timer := time.NewTimer(grace)
		defer timer.Stop()
		select {
		case found = <-result:
		case <-timer.C:
			return []Finding{fail("find out what hangs: the network, or a file system", "the check did not end within %v", limit)}, false
		}
	}
	if ctx.Err() != nil {
		return []Finding{skip("interrupted")}, true
	}
	return found, true
}

func named(check string, list ...Finding) []Finding {
	for i := range list {
		list[i].Check = check
	}
	return list
}

func failed(list []Finding) bool {
	for _, f := range list {
		if f.Status == Fail {
			return true
		}
	}
	return false
}
