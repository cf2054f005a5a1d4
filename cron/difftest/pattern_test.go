package difftest

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// bounds are the smallest and the largest value of each field, starting with the second.
var bounds = [6][2]uint64{{0, 59}, {0, 59}, {0, 23}, {1, 31}, {1, 12}, {0, 7}}

const dayOfMonth, month, dayOfWeek = 3, 4, 5

const (
	monthNames   = "jan feb mar apr may jun jul aug sep oct nov dec"
	weekdayNames = "sun mon tue wed thu fri sat"
)

var ourMacros = map[string]string{
	"@secondly": "* * * * * *",
	"@minutely": "* * * * *",
	"@hourly":   "0 * * * *",
	"@daily":    "0 0 * * *",
	"@midnight": "0 0 * * *",
	"@weekly":   "0 0 * * sun",
	"@weekdays": "0 0 * * mon-fri",
	"@weekends": "0 0 * * sat,sun",
	"@monthly":  "0 0 1 * *",
	"@yearly":   "0 0 1 1 *",
	"@annually": "0 0 1 1 *",
}

// pattern is a pattern as parsed by this test, independently of any library. How each library
// interprets it is described by the rules.
type pattern struct {
	text   string
	macro  string // the first word in lower case, if it begins with @
	every  time.Duration
	fields [6][]item // also set for a macro
	faults []fault   // why cron refuses it
}

// item is an item of a list. Its values are given by numbers or names.
type item struct {
	field, index int
	text         string
	first, last  uint64 // the bounds of the field
	from, to     uint64
	star         bool // with or without a step
	ranged       bool // whether it is a range
	stepped      bool
	step         uint64
	hugeStep     bool // more than 63 bits
	names        []string
	toSunday     bool // whether it is a range of weekdays that ends with the name sun
}

// fault is a reason to refuse a pattern.
type fault struct {
	kind  string
	field int // -1 if the fault concerns the pattern as a whole
	item  item
}

func (p *pattern) fault(kind string, it item) {
	p.faults = append(p.faults, fault{kind, it.field, it})
}

func (p *pattern) wholeFault(kind string) {
	text := strings.ToLower(strings.Trim(p.text, asciiBlanks))
	p.faults = append(p.faults, fault{kind: kind, field: -1, item: item{text: text}})
}

const asciiBlanks = " \t\n\v\f\r"

func parsePattern(text string) *pattern {
	p := &pattern{text: text}
	words := strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(asciiBlanks, r) })
	switch {
	case len(words) == 0:
		p.wholeFault("empty")
	case strings.Contains(words[0], "TZ="):
		p.wholeFault(map[bool]string{true: "time zone alone", false: "time zone"}[len(words) == 1])
	case words[0][0] == '@':
		p.parseMacro(words)
	default:
		p.parseFields(words)
		if len(p.faults) == 0 && !p.comes(ourReading) {
			p.wholeFault("never")
		}
	}
	return p
}

func (p *pattern) parseMacro(words []string) {
	p.macro = strings.ToLower(words[0])
	if p.text[0] != '@' {
		p.wholeFault("blank before @")
	}
	if p.macro == "@every" && len(words) == 2 {
		d, err := time.ParseDuration(words[1])
		switch {
		case err != nil:
			p.wholeFault("@every: no time")
		case d <= 0:
			p.wholeFault("@every: nothing")
		case d < time.Second:
			p.wholeFault("@every: under a second")
		case d%time.Second != 0:
			p.wholeFault("@every: fraction")
		}
		p.every = d
		return
	}
	fields, ok := ourMacros[p.macro]
	if !ok || len(words) > 1 {
		p.wholeFault("macro")
		return
	}
	p.parseFields(strings.Fields(fields))
}

