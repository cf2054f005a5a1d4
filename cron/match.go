package cron

import (
	"math/bits"
	"time"
)

// date is a day of the calendar.
type date struct{ year, month, day int }

// daySeconds is the length of a calendar day in seconds.
const daySeconds = 86400

// nextMatch returns the first matching wall time at or after wall.
func (s *Schedule) nextMatch(wall int64) int64 {
	d, rest := dateOf(wall), int(floorMod(wall, daySeconds))
	if days := s.days(d.year, d.month); days>>d.day&1 == 1 {
		if clock, ok := s.nextClock(rest); ok {
			return wall - int64(rest) + int64(clock)
		}
	}
	clock, _ := s.nextClock(0)
	d.day++
	for range 12 * 401 { // the calendar repeats every 400 years
		if left := s.days(d.year, d.month) >> d.day << d.day; left != 0 {
			d.day = bits.TrailingZeros32(left)
			return daysOf(d)*daySeconds + int64(clock)
		}
		d.nextMonth(s.month)
	}
	panic("cron: schedule is never due") // Parse rejects such patterns
}

// prevMatch returns the last matching wall time at or before wall.
func (s *Schedule) prevMatch(wall int64) int64 {
	d, rest := dateOf(wall), int(floorMod(wall, daySeconds))
	if days := s.days(d.year, d.month); days>>d.day&1 == 1 {
		if clock, ok := s.prevClock(rest); ok {
			return wall - int64(rest) + int64(clock)
		}
	}
	clock, _ := s.prevClock(daySeconds - 1)
	mask := uint32(1)<<d.day - 1 // the days before
	for range 12 * 401 {
		if left := s.days(d.year, d.month) & mask; left != 0 {
			d.day = bits.Len32(left) - 1
			return daysOf(d)*daySeconds + int64(clock)
		}
		d.prevMonth(s.month)
		mask = ^uint32(0)
	}
	panic("cron: schedule is never due")
}

// nextMonth sets d to the first day of the next allowed month.
func (d *date) nextMonth(allowed uint16) {
	if later := allowed >> (d.month + 1) << (d.month + 1); later != 0 {
		d.month = bits.TrailingZeros16(later)
	} else {
		d.year++
		d.month = bits.TrailingZeros16(allowed)
	}
	d.day = 1
}

// prevMonth sets the month and year of d to those of the previous allowed month.
func (d *date) prevMonth(allowed uint16) {
	if earlier := allowed & (1<<d.month - 1); earlier != 0 {
		d.month = bits.Len16(earlier) - 1
	} else {
		d.year--
		d.month = bits.Len16(allowed) - 1
	}
}

// nextClock returns the first allowed time of day at or after from, in seconds since midnight.
func (s *Schedule) nextClock(from int) (clock int, ok bool) {
	h, m, sec := from/3600, from/60%60, from%60
	if s.hour>>h&1 == 1 {
		if s.minute>>m&1 == 1 {
			if left := s.second >> sec; left != 0 {
				return from + bits.TrailingZeros64(left), true
			}
		}
		if left := s.minute >> (m + 1); left != 0 {
			m += 1 + bits.TrailingZeros64(left)
			return h*3600 + m*60 + bits.TrailingZeros64(s.second), true
		}
	}
	left := s.hour >> (h + 1)
	if left == 0 {
		return 0, false
	}
	h += 1 + bits.TrailingZeros32(left)
	return h*3600 + bits.TrailingZeros64(s.minute)*60 + bits.TrailingZeros64(s.second), true
}

// prevClock returns the last allowed time of day at or before from, in seconds since midnight.
func (s *Schedule) prevClock(from int) (clock int, ok bool) {
	h, m, sec := from/3600, from/60%60, from%60
	lastSecond := bits.Len64(s.second) - 1
	if s.hour>>h&1 == 1 {
		if s.minute>>m&1 == 1 {
			if left := s.second & (2<<sec - 1); left != 0 {
				return h*3600 + m*60 + bits.Len64(left) - 1, true
			}
		}
		if left := s.minute & (1<<m - 1); left != 0 {
			return h*3600 + (bits.Len64(left)-1)*60 + lastSecond, true
		}
	}
	left := s.hour & (1<<h - 1)
	if left == 0 {
		return 0, false
	}
	h = bits.Len32(left) - 1
	return h*3600 + (bits.Len64(s.minute)-1)*60 + lastSecond, true
}

// days returns the allowed days of a month as bits 1 to 31.
func (s *Schedule) days(year, month int) uint32 {
	if s.month>>month&1 == 0 {
		return 0
	}
	length := daysIn(year, month)
	exists := uint32(2)<<length - 2
	switch {
	case s.anyDay && s.anyWeekday:
		return exists
	case s.anyWeekday && len(s.special) == 0:
		return s.day & exists
	}
	first := int(floorMod(daysOf(date{year, month, 1})+4, 7)) // weekday of the first of the month
	var days uint32
	if !s.anyDay {
		days = s.day & exists
	}
	if !s.anyWeekday {
		week := uint64(s.weekday) * 0x0102_0408_1020_4081 // repeats the seven bits
		days |= uint32(week>>first<<1) & exists
	}
	for _, x := range s.special {
		days |= x.days(first, length)
	}
	return days
}

// daysIn returns the number of days in a month.
func daysIn(year, month int) int {
	if month == 2 {
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	}
	return 30 + (month+month>>3)&1
}

// daysOf returns the number of days from 1 January 1970 to d.
func daysOf(d date) int64 {
	return time.Date(d.year, time.Month(d.month), d.day, 0, 0, 0, 0, time.UTC).Unix() / daySeconds
}

// dateOf returns the date of a wall time.
func dateOf(wall int64) date {
	year, month, day := time.Unix(wall, 0).UTC().Date()
	return date{year, int(month), day}
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

func floorMod(a, b int64) int64 { return a - floorDiv(a, b)*b }
