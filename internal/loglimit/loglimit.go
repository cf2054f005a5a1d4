// Package loglimit limits the log lines that clients, jobs or messages can cause at
// will. The first line of each kind goes out at once; of those that follow within a
// [Period] one line tells the number. Text from outside is bounded and made printable
// on the way, so that neither many lines nor a long one can flood a log.
package loglimit

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/ignis-go/ignis/internal/printable"
)

const (
	// Period is for how long lines like one that was written are only counted.
	Period = 10 * time.Second
	// MaxText is how many bytes of one argument are written.
	MaxText = 512

	maxCauses = 16  // that are told apart for one message, within a Period
	maxKinds  = 128 // in all
)

// What lines are counted under when there are too many kinds of them.
const (
	otherCauses = "other causes"
	otherLines  = "log lines of other kinds"
)

// Limiter writes lines to a logger, within limits. Lines are of one kind when they
// have the same message and the same cause, which is the first argument named error,
// cause, reason or panic. Its methods may be called from any goroutine.
type Limiter struct {
	logger *slog.Logger

	mu     sync.Mutex
	open   bool
	kinds  map[kind]*count
	causes map[string]int // how many of kinds have the message
	pruned time.Time

	period    *period              // runs while lines are held back and the limiter is open; else nil
	reporting map[*period]struct{} // over, and what they report is being written
}

// kind is what makes lines alike.
type kind struct{ message, name, cause string }

// count is how many lines were held back since began.
type count struct {
	level slog.Level
	began time.Time
	more  int
}

// New returns a limiter that writes to logger. It is closed: see [Limiter.Open].
func New(logger *slog.Logger) *Limiter {
	return &Limiter{logger: logger, kinds: make(map[kind]*count), causes: make(map[string]int), reporting: make(map[*period]struct{})}
}

// Open makes the limiter report what it held back as soon as a period is over, from a
// timer that Close stops. While it is closed, only the next line of the kind reports.
func (l *Limiter) Open() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open = true
}

// Close reports what was held back and not reported yet, and stops the timer: nothing
// of the limiter runs when it has returned. Lines may still be logged afterwards, and
// Open may be called again.
func (l *Limiter) Close() {
	l.mu.Lock()
	l.open = false
	var wait []*period
	if p := l.period; p != nil && !p.timer.Stop() {
		wait = append(wait, p) // it has fired
	}
	wait = slices.AppendSeq(wait, maps.Keys(l.reporting))
	l.period = nil
	reports := l.takeReports(time.Now())
	l.mu.Unlock()
	for _, p := range wait {
		<-p.over
	}
	l.write(reports)
}

// Log writes a line, or counts it. The arguments are names and values in turn. A value
// of the argument stack is taken for the program's own and written as it is; all
// others except numbers, booleans and times are bounded and made printable. An error
// whose text varies where its cause does not may have a method LogCause() string,
// whose result then counts as the cause.
func (l *Limiter) Log(level slog.Level, message string, args ...any) {
	ctx := context.Background() // handlers take one; there is none to tell of
	if !l.logger.Enabled(ctx, level) {
		return
	}
	k := kindOf(message, args)
	more, note, ok := l.allow(k, level)
	if !ok {
		return
	}
	line := make([]any, 0, len(args)+4)
	for i, arg := range args {
		if i%2 == 1 && args[i-1] != "stack" {
			arg = bounded(arg)
		}
		line = append(line, arg)
	}
	if more > 0 {
		line = append(line, "more", more)
	}
	if note != "" {
		line = append(line, "note", note)
	}
	l.logger.Log(ctx, level, message, line...)
}

// allow reports whether a line is to be written, how many of its kind were held back
// before, and what is to be said with it.
func (l *Limiter) allow(k kind, level slog.Level) (more int, note string, ok bool) {
	now := time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	c := l.kinds[k]
	if c == nil {
		if k, note = l.room(k, now); l.kinds[k] == nil {
			l.kinds[k] = &count{level: level, began: now}
			l.causes[k.message]++
			return 0, note, true
		}
		c = l.kinds[k]
	}
	c.level = max(c.level, level)
	if now.Sub(c.began) >= Period && (c.more == 0 || !l.open) { // else the timer is about to report
		more, c.more, c.began, c.level = c.more, 0, now, level
		return more, note, true
	}
	c.more++
	if l.open && l.period == nil {
		p := &period{over: make(chan struct{})}
		p.timer = time.AfterFunc(c.began.Add(Period).Sub(now), func() { l.periodOver(p) })
		l.period = p
	}
	return 0, "", false
}

