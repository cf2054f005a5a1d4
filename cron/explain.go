package cron

import (
	"fmt"
	"math/bits"
	"strings"
	"time"
)

// Explain describes in words when s is due, such as "At 02:30, on Monday to Friday".
func (s *Schedule) Explain() string {
	if s.every > 0 {
		return fmt.Sprintf("Every %v, counted from 1 January 1970 UTC", s.every)
	}
	text := s.explainTime()
	if days := s.explainDays(); days != ", every day" || s.hour != allHours {
		text += days // omitted for "every minute", which implies every day
	}
	if s.month != allMonths {
		text += ", in " + ranges(values(uint64(s.month)), func(m int) string { return time.Month(m).String() })
	}
	return strings.ToUpper(text[:1]) + text[1:]
}

// maxTimes is the maximum number of times of day that are listed individually.
const maxTimes = 12

func (s *Schedule) explainTime() string {
	hours, minutes, seconds := values(uint64(s.hour)), values(s.minute), values(s.second)
	if n := len(hours) * len(minutes) * len(seconds); n <= maxTimes {
		var times []string
		for _, h := range hours {
			for _, m := range minutes {
				for _, sec := range seconds {
					t := fmt.Sprintf("%02d:%02d", h, m)
					if s.second != 1 {
						t += fmt.Sprintf(":%02d", sec)
					}
					times = append(times, t)
				}
			}
		}
		return "at " + join(times)
	}
	var parts []string
	if s.second != 1 {
		parts = append(parts, at(unit(s.second, 60, "second")))
	}
	switch {
	case s.minute != allSixty || s.second == 1:
		if s.minute == 1 && s.hour == allHours && s.second == 1 {
			return "at the start of every hour"
		}
		parts = append(parts, at(unit(s.minute, 60, "minute")))
	case s.second != allSixty && step(s.second, 60) == 0:
		parts[0] += " of every minute"
	}
	if s.hour != allHours {
		parts = append(parts, "in "+unit(uint64(s.hour), 24, "hour"))
	} else if s.minute != allSixty && step(s.minute, 60) == 0 {
		parts[len(parts)-1] += " of every hour"
	}
	return strings.Join(parts, ", ")
}

// at prefixes text with "at" unless it begins with "every".
func at(text string) string {
	if strings.HasPrefix(text, "every") {
		return text
	}
	return "at " + text
}

// unit describes a set of seconds, minutes or hours.
func unit(set uint64, n int, name string) string {
	list := values(set)
	switch by := step(set, n); {
	case len(list) == n:
		return "every " + name
	case by > 0:
		return fmt.Sprintf("every %s %s", ordinal(by), name)
	}
	many := ""
	if len(list) > 1 {
		many = "s"
	}
	return name + many + " " + ranges(list, func(v int) string { return fmt.Sprint(v) })
}

// step returns the step of a set of values that starts at 0 and continues evenly up to n. It
// returns 0 for any other set.
func step(set uint64, n int) int {
	list := values(set)
	if len(list) < 3 || list[0] != 0 {
		return 0
	}
	by := list[1]
	for i, v := range list {
		if v != i*by {
			return 0
		}
	}
	if list[len(list)-1]+by < n {
		return 0
	}
	return by
}

func (s *Schedule) explainDays() string {
	var day, weekday []string
	if !s.anyDay && s.day != 0 {
		list := values(uint64(s.day))
		if by := stepFromOne(list); by > 0 {
			day = append(day, fmt.Sprintf("every %s day from the 1st", ordinal(by)))
		} else {
			day = append(day, "the "+ranges(list, ordinal))
		}
	}
	if !s.anyWeekday && s.weekday != 0 {
		weekday = append(weekday, ranges(values(uint64(s.weekday)), func(d int) string { return time.Weekday(d).String() }))
	}
	for _, x := range s.special {
		if x.kind == lastOfWeek || x.kind == numberOfDay {
			weekday = append(weekday, x.String())
		} else {
			day = append(day, x.String())
		}
	}
	all := append(day, weekday...)
	if len(all) == 0 {
		return ", every day"
	}
	text := ", on " + strings.Join(all, " or ")
	if len(day) > 0 {
		return strings.Replace(text, strings.Join(day, " or "), strings.Join(day, " or ")+" of the month", 1)
	}
	return text
}

// stepFromOne returns the step of days that start at 1 and continue evenly to the end of the
// month. It returns 0 for any other days.
func stepFromOne(list []int) int {
	if len(list) < 4 || list[0] != 1 {
		return 0
	}
	by := list[1] - 1
	for i, v := range list {
		if v != 1+i*by {
			return 0
		}
	}
	if by == 1 || list[len(list)-1]+by <= 31 {
		return 0
	}
	return by
}

// String describes the rule in words.
func (x special) String() string {
	switch {
	case x.kind == lastDay && x.n == 0:
		return "the last day"
	case x.kind == lastDay:
		return fmt.Sprintf("the %s day before the last", ordinal(x.n))
	case x.kind == nearest && x.n == 0:
		return "the last weekday"
	case x.kind == nearest:
		return fmt.Sprintf("the weekday nearest to the %s", ordinal(x.n))
	case x.kind == lastOfWeek:
		return fmt.Sprintf("the last %v of the month", time.Weekday(x.day))
	}
	return fmt.Sprintf("the %s %v of the month", ordinal(x.n), time.Weekday(x.day))
}

// values returns the positions of the bits that are set.
func values(set uint64) (list []int) {
	for ; set != 0; set &= set - 1 {
		list = append(list, bits.TrailingZeros64(set))
	}
	return list
}

// ranges lists values, with three or more consecutive ones written as a range.
func ranges(values []int, name func(int) string) string {
	var words []string
	for i := 0; i < len(values); {
		j := i
		for j+1 < len(values) && values[j+1] == values[j]+1 {
			j++
		}
		if j-i < 2 {
			words = append(words, name(values[i]))
			i++
			continue
		}
		words = append(words, name(values[i])+" to "+name(values[j]))
		i = j + 1
	}
	return join(words)
}

// join joins words with commas, and with "and" before the last one.
func join(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " and " + words[last]
}

func ordinal(n int) string {
	suffix := "th"
	if n%100/10 != 1 {
		switch n % 10 {
		case 1:
			suffix = "st"
		case 2:
			suffix = "nd"
		case 3:
			suffix = "rd"
		}
	}
	return fmt.Sprint(n, suffix)
}
