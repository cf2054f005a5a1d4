package cron

import "time"

// Shift says what a change of the clocks has to do with an instant.
type Shift uint8

// The shifts.
const (
	NoShift    Shift = iota
	MadeUp           // the schedule names times that were skipped just before
	ComesTwice       // the clocks show this time for the first of two times
	ComesAgain       // and for the second
)

// String returns a few words for people; empty for NoShift.
func (s Shift) String() string {
	switch s {
	case MadeUp:
		return "for a time that the clocks skip"
	case ComesTwice:
		return "the first of two"
	case ComesAgain:
		return "the second of two"
	}
	return ""
}

// ShiftAt returns what a change of the clocks, in t's location, has to do with t,
// at which s is due.
func (s *Schedule) ShiftAt(t time.Time) Shift {
	loc, at := t.Location(), t.Unix()
	g := segmentAt(at, loc)
	wall := at + g.offset
	switch {
	case s.every == 0 && s.nextMatch(wall) != wall:
		return MadeUp
	case wall < shownBefore(g.start, loc):
		return ComesAgain
	case g.end < forever && wall >= g.end+segmentAt(g.end, loc).offset:
		return ComesTwice
	}
	return NoShift
}
