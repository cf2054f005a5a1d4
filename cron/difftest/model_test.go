package difftest

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// dialect is what a library makes of patterns, where they differ. The zero value is ours.
// Beside what a dialect says there is nothing in which two libraries may differ:
// each is compared with a model of its own.
type dialect struct {
	days        dayRule
	noSeven     bool // 7 is not a day of the week
	sixIsLast   bool // N/S goes up to 6 in the days of the week, not to 7
	sevenIsZero bool // 7/S is the same as 0/S
	bigSteps    bool // a step has to be smaller than its range
	backwards   bool // ranges such as 22-2 go on at the beginning
	everything  bool // dates that never come are accepted
	lazy        bool // what is wrong in a list may be found later, or never
	horizon     int  // years after which the search ends; 0: none
	tires       int  // years after which it may have ended
	noMacros    []string
}

// dayRule says which days match when both day fields are given.
type dayRule int

const (
	orUnlessAll     dayRule = iota // either, unless one of them has all days
	orUnlessStar                   // either, unless * or */1 is in one of them
	orUnlessLeading                // either, unless one begins with *
	and                            // both
)

var dialects = map[string]dialect{
	"ignis":               {},
	"robfig/cron":         {days: orUnlessStar, noSeven: true, sixIsLast: true, everything: true, horizon: 5, noMacros: []string{"@Daily"}},
	"netresearch/go-cron": {days: and, bigSteps: true, backwards: true, everything: true, horizon: 5, noMacros: []string{"@Daily"}},
	"gronx":               {days: orUnlessLeading, sixIsLast: true, sevenIsZero: true, everything: true, lazy: true, tires: 5, noMacros: []string{"@midnight", "@every"}},
}

// model is a schedule that is slow and plain.
type model struct {
	dialect
	text  [6]string
	sets  [6][]bool
	every time.Duration
}

var expansions = map[string]string{
	"@hourly": "0 0 * * * *", "@daily": "0 0 0 * * *", "@midnight": "0 0 0 * * *", "@weekly": "0 0 0 * * 0",
	"@monthly": "0 0 0 1 * *", "@yearly": "0 0 0 1 1 *", "@annually": "0 0 0 1 1 *",
}

func (d dialect) parse(pattern string) (*model, error) {
	m := &model{dialect: d}
	for _, no := range d.noMacros {
		if strings.HasPrefix(pattern, no) {
			return nil, errors.New("no such macro")
		}
	}
	if every, ok := strings.CutPrefix(pattern, "@every "); ok {
		var err error
		m.every, err = time.ParseDuration(every)
		return m, err
	}
	if text, ok := expansions[strings.ToLower(pattern)]; ok {
		pattern = text
	}
	list := strings.Fields(pattern)
	if len(list) == 5 {
		list = append([]string{"0"}, list...)
	}
	if len(list) != 6 {
		return nil, errors.New("not six fields")
	}
	for i, text := range list {
		m.text[i] = text
		set, err := d.field(i, text)
		if err != nil {
			return nil, fmt.Errorf("field %d: %w", i, err)
		}
		m.sets[i] = set
	}
	if !d.everything && m.next(time.Unix(0, 0).UTC()).IsZero() {
		return nil, errors.New("it never comes")
	}
	return m, nil
}

func (d dialect) field(i int, text string) ([]bool, error) {
	set := make([]bool, 60)
	for part := range strings.SplitSeq(text, ",") {
		if err := d.element(i, part, set); err != nil {
			return nil, err
		}
	}
	if i == 5 && set[7] {
		set[0] = true
	}
	return set, nil
}

func (d dialect) element(i int, text string, set []bool) error {
	low, high := bounds[i][0], bounds[i][1]
	if i == 5 && d.noSeven {
		high = 6
	}
	span, stepText, stepped := strings.Cut(text, "/")
	step := 1
	if stepped {
		step, _ = strconv.Atoi(stepText)
	}
	from, to := low, high
	if span != "*" {
		a, b, isRange := strings.Cut(span, "-")
		from = number(i, a)
		to = from
		switch {
		case isRange:
			to = number(i, b)
		case stepped:
			to = high
			if i == 5 && d.sixIsLast {
				to = max(from, 6)
			}
		}
	}
	if i == 5 && d.sevenIsZero && span == "7" && stepped {
		from, to = 0, 6
	}
	size := to - from + 1
	if from > to {
		size += high - low + 1
	}
	switch {
	case step < 1:
		return errors.New("step")
	case from < low || to > high || from > high:
		return errors.New("out of range")
	case from > to && !d.backwards:
		return errors.New("backwards")
	case d.bigSteps && step > 1 && step >= size:
		return errors.New("a step as big as its range")
	}
	if from <= to {
		for v := from; v <= to; v += step {
			set[v] = true
		}
		return nil
	}
	for n := 0; n < size; n += step {
		set[low+(from-low+n)%(high-low+1)] = true
	}
	return nil
}

func number(i int, text string) int {
	if n := slices.IndexFunc(names[i], func(name string) bool { return strings.EqualFold(name, text) }); n >= 0 {
		return n + bounds[i][0]
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		return -1
	}
	return n
}

// dayMatches applies the rule of the dialect.
func (m *model) dayMatches(t time.Time) bool {
	day, weekday := m.sets[3][t.Day()], m.sets[5][t.Weekday()]
	free := false // one of the fields does not count
	switch m.days {
	case orUnlessAll:
		free = !slices.Contains(m.sets[3][1:32], false) || !slices.Contains(m.sets[5][:7], false)
	case orUnlessStar:
		free = starred(m.text[3]) || starred(m.text[5])
	case orUnlessLeading:
		free = strings.HasPrefix(m.text[3], "*") || m.text[5] == "*" || strings.HasPrefix(m.text[5], "*/")
	case and:
		free = true
	}
	if free {
		return day && weekday
	}
	return day || weekday
}

func starred(text string) bool {
	return slices.ContainsFunc(strings.Split(text, ","), func(part string) bool { return part == "*" || part == "*/1" })
}

// next looks at each day, and then at each second of a day that matches. It returns the zero
// time if there is none within the horizon, or 50 years.
func (m *model) next(after time.Time) time.Time {
	start := after.Truncate(time.Second).Add(time.Second)
	limit := start.Year() + 50
	if m.horizon > 0 {
		limit = after.Year() + m.horizon
	}
	day := time.Date(start.Year(), start.Month(), start.Day(), 0, 0, 0, 0, time.UTC)
	from := int(start.Sub(day) / time.Second)
	for ; day.Year() <= limit; day, from = day.AddDate(0, 0, 1), 0 {
		if !m.sets[4][day.Month()] || !m.dayMatches(day) {
			continue
		}
		for s := from; s < 86400; {
			switch {
			case !m.sets[2][s/3600]:
				s = (s/3600 + 1) * 3600
			case !m.sets[1][s/60%60]:
				s = (s/60 + 1) * 60
			case !m.sets[0][s%60]:
				s++
			default:
				return day.Add(time.Duration(s) * time.Second)
			}
		}
	}
	return time.Time{}
}
