package cron

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// ParseOption extends what [Parse] accepts.
type ParseOption uint8

// The options.
const (
	// Extended accepts L, W and # in the day fields, as described in the package
	// documentation.
	Extended ParseOption = iota + 1
)

// maxPattern is the maximum length of a pattern in bytes.
const maxPattern = 1000

// ErrEmptyPattern is returned by [Parse] if the pattern is empty or blank.
var ErrEmptyPattern = errors.New("cron: empty pattern, want five or six fields such as 30 2 * * *, or a macro such as @daily")

// ParseError describes an invalid pattern.
type ParseError struct {
	Pattern string
	Field   string // field such as "minute", empty if the pattern as a whole is invalid
	Column  int    // position in the pattern, in characters starting at 1
	Message string // what is wrong and what would be accepted
}

// Error returns a message with the pattern, the position and the problem.
func (e *ParseError) Error() string {
	where := ""
	if e.Field != "" {
		where = e.Field + ", "
	}
	return fmt.Sprintf("cron: %.100q: %scolumn %d: %s", e.Pattern, where, e.Column, e.Message)
}

// field describes one of the fields.
type field struct {
	name     string
	min, max int
	names    map[string]int
	days     bool // whether L, W and # are allowed
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

const macroList = "@secondly, @minutely, @hourly, @daily, @midnight, @weekly, @weekdays, @weekends, @monthly, @yearly, @annually, or @every with a duration such as 90s"

// Parse parses a pattern, as described in the package documentation. If the pattern is invalid
// or is never due, Parse returns [ErrEmptyPattern] or a [*ParseError].
func Parse(pattern string, options ...ParseOption) (*Schedule, error) {
	p := parser{pattern: pattern}
	for _, o := range options {
		p.extended = p.extended || o == Extended
	}
	text := strings.Trim(pattern, blanks)
	switch {
	case text == "":
		return nil, ErrEmptyPattern
	case len(pattern) > maxPattern:
		return nil, p.fail("", 0, "longer than %d bytes", maxPattern)
	case text[0] == '@':
		return p.macro(text)
	case strings.HasPrefix(text, "CRON_TZ=") || strings.HasPrefix(text, "TZ="):
		return nil, p.fail("", strings.Index(pattern, text), "a time zone is not part of the pattern; set it separately, such as with Zone in a Config, zone: in a file or --tz")
	}
	return p.schedule(text)
}

// MustParse is like [Parse] but panics if the pattern is invalid. It simplifies the
// initialization of variables with fixed patterns.
func MustParse(pattern string, options ...ParseOption) *Schedule {
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

// fail returns an error about the byte offset at of the pattern.
func (p *parser) fail(name string, at int, format string, args ...any) error {
	return &ParseError{p.pattern, name, 1 + len([]rune(p.pattern[:at])), fmt.Sprintf(format, args...)}
}

func (p *parser) macro(text string) (*Schedule, error) {
	if p.pattern[0] != '@' {
		return nil, p.fail("", 0, "blanks are not allowed before @")
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
		return nil, p.fail("", len("@every"), "want a whole number of seconds, at least one, such as @every 90s or @every 1h30m")
	}
	return &Schedule{pattern: text, every: d}, nil
}

// schedule parses fields. Positions refer to p.pattern, which contains text.
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
		return nil, p.fail("day of month", at[dayOfMonth], "none of the allowed months has such a day")
	}
	return s, nil
}

// dropSpecial removes the rules that have no effect because their field allows every day.
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

// comes reports whether s is due on any day at all.
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

// split returns the words of the pattern and their offsets.
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

// field returns the set of values that a field allows. Rules that cannot be expressed as values
// are added to s.
func (p *parser) field(f field, text string, at int, s *Schedule) (set uint64, err error) {
	for {
		item, rest, more := strings.Cut(text, ",")
		if item == "" {
			return 0, p.fail(f.name, at, "empty list item; want %s", f.accepts(p.extended))
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

// accepts describes what a field accepts.
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

// item parses one item of a list.
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
				return 0, p.fail(f.name, at, "the range %s goes backwards; write it as two ranges separated by a comma", span)
			}
		case !stepped:
			to = from
		}
	}
	by := 1
	if stepped {
		var ok bool
		if by, ok = number(step); !ok || by == 0 {
			return 0, p.fail(f.name, at+len(span)+1, "the step %.20q is not a positive number", step)
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
		return 0, p.fail(f.name, at, "? is not supported; write * for all values")
	case !ok && text == "":
		return 0, p.fail(f.name, at, "%.20q is incomplete; want %s", item, f.accepts(p.extended))
	case !ok && f.days && !p.extended && strings.ContainsAny(item, "lLwW#"):
		return 0, p.fail(f.name, at, "%.20q requires the option Extended; without it want %s", item, f.accepts(false))
	case !ok:
		return 0, p.fail(f.name, at, "%.20q is not a valid value; want %s", text, f.accepts(p.extended))
	case n < f.min || n > f.max:
		return 0, p.fail(f.name, at, "%s is out of range; want %s", text, f.accepts(p.extended))
	}
	return n, nil
}

// number parses digits. Numbers above 9999 are returned as 9999, which has the same effect.
func number(text string) (n int, ok bool) {
	for _, b := range []byte(text) {
		if b < '0' || b > '9' {
			return 0, false
		}
		n = min(n*10+int(b-'0'), 9999)
	}
	return n, text != ""
}
