package cron

import "time"

// span is a range of consecutive instants that were run, in this process or another. When the
// clock is set back they are not run again, unlike instants that were missed while it was
// ahead.
type span struct{ from, to time.Time }

// maxSpans is the maximum number of spans that are kept. Each missed instant begins a new span.
const maxSpans = 32

// noteRun notes the store's verdict about the instant at, where before is the last settled
// instant. The caller holds mu.
func (j *Job) noteRun(before, at time.Time, said Verdict) {
	switch said {
	case Forgotten:
		return // it is unknown whether the instant was run
	case Taken:
		j.counts.Elsewhere++
	}
	n := len(j.spans)
	if n > 0 && j.spans[n-1].to.Equal(before) {
		j.spans[n-1].to = at
		return
	}
	if n == maxSpans {
		copy(j.spans, j.spans[1:])
		j.spans = j.spans[:n-1]
	}
	j.spans = append(j.spans, span{at, at})
}

// hasRun reports whether an instant was run. If so, it also returns the last instant of its span.
func (j *Job) hasRun(at time.Time) (to time.Time, ok bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, s := range j.spans {
		if !at.Before(s.from) && !at.After(s.to) {
			to, ok = latest(to, s.to), true
		}
	}
	return to, ok
}

// setBack makes the schedule count from now, with new claims, after the clock was set back.
func (l *loop) setBack(now time.Time, by time.Duration) {
	text := "the clock was set back, so instants that were missed while it was ahead are due again"
	l.mu.Lock()
	if by > maxStepBack {
		text, l.spans = "the clock was set back by more than an hour, so instants that were run are due again", nil
	}
	l.cursor = now
	l.version++
	l.mu.Unlock()
	l.cfg.Logger.Warn(text, "by", by)
}
