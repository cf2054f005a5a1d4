package difftest

import (
	"time"
)

// reading describes how a library interprets what the libraries interpret differently. From it the
// tests compute the library's answers, so that differences are predicted rather than tolerated.
type reading struct {
	days           func(p *pattern, date time.Time, r *reading) bool
	lastWeekday    uint64 // end of N/S in the field of weekdays
	sundayStep     bool   // whether 7/S in that field begins with the Sunday before
	years          int    // how many years it searches ahead, 0 if unlimited
	everyFromStart bool   // whether @every counts from the start instead of the epoch
}

// ourReading is the reading of package cron.
var ourReading = reading{days: eitherByValue, lastWeekday: 7}

// values returns the values of a field as bits, with Sunday as 0.
func (p *pattern) values(f int, r *reading) (set uint64) {
	for _, it := range p.fields[f] {
		from, to := it.from, it.to
		if f == dayOfWeek && it.stepped && !it.ranged && !it.star {
			to = r.lastWeekday
			if from == 7 && r.sundayStep {
				from = 0
			}
		}
		for v := from; v <= to; v += it.step {
			if f == dayOfWeek {
				set |= 1 << (v % 7)
			} else {
				set |= 1 << v
			}
		}
	}
	return set
}

func has(set uint64, v int) bool { return set>>v&1 == 1 }

const (
	allDays     = 1<<32 - 2
	allWeekdays = 1<<7 - 1
)

// dayFields reports for each of the day fields whether it allows a date.
func (p *pattern) dayFields(date time.Time, r *reading) (byMonth, byWeek bool) {
	return has(p.values(dayOfMonth, r), date.Day()), has(p.values(dayOfWeek, r), int(date.Weekday()))
}

// eitherByValue allows a day that either field allows. If one field allows every day, both decide.
func eitherByValue(p *pattern, date time.Time, r *reading) bool {
	m, w := p.dayFields(date, r)
	if p.values(dayOfMonth, r) == allDays || p.values(dayOfWeek, r) == allWeekdays {
		return m && w
	}
	return m || w
}

// eitherByStar is like eitherByValue, except that both fields decide if one contains * or */1.
func eitherByStar(p *pattern, date time.Time, r *reading) bool {
	m, w := p.dayFields(date, r)
	if p.starred(dayOfMonth) || p.starred(dayOfWeek) {
		return m && w
	}
	return m || w
}

func (p *pattern) starred(f int) bool {
	for _, it := range p.fields[f] {
		if it.star && it.step == 1 {
			return true
		}
	}
	return false
}

// both allows a day that both fields allow.
func both(p *pattern, date time.Time, r *reading) bool {
	m, w := p.dayFields(date, r)
	return m && w
}

// eitherByFirst allows a day that either field allows. Both decide if the day of the month begins
// with a star, or if the day of the week is a star or begins with a star and a step.
func eitherByFirst(p *pattern, date time.Time, r *reading) bool {
	m, w := p.dayFields(date, r)
	if p.firstStar() {
		return m && w
	}
	return m || w
}

func day(year int, month time.Month, day int) time.Time {
	return time.Date(year, month, day, 0, 0, 0, 0, time.UTC)
}

// calendar is the number of years after which the calendar repeats.
const calendar = 400

// comes reports whether the day fields and the month allow any date.
func (p *pattern) comes(r reading) bool {
	if p.every > 0 {
		return true
	}
	return !p.nextDay(day(2000, 1, 1), 28, &r).IsZero() // covers all kinds of years: leap or common, starting on each weekday
}

// nextDay returns the first allowed date at or after date, or the zero time if there is none within
// the given number of years.
func (p *pattern) nextDay(date time.Time, years int, r *reading) time.Time {
	months, last := p.values(month, r), date.Year()+years
	for date.Year() <= last {
		switch {
		case !has(months, int(date.Month())):
			date = day(date.Year(), date.Month()+1, 1)
		case r.days(p, date, r):
			return date
		default:
			date = date.AddDate(0, 0, 1)
		}
	}
	return time.Time{}
}

// next returns the first instant after the given one at which p is due, or the zero time if that is
// further ahead than r searches. It is slow, but simple enough to be obviously correct.
func (p *pattern) next(after time.Time, r *reading) time.Time {
	if p.every > 0 {
		return nextEvery(p.every, after, r)
	}
	years := r.years
	if years == 0 {
		years = calendar
	}
	from := after.Truncate(time.Second).Add(time.Second)
	date := day(from.Date())
	last := date.Year() + years
	for {
		date = p.nextDay(date, last-date.Year(), r)
		if date.IsZero() {
			return date
		}
		if clock, ok := p.nextClock(max(0, from.Sub(date)), r); ok {
			return date.Add(clock)
		}
		date = date.AddDate(0, 0, 1)
	}
}

// nextClock returns the first allowed time of day at or after from.
func (p *pattern) nextClock(from time.Duration, r *reading) (time.Duration, bool) {
	seconds, minutes, hours := p.values(0, r), p.values(1, r), p.values(2, r)
	for clock := from; clock < 24*time.Hour; {
		switch {
		case !has(hours, int(clock/time.Hour)):
			clock = clock.Truncate(time.Hour) + time.Hour
		case !has(minutes, int(clock/time.Minute%60)):
			clock = clock.Truncate(time.Minute) + time.Minute
		case !has(seconds, int(clock/time.Second%60)):
			clock += time.Second
		default:
			return clock, true
		}
	}
	return 0, false
}

func nextEvery(d time.Duration, after time.Time, r *reading) time.Time {
	if r.everyFromStart {
		return after.Truncate(time.Second).Add(d)
	}
	step := int64(d / time.Second)
	return time.Unix((after.Unix()/step+1)*step, 0).UTC()
}
