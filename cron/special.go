package cron

import "strings"

// special is a rule for days whose dates depend on the month.
type special struct {
	kind specialKind
	n    int // meaning depends on kind
	day  int // weekday, for lastOfWeek and numberOfDay
}

type specialKind uint8

const (
	lastDay     specialKind = iota // n days before the last day of the month
	nearest                        // weekday nearest to day n, or to the last day if n is 0
	lastOfWeek                     // last occurrence of a weekday in the month
	numberOfDay                    // n-th occurrence of a weekday in the month
)

// days returns the day on which the rule applies, as a bit, in a month of the given length
// whose first day is on the weekday first. It returns 0 if the month has no such day.
func (x special) days(first, length int) uint32 {
	switch x.kind {
	case lastDay:
		if x.n >= length {
			return 0
		}
		return 1 << (length - x.n)
	case nearest:
		day := x.n
		if day == 0 {
			day = length
		}
		if day > length {
			return 0
		}
		switch (first + day - 1) % 7 {
		case 6: // Saturday, so use the Friday before, or the Monday after if it is the 1st
			if day--; day == 0 {
				day = 3
			}
		case 0: // Sunday, so use the Monday after, or the Friday before if it is the last day
			if day++; day > length {
				day -= 3
			}
		}
		return 1 << day
	}
	day := 1 + (x.day-first+7)%7 // first occurrence of the weekday
	switch {
	case x.kind == lastOfWeek:
		day += (length - day) / 7 * 7
	case day+7*(x.n-1) > length:
		return 0
	default:
		day += 7 * (x.n - 1)
	}
	return 1 << day
}

// special parses an item with L, W or #.
func (f field) special(text string) (x special, ok bool) {
	text = strings.ToUpper(text)
	if f.names != nil { // day of week
		if head, ok := strings.CutSuffix(text, "L"); ok && head != "" {
			day, ok := f.weekday(head)
			return special{lastOfWeek, 0, day}, ok
		}
		head, tail, ok := strings.Cut(text, "#")
		day, dayOK := f.weekday(head)
		n, nOK := number(tail)
		return special{numberOfDay, n, day}, ok && dayOK && nOK && n >= 1 && n <= 5
	}
	if text == "LW" {
		return special{kind: nearest}, true
	}
	if text == "L" {
		return special{kind: lastDay}, true
	}
	if tail, ok := strings.CutPrefix(text, "L-"); ok {
		n, ok := number(tail)
		return special{kind: lastDay, n: n}, ok && n <= 30
	}
	head, ok := strings.CutSuffix(text, "W")
	n, nOK := number(head)
	return special{kind: nearest, n: n}, ok && nOK && n >= 1 && n <= 31
}

func (f field) weekday(text string) (int, bool) {
	n, ok := number(text)
	if !ok {
		n, ok = f.names[strings.ToLower(text)]
	}
	return n % 7, ok && n <= 7
}
