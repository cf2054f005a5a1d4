package cron

import (
	"time"
)

// Schedule describes when something is due. It is created by [Parse], is immutable, and is safe
// for concurrent use.
type Schedule struct {
	pattern string
	every   time.Duration // interval of @every; if set, the other fields are unused

	second, minute uint64 // bits 0 to 59
	hour           uint32 // bits 0 to 23
	day            uint32 // bits 1 to 31
	month          uint16 // bits 1 to 12
	weekday        uint8  // bits 0 to 6
	special        []special

	anyDay, anyWeekday bool // whether the field allows every day
}

const (
	allSixty    = 1<<60 - 1
	allHours    = 1<<24 - 1
	allDays     = 1<<32 - 2
	allMonths   = 1<<13 - 2
	allWeekdays = 1<<7 - 1
)

// String returns the pattern from which the schedule was parsed, without surrounding blanks.
func (s *Schedule) String() string { return s.pattern }

// Next returns the first instant after the given time at which s is due, in the location of
// that time. The instant is a whole second. Every schedule has a next instant.
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

// Prev returns the last instant before the given time at which s was due, in the location of
// that time.
func (s *Schedule) Prev(before time.Time) time.Time {
	if s.every > 0 {
		return s.prevEvery(before)
	}
	loc := before.Location()
	at := before.Unix()
	if before.Nanosecond() > 0 {
		at++ // an instant at the start of this second was before
	}
	if s.hour == allHours {
		return time.Unix(s.prevReal(at, loc), 0).In(loc)
	}
	return time.Unix(s.prevWall(at, loc), 0).In(loc)
}

// NextN returns the first n instants after the given time at which s is due.
func (s *Schedule) NextN(after time.Time, n int) []time.Time {
	list := make([]time.Time, 0, max(0, n))
	for range n {
		after = s.Next(after)
		list = append(list, after)
	}
	return list
}

// nextEvery returns the next multiple of s.every since the Unix epoch.
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

// segment is a period in which the wall clocks of a location have a constant offset from UTC.
// Instants are seconds since the Unix epoch. A wall time is the instant at which a clock in UTC
// shows that time.
type segment struct {
	start, end int64 // end is exclusive
	offset     int64
}

const (
	never   = -1 << 62
	forever = 1 << 62
)

// segmentAt returns the segment that contains an instant.
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
	// After the last transition in its table, package time computes bounds that end with
	// the year, a day early in leap years. On that day the end that it returns has passed.
	if g.end <= at {
		g.end = (floorDiv(at, daySeconds) + 1) * daySeconds
	}
	return g
}

// nextReal returns the first instant after another at which the wall clock shows a match.
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

// prevReal returns the last instant before another at which the wall clock shows a match.
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

// nextWall returns the first instant after another at which a matching wall time is due, with
// skipped and repeated times due once. Instants never decrease as wall times increase.
func (s *Schedule) nextWall(at int64, loc *time.Location) int64 {
	g := segmentAt(at, loc)
	wall := at + g.offset + 1
	if at-g.start < longestShift {
		wall = max(wall, shownBefore(g.start, loc)) // earlier wall times were due before
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

// prevWall returns the last instant before another at which a matching wall time was due.
func (s *Schedule) prevWall(at int64, loc *time.Location) int64 {
	g := segmentAt(at-1, loc)
	for {
		w := s.prevMatch(at + g.offset - 1)
		if w-g.offset >= g.start+longestShift {
			return w - g.offset
		}
		shown := shownBefore(g.start, loc)
		switch {
		case w < shown: // due in an earlier segment
		case w >= g.start+g.offset:
			return w - g.offset
		default:
			return g.start // skipped
		}
		at = min(g.start, w-g.offset+farAway)
		g = segmentAt(at-1, loc)
	}
}

// longestShift exceeds the largest amount, in seconds, by which the clocks of any location were
// ever set back in a single step.
const longestShift = 25 * 3600

// farAway is how far from a match its segment may begin or end. Segments that are further away
// contain no match and are skipped.
const farAway = 2 * longestShift

// shownBefore returns the latest wall time that the clocks of a location had reached before an
// instant, even if they were set back since.
func shownBefore(at int64, loc *time.Location) int64 {
	shown := int64(never)
	for from := at - longestShift; at > from && at > never; {
		g := segmentAt(at-1, loc)
		shown = max(shown, at+g.offset)
		at = g.start
	}
	return shown
}
