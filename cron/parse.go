package cron

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Option changes what [Parse] accepts.
type Option uint8

// The options.
const (
	// Extended accepts L, W and # in the day fields; see the package's comment.
	Extended Option = iota + 1
)

// maxPattern is the length of the longest pattern in bytes.
const maxPattern = 1000

// ErrEmpty is returned by [Parse] for a pattern without anything in it.
var ErrEmpty = errors.New("cron: empty pattern: want five or six fields, such as 30 2 * * *, or @daily")

// ParseError says what is wrong with a pattern.
type ParseError struct {
	Pattern string
	Field   string // such as "minute"; empty: the pattern as a whole
	Column  int    // of the pattern, in characters from 1
	Message string // what is wrong, and what is accepted
}

// Error returns all of it.
func (e *ParseError) Error() string {
	where := ""
	if e.Field != "" {
		where = e.Field + ", "
	}
	return fmt.Sprintf("cron: %.100q: %scolumn %d: %s", e.Pattern, where, e.Column, e.Message)
}

// field is what is known about one of the fields.
type field struct {
	name     string
	min, max int
	names    map[string]int
	days     bool // may have L, W or #
}

var fields = [6]field{
	{name: "second", max: 59},
	{name: "minute", max: 59},
	{name: "hour", max: 23},
	{name: "day of month", min: 1, max: 31, days: true},
	{name: "month", min: 1, max: 12, names: months},
	{name: "day of week", max: 7, names: weekdays, days: true},
}

const dayOfMonth, dayOfWeek = 3, 5

var months = map[string]int{
	"jan": 1, "feb": 2, "mar": 3, "apr": 4, "may": 5, "jun": 6,
	"jul": 7, "aug": 8, "sep": 9, "oct": 10, "nov": 11, "dec": 12,
}

var weekdays = map[string]int{"sun": 0, "mon": 1, "tue": 2, "wed": 3, "thu": 4, "fri": 5, "sat": 6}

var macros = map[string]string{
	"@secondly": "* * * * * *",
	"@minutely": "0 * * * * *",
	"@hourly":   "0 0 * * * *",
	"@daily":    "0 0 0 * * *",
	"@midnight": "0 0 0 * * *",
	"@weekly":   "0 0 0 * * 0",
	"@weekdays": "0 0 0 * * 1-5",
	"@weekends": "0 0 0 * * 0,6",
	"@monthly":  "0 0 0 1 * *",
	"@yearly":   "0 0 0 1 1 *",
	"@annually": "0 0 0 1 1 *",
}

const macroList = "@secondly, @minutely, @hourly, @daily, @midnight, @weekly, @weekdays, @weekends, @monthly, @yearly, @annually, or @every with a time such as 90s"

// Parse returns the schedule of a pattern; the package's comment says what that may
// be. A pattern that is not accepted, or that is never due, has an error that
// is [ErrEmpty] or a [*ParseError].
func Parse(pattern string, options ...Option) (*Schedule, error) {
	p := parser{pattern: pattern}
	for _, o := range options {
		p.extended = p.extended || o == Extended
	}
	text := strings.Trim(pattern, blanks)
	switch {
	case text == "":
		return nil, ErrEmpty
	case len(pattern) > maxPattern:
		return nil, p.fail("", 0, "longer than %d bytes", maxPattern)
	case text[0] == '@':
		return p.macro(text)
	case strings.HasPrefix(text, "CRON_TZ=") || strings.HasPrefix(text, "TZ="):
		return nil, p.fail("", strings.Index(pattern, text), "a pattern has no time zone in it: that is a setting of its own, such as Zone of a job, zone: in a file or --tz")
	}
	return p.schedule(text)
}

// MustParse is [Parse] for patterns that are in the program: it panics where Parse
// returns an error.
func MustParse(pattern string, options ...Option) *Schedule {
	s, err := Parse(pattern, options...)
	if err != nil {
		panic(err)
	}
	return s
}

const blanks = " \t\n\v\f\r"

type parser struct {
	pattern  string
	extended bool
}

// fail returns an error for what is at an offset of the pattern.
func (p *parser) fail(name string, at int, format string, args ...any) error {
	return &ParseError{p.pattern, name, 1 + len([]rune(p.pattern[:at])), fmt.Sprintf(format, args...)}
}

func (p *parser) macro(text string) (*Schedule, error) {
	if p.pattern[0] != '@' {
		return nil, p.fail("", 0, "a pattern that begins with @ has no blanks before it")
	}
	words, _ := p.split()
	word := strings.ToLower(words[0])
	if word == "@every" && len(words) == 2 {
		return p.every(text, words[1])
	}
	pattern, ok := macros[word]
	if !ok || len(words) > 1 {
		return nil, p.fail("", 0, "want %s", macroList)
	}
	s, err := p.schedule(pattern)
	if s != nil {
		s.pattern = text
	}
	return s, err
}

func (p *parser) every(text, rest string) (*Schedule, error) {
	d, err := time.ParseDuration(rest)
	if err != nil || d < time.Second || d%time.Second != 0 {
		return nil, p.fail("", len("@every"), "want whole seconds, at least one, such as @every 90s or @every 1h30m")
	}
	return &Schedule{pattern: text, every: d}, nil
}

