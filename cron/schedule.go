package cron

import (
	"time"
)

// Schedule says when something is due. It is made by [Parse], never changes, and
// may be used by any number of goroutines.
type Schedule struct {
	pattern string
	every   time.Duration // of @every; then nothing else counts

	second, minute uint64 // bits 0 to 59
	hour           uint32 // bits 0 to 23
	day            uint32 // bits 1 to 31
	month          uint16 // bits 1 to 12
	weekday        uint8  // bits 0 to 6
	special        []special

	anyDay, anyWeekday bool // the field leaves nothing out
}

const (
	allSixty    = 1<<60 - 1
	allHours    = 1<<24 - 1
	allDays     = 1<<32 - 2
	allMonths   = 1<<13 - 2
	allWeekdays = 1<<7 - 1
)

// String returns the pattern that the schedule was made from, without the blanks
// around it.
func (s *Schedule) String() string { return s.pattern }

// Next returns the first instant after another at which s is due, in that one's
// location. The fraction of a second is 0. Every schedule has a next instant.
func (s *Schedule) Next(after time.Time) time.Time {
	if s.every > 0 {
		return s.nextEvery(after)
	}
	loc := after.Location()
	at := after.Unix()
	if s.hour == allHours {
		return time.Unix(s.nextReal(at, loc), 0).In(loc)
	}
	return time.Unix(s.nextWall(at, loc), 0).In(loc)
}

// Prev returns the last instant before another at which s was due, in that one's
// location.
func (s *Schedule) Prev(before time.Time) time.Time {
	if s.every > 0 {
		return s.prevEvery(before)
	}
	loc := before.Location()
	at := before.Unix()
	if before.Nanosecond() > 0 {
		at++ // what is due in this very second was before
	}
	if s.hour == allHours {
		return time.Unix(s.prevReal(at, loc), 0).In(loc)
	}
	return time.Unix(s.prevWall(at, loc), 0).In(loc)
}

// NextN returns the n instants after another at which s is due.
func (s *Schedule) NextN(after time.Time, n int) []time.Time {
	list := make([]time.Time, 0, max(0, n))
	for range n {
		after = s.Next(after)
		list = append(list, after)
	}
	return list
}

// nextEvery counts from the Unix epoch: a pure function of the instant.
func (s *Schedule) nextEvery(after time.Time) time.Time {
	step := int64(s.every / time.Second)
	n := floorDiv(after.Unix(), step) + 1
	return time.Unix(n*step, 0).In(after.Location())
}

func (s *Schedule) prevEvery(before time.Time) time.Time {
	step := int64(s.every / time.Second)
	at := before.Unix()
	if before.Nanosecond() > 0 {
		at++
	}
	return time.Unix(floorDiv(at-1, step)*step, 0).In(before.Location())
}

// segment is a stretch of time in which the clocks of a place show instant plus
// offset. Instants are seconds since the Unix epoch; a wall time is the instant at
// which the clocks of UTC show the same.
type segment struct {
	start, end int64 // end is not in it
	offset     int64
}

const (
	never   = -1 << 62
	forever = 1 << 62
)

// segmentAt returns the segment that an instant is in.
func segmentAt(at int64, loc *time.Location) segment {
	t := time.Unix(at, 0).In(loc)
	_, offset := t.Zone()
	from, to := t.ZoneBounds()
	g := segment{never, forever, int64(offset)}
	if !from.IsZero() {
		g.start = min(from.Unix(), at)
	}
	if !to.IsZero() {
		g.end = to.Unix()
	}
	// Behind the last change that it knows by date, package time ends what it returns
	// with the year, and leap years a day early: on that day it has an end that is over.
	if g.end <= at {
		g.end = (floorDiv(at, daySeconds) + 1) * daySeconds
	}
	return g
}

// nextReal returns the first match after an instant, of clocks as they are.
func (s *Schedule) nextReal(at int64, loc *time.Location) int64 {
	g := segmentAt(at, loc)
	wall := at + g.offset + 1
	for {
		w := s.nextMatch(wall)
		if w-g.offset < g.end {
			return w - g.offset
		}
		from := max(g.end, w-g.offset-farAway)
		g = segmentAt(from, loc)
		wall = from + g.offset
	}
}

func (s *Schedule) prevReal(at int64, loc *time.Location) int64 {
	g := segmentAt(at-1, loc)
	wall := at + g.offset - 1
	for {
		w := s.prevMatch(wall)
		if w-g.offset >= g.start {
			return w - g.offset
		}
		end := min(g.start, w-g.offset+farAway)
		g = segmentAt(end-1, loc)
		wall = end + g.offset - 1
	}
}

// nextWall returns the first instant after another at which a matching wall time
// is due. The instants of wall times never decrease with them.
func (s *Schedule) nextWall(at int64, loc *time.Location) int64 {
	g := segmentAt(at, loc)
	wall := at + g.offset + 1
	if at-g.start < longestShift {
		wall = max(wall, shownBefore(g.start, loc)) // the rest was due then
	}
	for {
		w := s.nextMatch(wall)
		if w-g.offset < g.end {
			return w - g.offset
		}
		g = segmentAt(max(g.end, w-g.offset-farAway), loc)
		if w < g.start+g.offset {
			return g.start // skipped
		}
		wall = max(w, g.start+g.offset, shownBefore(g.start, loc))
	}
}

func (s *Schedule) prevWall(at int64, loc *time.Location) int64 {
	g := segmentAt(at-1, loc)
	for {
		w := s.prevMatch(at + g.offset - 1)
		if w-g.offset >= g.start+longestShift {
			return w - g.offset
		}
		shown := shownBefore(g.start, loc)
		switch {
		case w < shown: // was due in an earlier segment
		case w >= g.start+g.offset:
			return w - g.offset
		default:
			return g.start // skipped
		}
		at = min(g.start, w-g.offset+farAway)
		g = segmentAt(at-1, loc)
	}
}

// longestShift is longer than the clocks of any place were ever set back at once.
const longestShift = 25 * 3600

// farAway is how long before and after a match the clocks have to be looked at; the
// segments up to there have nothing in them.
const farAway = 2 * longestShift

// shownBefore returns the wall time up to which the clocks of a place had come
// before an instant, the latest one if they were set back.
func shownBefore(at int64, loc *time.Location) int64 {
	shown := int64(never)
	for from := at - longestShift; at > from && at > never; {
		g := segmentAt(at-1, loc)
		shown = max(shown, at+g.offset)
		at = g.start
	}
	return shown
}
