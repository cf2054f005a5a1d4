package difftest

import (
	"slices"
	"strings"
)

// macroRules are the rules for patterns that begin with @.
var macroRules = []rule{
	{
		name: "@secondly, @minutely, @weekdays, @weekends", of: everyone,
		refuses: func(p *pattern) bool {
			return slices.Contains([]string{"@secondly", "@minutely", "@weekdays", "@weekends"}, p.macro)
		},
		pattern: "@weekdays", after: "2026-01-01 00:00:00", we: "2026-01-02 00:00:00", they: refused,
		right: noneSays, why: "They are macros of Ignis.",
	},
	{
		name: "@midnight", of: []string{adhocGronx},
		refuses: func(p *pattern) bool { return p.macro == "@midnight" },
		pattern: "@midnight", after: "2026-01-01 00:00:00", we: "2026-01-02 00:00:00", they: refused,
		right: ours, why: "Vixie cron accepts it as another name for @daily.",
	},
	{
		name: "@every", of: []string{adhocGronx},
		refuses: func(p *pattern) bool { return p.macro == "@every" },
		pattern: "@every 90s", after: "2026-01-01 00:00:00", we: "2026-01-01 00:01:30", they: refused,
		right: noneSays, why: "Introduced by robfig/cron and adopted by others.",
	},
	{
		name: "@always, @everysecond, @5minutes and the like", of: []string{adhocGronx},
		covers: func(f fault) bool {
			return f.kind == "macro" && slices.Contains([]string{"@always", "@everysecond", "@5minutes"}, f.item.text)
		},
		pattern: "@always", after: "2026-01-01 00:00:00", we: refused, they: "2026-01-01 00:01:00",
		right: noneSays, why: "Extensions of gronx. Here, write `* * * * *` or @minutely, `* * * * * *` or @secondly, and `*/5 * * * *`.",
	},
	{
		name: "upper case in a macro", of: robfigKind,
		refuses: func(p *pattern) bool {
			return p.macro != "" && !strings.HasPrefix(strings.Trim(p.text, asciiBlanks), p.macro)
		},
		pattern: "@Daily", after: "2026-01-01 00:00:00", we: "2026-01-02 00:00:00", they: refused,
		right: noneSays, why: "All libraries accept names of days in upper case. Ignis accepts macros in upper case as well.",
	},
	{
		name: "blanks after a macro, or two blanks in it", of: robfigKind,
		refuses: func(p *pattern) bool {
			words := strings.Fields(p.text)
			return p.macro != "" && p.text != strings.Join(words, " ")
		},
		pattern: "@daily ", after: "2026-01-01 00:00:00", we: "2026-01-02 00:00:00", they: refused,
		right: ours, why: "They allow extra blanks around fields, but not here.",
	},
	{
		name: "blanks before a macro", of: []string{adhocGronx},
		covers:  ofKind("blank before @"),
		pattern: " @daily", after: "2026-01-01 00:00:00", we: refused, they: "2026-01-02 00:00:00",
		right: theirs, why: "Refused for compatibility with Ignis.",
	},
	{
		name: "starting point of @every", of: robfigKind,
		differs: func(p *pattern) bool { return p.macro == "@every" },
		pattern: "@every 7h", after: "2026-01-02 00:00:00", we: "2026-01-02 04:00:00", they: "2026-01-02 07:00:00",
		right: noneSays, why: "Ignis counts from the Unix epoch, so that all machines agree and restarts change nothing. They count from the start of the program.",
	},
	{
		name: "@every with a fraction of a second", of: robfigKind,
		covers:  ofKind("@every: fraction"),
		pattern: "@every 1500ms", after: "2026-01-01 00:00:00", we: refused, they: "2026-01-01 00:00:01",
		right: ours, why: "They silently round the interval.",
	},
	{
		name: "@every below one second", of: []string{robfigCron},
		covers: func(f fault) bool {
			return f.kind == "@every: under a second" || f.kind == "@every: nothing"
		},
		pattern: "@every -5s", after: "2026-01-01 00:00:00", we: refused, they: "2026-01-01 00:00:01",
		right: ours, why: "They silently use one second instead, even for zero and for negative intervals.",
	},
}

func ofKind(kind string) func(fault) bool {
	return func(f fault) bool { return f.kind == kind }
}

// whole reports whether a day field allows every day in our reading.
func (p *pattern) whole() bool {
	return p.values(dayOfMonth, &ourReading) == allDays || p.values(dayOfWeek, &ourReading) == allWeekdays
}

// firstStar reports whether a day field begins with a star in the way that gronx checks.
func (p *pattern) firstStar() bool {
	week := p.fields[dayOfWeek]
	return p.fields[dayOfMonth][0].star || week[0].star && (len(week) == 1 || week[0].stepped)
}

// openWeek reports whether an item has the form N/S in the field of weekdays.
func openWeek(it item) bool {
	return it.field == dayOfWeek && it.stepped && !it.ranged && !it.star
}

// writtenEnd returns the end of a range, or the value of a single one.
func writtenEnd(it item) uint64 {
	if it.ranged {
		return it.to
	}
	return it.from
}

// width returns how many values an item covers in go-cron before its step is applied. An item that
// begins after its end wraps around, and wraps around twice if it begins above the largest value.
func width(it item) uint64 {
	if it.from > it.to {
		return it.last - it.from + 1 + it.to - it.first + 1
	}
	return it.to - it.from + 1
}

// rare reports whether p has gaps of more than five years.
func (p *pattern) rare() bool {
	if p.every > 0 {
		return false
	}
	r := ourReading
	date := p.nextDay(day(2000, 1, 1), calendar, &r)
	for date.Year() < 2000+calendar {
		next := p.nextDay(date.AddDate(0, 0, 1), calendar, &r)
		if next.Year() > date.Year()+5 {
			return true
		}
		date = next
	}
	return false
}