func (p *pattern) parseFields(words []string) {
	n := len(words)
	year := n >= 6 && len(words[n-1]) == 4 && digits(words[n-1])
	switch {
	case n == 7 && (year || words[6] == "*"), n == 6 && year:
		p.wholeFault("year")
		words = words[:n-1]
	case n < 5 || n > 6:
		p.wholeFault("number of fields")
		return
	}
	if len(words) == 5 {
		words = append([]string{"0"}, words...)
	}
	for f, word := range words {
		for i, text := range strings.Split(word, ",") {
			p.fields[f] = append(p.fields[f], p.parseItem(f, i, text))
		}
	}
}

func digits(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}

func (p *pattern) parseItem(f, index int, text string) item {
	it := item{field: f, index: index, text: text, step: 1, first: bounds[f][0], last: bounds[f][1]}
	if kind := oddity(it); kind != "" {
		p.fault(kind, it)
		return it
	}
	span, step, stepped := strings.Cut(text, "/")
	it.stepped = stepped
	first, last, ranged := strings.Cut(span, "-")
	it.ranged = ranged
	switch {
	case span == "*":
		it.star, it.from, it.to = true, it.first, it.last
	default:
		it.from = p.value(&it, first)
		switch {
		case ranged:
			it.to = p.value(&it, last)
		case stepped:
			it.to = it.last
		default:
			it.to = it.from
		}
		if f == dayOfWeek && ranged && it.from > 0 && strings.EqualFold(last, "sun") {
			it.to, it.toSunday = 7, it.from < 7 || stepped
		}
		if ranged && it.to < it.from {
			p.fault("backwards", it)
		}
		if it.from < it.first {
			p.fault("below", it)
		}
		if it.from > it.last || it.to > it.last {
			p.fault("above", it)
		}
	}
	if stepped {
		var err error
		it.step, err = strconv.ParseUint(step, 10, 63)
		it.hugeStep = err != nil
		if it.step == 0 {
			p.fault("step 0", it)
		}
	}
	return it
}

// oddity returns the kind of an item's syntactic fault, or "".
func oddity(it item) string {
	span, step, stepped := strings.Cut(it.text, "/")
	days := it.field == dayOfMonth || it.field == dayOfWeek
	switch {
	case it.text == "":
		return "empty place"
	case it.text == "?":
		return "question mark"
	case strings.Contains(it.text, "+"):
		return "plus"
	case strings.HasPrefix(it.text, "*-"):
		return "range from *"
	case span == "1-2-3":
		return "two hyphens"
	case days && !stepped && isSpecial(it):
		return "L, W or #"
	case stepped && !digits(step):
		return "word"
	}
	if span != "*" {
		for _, v := range strings.Split(span, "-") {
			if _, named := numberOf(v); !named && !digits(v) {
				return "word"
			}
		}
	}
	return ""
}

func isSpecial(it item) bool {
	if it.field == dayOfMonth {
		return it.text == "L" || it.text == "15W"
	}
	return it.text == "5L" || it.text == "5#2"
}

// value returns the value of a number or a name, and remembers the name.
func (p *pattern) value(it *item, text string) uint64 {
	if n, ok := numberOf(text); ok {
		it.names = append(it.names, strings.ToLower(text))
		own := map[int]string{month: monthNames, dayOfWeek: weekdayNames}[it.field]
		if !slices.Contains(strings.Fields(own), strings.ToLower(text)) {
			p.fault("name", *it)
		}
		return n
	}
	n, _ := strconv.ParseUint(text, 10, 63)
	return n
}

// numberOf returns the number that the name of a month or weekday stands for.
func numberOf(name string) (uint64, bool) {
	name = strings.ToLower(name)
	for n, s := range strings.Fields(weekdayNames) {
		if s == name {
			return uint64(n), true
		}
	}
	for n, s := range strings.Fields(monthNames) {
		if s == name {
			return uint64(n + 1), true
		}
	}
	return 0, false
}

// any reports whether an item of any field has a property.
func (p *pattern) any(has func(item) bool) bool {
	for _, field := range p.fields {
		for _, it := range field {
			if has(it) {
				return true
			}
		}
	}
	return false
}
