package cron

import "time"

// span is a stretch of instants that were run, here or elsewhere, one after another. When a
// clock is set back they are not run again; what was missed while it was ahead is.
type span struct{ from, to time.Time }

// maxSpans is how many spans are kept. There is one more after each instant that was missed.
const maxSpans = 32

// noteRun notes what the store has said about an instant. The one before it is the last that
// is dealt with. The caller holds mu.
func (j *Job) noteRun(before, at time.Time, said Verdict) {
	switch said {
	case Forgotten:
		return // nobody knows
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

// hasRun reports whether an instant was run, and up to which one all after it were.
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

// setBack makes the schedule count from now again, with claims that are new, after the clock
// was set back by much.
func (l *loop) setBack(now time.Time, by time.Duration) {
	text := "the clock was set back: instants that were missed while it was ahead come again, those that were run do not"
	l.mu.Lock()
	if by > maxStepBack {
		text, l.spans = "the clock was set back: instants that were dealt with come again", nil
	}
	l.cursor = now
	l.version++
	l.mu.Unlock()
	l.cfg.Logger.Warn(text, "by", by)
}