// room returns the kind under which a line of a new one is counted: its own, or one
// for all that there is no room for. The caller holds mu.
func (l *Limiter) room(k kind, now time.Time) (kind, string) {
	full := func() bool { return len(l.kinds) >= maxKinds || l.causes[k.message] >= maxCauses }
	if full() && now.Sub(l.pruned) >= Period/10 { // not for each line of a flood
		l.prune(now)
	}
	switch {
	case l.causes[k.message] >= maxCauses:
		return kind{k.message, k.name, otherCauses}, "too many causes: further ones are only counted"
	case len(l.kinds) >= maxKinds:
		return kind{message: otherLines}, "too many kinds of lines: further ones are only counted"
	}
	return k, ""
}

// prune forgets the kinds whose period is over. The caller holds mu.
func (l *Limiter) prune(now time.Time) {
	l.pruned = now
	for k, c := range l.kinds {
		if c.more == 0 && now.Sub(c.began) >= Period {
			l.causes[k.message]--
			if l.causes[k.message] == 0 {
				delete(l.causes, k.message)
			}
			delete(l.kinds, k)
		}
	}
}

// period is a time at the end of which what was held back is reported.
type period struct {
	timer *time.Timer
	over  chan struct{} // closed when the timer has fired and all is reported
}

// periodOver is called by the timer of p.
func (l *Limiter) periodOver(p *period) {
	defer close(p.over)
	l.mu.Lock()
	l.reporting[p] = struct{}{}
	var reports []report
	if l.period == p { // else Close has done it
		l.period = nil
		reports = l.takeReports(time.Now())
	}
	l.mu.Unlock()
	l.write(reports)
	l.mu.Lock()
	delete(l.reporting, p)
	l.mu.Unlock()
}

// report says how many lines of a kind were held back, and for how long.
type report struct {
	kind
	count
	took time.Duration
}

// takeReports returns what was held back, of which a new period begins. The caller
// holds mu.
func (l *Limiter) takeReports(now time.Time) (list []report) {
	for k, c := range l.kinds {
		if c.more > 0 {
			list = append(list, report{k, *c, now.Sub(c.began)})
			c.more, c.began = 0, now
		}
	}
	l.prune(now)
	slices.SortFunc(list, func(a, b report) int {
		return cmp.Or(a.began.Compare(b.began), cmp.Compare(a.message, b.message), cmp.Compare(a.cause, b.cause))
	})
	return list
}

func (l *Limiter) write(reports []report) {
	for _, r := range reports {
		var args []any
		if r.name != "" {
			args = append(args, r.name, r.cause)
		}
		args = append(args, "more", r.more, "in_the_last", r.took.Round(time.Millisecond))
		l.logger.Log(context.Background(), r.level, r.message, args...)
	}
}

// kindOf returns what kind a line is of.
func kindOf(message string, args []any) kind {
	for i := 0; i+1 < len(args); i += 2 {
		switch name, _ := args[i].(string); name {
		case "error", "cause", "reason", "panic":
			var fixed interface {
				error
				LogCause() string
			}
			value := args[i+1]
			if err, ok := value.(error); ok && errors.As(err, &fixed) {
				value = fixed.LogCause()
			}
			return kind{message, name, fmt.Sprint(bounded(value))}
		}
	}
	return kind{message: message}
}

// bounded returns a value as it may be written.
func bounded(value any) any {
	switch v := value.(type) {
	case bool, int, int64, uint64, float64, uint16, time.Time, time.Duration:
		return v
	case string:
		return printable.Text(v, MaxText)
	}
	return printable.Text(fmt.Sprint(value), MaxText) // survives methods that panic
}
