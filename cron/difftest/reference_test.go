package difftest

import (
	"time"
)

// reading is how a library reads what the libraries read differently. The tests know
// each library's answers by it: they are computed, not excused.
type reading struct {
	days           func(p *pattern, date time.Time, r *reading) bool
	lastWeekday    uint64 // where N/S ends in the field of weekdays
	sundayStep     bool   // 7/S there begins with the Sunday before
	years          int    // how many it looks ahead; 0: all
	everyFromStart bool   // @every counts from the instant, not from the epoch
}

// ourReading is that of package cron.
var ourReading = reading{days: eitherByValue, lastWeekday: 7}

// values returns the values of a field as bits; Sunday is 0.
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

// dayFields reports whether each of the day fields allows a date.
func (p *pattern) dayFields(date time.Time, r *reading) (byMonth, byWeek bool) {
	return has(p.values(dayOfMonth, r), date.Day()), has(p.values(dayOfWeek, r), int(date.Weekday()))
}

// eitherByValue: a day that either field allows, unless one of them leaves nothing out.
func eitherByValue(p *pattern, date time.Time, r *reading) bool {
	m, w := p.dayFields(date, r)
	if p.values(dayOfMonth, r) == allDays || p.values(dayOfWeek, r) == allWeekdays {
		return m && w
	}
	return m || w
}

// eitherByStar: the same, where a field leaves nothing out if a part of it is * or */1.
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

// both: a day that both fields allow.
func both(p *pattern, date time.Time, r *reading) bool {
	m, w := p.dayFields(date, r)
	return m && w
}

// eitherByFirst: a day that either field allows, unless that of days begins with a star,
// or that of weekdays is one or begins with a step of all.
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

// calendar is how long the calendar takes until it repeats itself.
const calendar = 400

// comes reports whether there is any date that the day fields and the month allow.
func (p *pattern) comes(r reading) bool {
	if p.every > 0 {
		return true
	}
	return !p.nextDay(day(2000, 1, 1), 28, &r).IsZero() // all years that there are: leap or not, from each weekday
}

// nextDay returns the first date from one on that is allowed, or none within so many years.
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

// next returns when p is due after an instant, or the zero time if that is further away
// than r looks. It is slow, and so simple that it can be believed.
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

// nextClock returns the first time of day that is allowed and not before from.
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