// schedule parses fields. Positions are those in p.pattern, of which text is a part.
func (p *parser) schedule(text string) (*Schedule, error) {
	if strings.HasPrefix(p.pattern, "@") {
		p.pattern = text
	}
	words, at := p.split()
	switch {
	case len(words) < 5:
		return nil, p.fail("", len(p.pattern), "%d fields, want five (minute, hour, day of month, month, day of week), or six with the second before them", len(words))
	case len(words) > 6:
		return nil, p.fail("", at[6], "%d fields, want five or six", len(words))
	case len(words) == 5:
		words, at = append([]string{"0"}, words...), append([]int{0}, at...)
	}
	s := &Schedule{pattern: text}
	var sets [6]uint64
	for i, f := range fields {
		var err error
		if sets[i], err = p.field(f, words[i], at[i], s); err != nil {
			return nil, err
		}
	}
	weekday := sets[dayOfWeek] | sets[dayOfWeek]>>7 // 7 is 0
	s.second, s.minute, s.hour = sets[0], sets[1], uint32(sets[2])
	s.day, s.month, s.weekday = uint32(sets[dayOfMonth]), uint16(sets[4]), uint8(weekday&allWeekdays)
	s.anyDay, s.anyWeekday = s.day == allDays, s.weekday == allWeekdays
	if s.anyDay || s.anyWeekday {
		s.dropSpecial()
	}
	if !s.comes() {
		return nil, p.fail("day of month", at[dayOfMonth], "no month that is allowed has such a day")
	}
	return s, nil
}

// dropSpecial leaves out the rules that a field without restrictions makes idle.
func (s *Schedule) dropSpecial() {
	kept := s.special[:0]
	for _, x := range s.special {
		ofWeek := x.kind == lastOfWeek || x.kind == numberOfDay
		if ofWeek && !s.anyWeekday || !ofWeek && !s.anyDay {
			kept = append(kept, x)
		}
	}
	s.special = kept
}

// comes reports whether there is any day on which s is due.
func (s *Schedule) comes() bool {
	for year := 2000; year < 2400; year++ {
		for month := range 12 {
			if s.days(year, month+1) != 0 {
				return true
			}
		}
	}
	return false
}

// split returns the words of the pattern and where they begin.
func (p *parser) split() (words []string, at []int) {
	for i := 0; i < len(p.pattern); {
		if strings.IndexByte(blanks, p.pattern[i]) >= 0 {
			i++
			continue
		}
		end := strings.IndexAny(p.pattern[i:], blanks)
		if end < 0 {
			end = len(p.pattern) - i
		}
		words, at = append(words, p.pattern[i:i+end]), append(at, i)
		i += end
	}
	return words, at
}

// field returns the values that a field allows. What cannot be said by values
// goes to s.
func (p *parser) field(f field, text string, at int, s *Schedule) (set uint64, err error) {
	for {
		item, rest, more := strings.Cut(text, ",")
		if item == "" {
			return 0, p.fail(f.name, at, "an empty place in a list; want %s", f.accepts(p.extended))
		}
		values, err := p.item(f, item, at, s)
		if err != nil {
			return 0, err
		}
		set |= values
		if !more {
			return set, nil
		}
		text, at = rest, at+len(item)+1
	}
}

// accepts says what may be in a field.
func (f field) accepts(extended bool) string {
	text := fmt.Sprintf("%d to %d", f.min, f.max)
	switch {
	case f.name == "month":
		text += " or jan to dec"
	case f.names != nil:
		text += " or sun to sat"
	}
	text += ", *, ranges such as 1-5, steps such as */5"
	if f.days && extended {
		text += map[bool]string{false: ", L, L-3, 15W, LW", true: ", 5L, 5#2"}[f.names != nil]
	}
	return text
}

// item parses one part of a list.
func (p *parser) item(f field, text string, at int, s *Schedule) (uint64, error) {
	if f.days && p.extended {
		if x, ok := f.special(text); ok {
			s.special = append(s.special, x)
			return 0, nil
		}
	}
	span, step, stepped := strings.Cut(text, "/")
	from, to := f.min, f.max
	if span != "*" {
		first, last, ranged := strings.Cut(span, "-")
		var err error
		if from, err = p.value(f, first, at, text); err != nil {
			return 0, err
		}
		switch {
		case ranged:
			if to, err = p.value(f, last, at+len(first)+1, text); err != nil {
				return 0, err
			}
			if to == 0 && f.max == 7 && strings.EqualFold(last, "sun") && from > 0 {
				to = 7 // the Sunday at the end of the week
			}
			if to < from {
				return 0, p.fail(f.name, at, "the range %s goes backwards; write it as two, with a comma between", span)
			}
		case !stepped:
			to = from
		}
	}
	by := 1
	if stepped {
		var ok bool
		if by, ok = number(step); !ok || by == 0 {
			return 0, p.fail(f.name, at+len(span)+1, "the step %.20q is not a number from 1", step)
		}
	}
	var set uint64
	for v := from; v <= to; v += by {
		set |= 1 << v
	}
	return set, nil
}

// value parses a number or a name.
func (p *parser) value(f field, text string, at int, item string) (int, error) {
	n, ok := number(text)
	if !ok {
		n, ok = f.names[strings.ToLower(text)]
	}
	switch {
	case !ok && item == "?":
		return 0, p.fail(f.name, at, "there is no ?: write * for all")
	case !ok && text == "":
		return 0, p.fail(f.name, at, "%.20q is not complete; want %s", item, f.accepts(p.extended))
	case !ok && f.days && !p.extended && strings.ContainsAny(item, "lLwW#"):
		return 0, p.fail(f.name, at, "%.20q needs the option Extended; without it want %s", item, f.accepts(false))
	case !ok:
		return 0, p.fail(f.name, at, "%.20q is no value; want %s", text, f.accepts(p.extended))
	case n < f.min || n > f.max:
		return 0, p.fail(f.name, at, "%s is out of range; want %s", text, f.accepts(p.extended))
	}
	return n, nil
}

// number parses digits; what is more than four of them is as good as 9999.
func number(text string) (n int, ok bool) {
	for _, b := range []byte(text) {
		if b < '0' || b > '9' {
			return 0, false
		}
		n = min(n*10+int(b-'0'), 9999)
	}
	return n, text != ""
}
