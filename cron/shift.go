package cron

import "time"

// Shift describes how a change of the clocks affects an instant.
type Shift uint8

// The shifts.
const (
	ShiftNone   Shift = iota
	ShiftGap          // it stands for wall-clock times that were skipped just before
	ShiftFirst        // its wall-clock time occurs twice, and this is the first
	ShiftSecond       // its wall-clock time occurs twice, and this is the second
)

// String returns a short description, or the empty string for ShiftNone.
func (s Shift) String() string {
	switch s {
	case ShiftGap:
		return "for a time that the clocks skip"
	case ShiftFirst:
		return "the first of two"
	case ShiftSecond:
		return "the second of two"
	}
	return ""
}

// ShiftAt returns how a change of the clocks in t's location affects t, which must be an
// instant at which s is due.
func (s *Schedule) ShiftAt(t time.Time) Shift {
	loc, at := t.Location(), t.Unix()
	g := segmentAt(at, loc)
	wall := at + g.offset
	switch {
	case s.every == 0 && s.nextMatch(wall) != wall:
		return ShiftGap
	case wall < shownBefore(g.start, loc):
		return ShiftSecond
	case g.end < forever && wall >= g.end+segmentAt(g.end, loc).offset:
		return ShiftFirst
	}
	return ShiftNone
}
