// Package loglimit limits log lines that clients, jobs or messages can cause in any number. The
// first line of each kind is written immediately. Further lines within a [Period] are only
// counted. One line reports the count, with the attributes of one of the latest of them as a sample,
// so that a fault that goes on keeps naming clients. Untrusted text is truncated and made printable,
// so that neither many lines nor a long one can flood the log.
package loglimit

import (
	"cmp"
	"context"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"
)

const (
	// Period is the time after a line during which further lines of its kind are only counted.
	Period = 10 * time.Second
	// MaxText is the maximum size of the text of an argument, in bytes.
	MaxText = 512

	maxCauses  = 16  // causes distinguished per message within a Period
	maxOrigins = 4   // origins distinguished per message and cause
	maxKinds   = 128 // kinds distinguished in total

	// sampleEvery is the minimum time between two samples of lines of a kind. Formatting the
	// attributes of every line of a flood would be slow.
	sampleEvery = Period / 100
)

// Limiter writes a limited number of lines to a logger. Lines are of the same kind if they have the
// same message, the same cause, which is the first attribute named error, cause, reason or panic,
// and the same attribute origin. Its methods are safe for concurrent use.
type Limiter struct {
	logger *slog.Logger

	mu      sync.Mutex
	open    bool
	kinds   map[kind]*count
	origins map[kind]int   // number of kinds by message and cause
	causes  map[string]int // number of causes by message
	pruned  time.Time

	period    *period              // current period, nil if no lines are held back or the limiter is closed
	reporting map[*period]struct{} // ended periods whose reports are being written
}

// count is the number of lines of a kind that were held back since began.
type count struct {
	level   slog.Level
	began   time.Time
	more    int
	sample  []slog.Attr // the attributes of one of the latest of them
	sampled time.Time
}

// New returns a limiter that writes to logger. The limiter is initially closed; see [Limiter.Open].
func New(logger *slog.Logger) *Limiter {
	return &Limiter{
		logger: logger, kinds: make(map[kind]*count), origins: make(map[kind]int), causes: make(map[string]int),
		reporting: make(map[*period]struct{}),
	}
}

// Open makes the limiter report the number of held-back lines at the end of each period, by means of
// a timer that [Limiter.Close] stops. A closed limiter reports it only with the next line of the
// same kind.
func (l *Limiter) Open() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open = true
}

// Close reports the lines that are still held back and stops the timer. After Close has returned, no
// goroutine of the limiter is running. Lines may still be logged, and Open may be called again.
func (l *Limiter) Close() {
	l.mu.Lock()
	l.open = false
	var wait []*period
	if p := l.period; p != nil && !p.timer.Stop() {
		wait = append(wait, p) // the timer has fired
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

// Log writes a line or counts it. The arguments are alternating names and values. A value named
// stack is trusted and written unchanged. All other values except numbers, booleans and times are
// truncated and made printable. If the text of an error varies although its cause is the same, the
// error can implement LogCause() string, whose result is then used as the cause.
func (l *Limiter) Log(level slog.Level, message string, args ...any) {
	if !l.logger.Enabled(context.Background(), level) {
		return
	}
	l.log(kindOf(message, args), level, message, func() []any { return args })
}

// LogLater is like Log, but calls args only if it needs the attributes, which is rarely the case in a
// flood. All lines with the message are of the same kind.
func (l *Limiter) LogLater(level slog.Level, message string, args func() []any) {
	if l.logger.Enabled(context.Background(), level) {
		l.log(kind{message: message}, level, message, args)
	}
}

func (l *Limiter) log(k kind, level slog.Level, message string, attributes func() []any) {
	more, note, ok, sample := l.allow(&k, level)
	if sample {
		l.keep(k, sampleOf(k, message, attributes()))
	}
	if !ok {
		return
	}
	args := attributes()
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
	l.logger.Log(context.Background(), level, message, line...) // handlers require a context
}

// allow reports whether to write a line, and otherwise whether to keep its attributes as a sample.
// It also returns how many lines of its kind were held back before, and a note to write with it. It
// replaces k by a collective kind if there are too many kinds.
func (l *Limiter) allow(k *kind, level slog.Level) (more int, note string, ok, sample bool) {
	now := time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	c := l.kinds[*k]
	if c == nil {
		if *k, note = l.room(*k, now); l.kinds[*k] == nil {
			l.add(*k, &count{level: level, began: now})
			return 0, note, true, false
		}
		c = l.kinds[*k]
	}
	c.level = max(c.level, level)
	if now.Sub(c.began) >= Period && (c.more == 0 || !l.open) { // otherwise the timer is about to report
		more = c.more
		*c = count{level: level, began: now}
		return more, note, true, false
	}
	c.more++
	if sample = now.Sub(c.sampled) >= sampleEvery; sample {
		c.sampled = now
	}
	if l.open && l.period == nil {
		p := &period{over: make(chan struct{})}
		p.timer = time.AfterFunc(c.began.Add(Period).Sub(now), func() { l.periodOver(p) })
		l.period = p
	}
	return 0, "", false, sample
}

// keep stores a sample of the lines that are held back.
func (l *Limiter) keep(k kind, sample []slog.Attr) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if c := l.kinds[k]; c != nil && c.more > 0 {
		c.sample = sample
	}
}

// period is a time span after which held-back lines are reported.
type period struct {
	timer *time.Timer
	over  chan struct{} // closed after the timer has fired and its report is written
}

// periodOver is called by the timer of p.
func (l *Limiter) periodOver(p *period) {
	defer close(p.over)
	l.mu.Lock()
	l.reporting[p] = struct{}{}
	var reports []report
	if l.period == p { // otherwise Close has reported
		l.period = nil
		reports = l.takeReports(time.Now())
	}
	l.mu.Unlock()
	l.write(reports)
	l.mu.Lock()
	delete(l.reporting, p)
	l.mu.Unlock()
}

// report is the number of lines of a kind that were held back, and for how long.
type report struct {
	kind
	count
	took time.Duration
}

// takeReports returns the lines that were held back, and starts a new period for their kinds. The
// caller holds mu.
func (l *Limiter) takeReports(now time.Time) (list []report) {
	for k, c := range l.kinds {
		if c.more > 0 {
			list = append(list, report{k, *c, now.Sub(c.began)})
			*c = count{level: c.level, began: now}
		}
	}
	l.prune(now)
	slices.SortFunc(list, func(a, b report) int {
		return cmp.Or(a.began.Compare(b.began), cmp.Compare(a.message, b.message), cmp.Compare(a.cause, b.cause), cmp.Compare(a.origin, b.origin))
	})
	return list
}

func (l *Limiter) write(reports []report) {
	for _, r := range reports {
		var args []any
		if r.name != "" {
			args = append(args, r.name, r.cause)
		}
		if r.origin != "" {
			args = append(args, "origin", r.origin)
		}
		args = append(args, "more", r.more, "in_the_last", r.took.Round(time.Millisecond))
		if len(r.sample) > 0 {
			args = append(args, "latest", slog.GroupValue(r.sample...))
		}
		l.logger.Log(context.Background(), r.level, r.message, args...)
	}
}
