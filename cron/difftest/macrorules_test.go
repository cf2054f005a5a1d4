package difftest

import (
	"slices"
	"strings"
)

// What begins with an @.
var macroRules = []rule{
	{
		name: "@secondly, @minutely, @weekdays, @weekends", of: everyone,
		refuses: func(p *pattern) bool {
			return slices.Contains([]string{"@secondly", "@minutely", "@weekdays", "@weekends"}, p.macro)
		},
		pattern: "@weekdays", after: "2026-01-01 00:00:00", we: "2026-01-02 00:00:00", they: refused,
		right: noneSays, why: "Ignis has them.",
	},
	{
		name: "@midnight", of: []string{adhocGronx},
		refuses: func(p *pattern) bool { return p.macro == "@midnight" },
		pattern: "@midnight", after: "2026-01-01 00:00:00", we: "2026-01-02 00:00:00", they: refused,
		right: ours, why: "Vixie's cron has it, for @daily.",
	},
	{
		name: "@every", of: []string{adhocGronx},
		refuses: func(p *pattern) bool { return p.macro == "@every" },
		pattern: "@every 90s", after: "2026-01-01 00:00:00", we: "2026-01-01 00:01:30", they: refused,
		right: noneSays, why: "robfig/cron brought it, others took it over.",
	},
	{
		name: "@always, @everysecond, @5minutes and the like", of: []string{adhocGronx},
		covers: func(f fault) bool {
			return f.kind == "macro" && slices.Contains([]string{"@always", "@everysecond", "@5minutes"}, f.item.text)
		},
		pattern: "@always", after: "2026-01-01 00:00:00", we: refused, they: "2026-01-01 00:01:00",
		right: noneSays, why: "Their own names; with us `* * * * *` or @minutely, `* * * * * *` or @secondly, `*/5 * * * *`.",
	},
	{
		name: "capitals in a macro", of: robfigKind,
		refuses: func(p *pattern) bool {
			return p.macro != "" && !strings.HasPrefix(strings.Trim(p.text, asciiBlanks), p.macro)
		},
		pattern: "@Daily", after: "2026-01-01 00:00:00", we: "2026-01-02 00:00:00", they: refused,
		right: noneSays, why: "Names of days may have them everywhere; so may these, in Ignis.",
	},
	{
		name: "blanks behind a macro, or two in it", of: robfigKind,
		refuses: func(p *pattern) bool {
			words := strings.Fields(p.text)
			return p.macro != "" && p.text != strings.Join(words, " ")
		},
		pattern: "@daily ", after: "2026-01-01 00:00:00", we: "2026-01-02 00:00:00", they: refused,
		right: ours, why: "They allow blanks around fields, and so they might here.",
	},
	{
		name: "blanks before a macro", of: []string{adhocGronx},
		covers:  ofKind("blank before @"),
		pattern: " @daily", after: "2026-01-01 00:00:00", we: refused, they: "2026-01-02 00:00:00",
		right: theirs, why: "We refuse it because Ignis does.",
	},
	{
		name: "where @every begins", of: robfigKind,
		differs: func(p *pattern) bool { return p.macro == "@every" },
		pattern: "@every 7h", after: "2026-01-02 00:00:00", we: "2026-01-02 04:00:00", they: "2026-01-02 07:00:00",
		right: noneSays, why: "We count from the Unix epoch, so that all machines agree, and restarts change nothing. They count from the start.",
	},
	{
		name: "@every with a fraction of a second", of: robfigKind,
		covers:  ofKind("@every: fraction"),
		pattern: "@every 1500ms", after: "2026-01-01 00:00:00", we: refused, they: "2026-01-01 00:00:01",
		right: ours, why: "They do not do what was asked for, and do not say so.",
	},
	{
		name: "@every under a second", of: []string{robfigCron},
		covers: func(f fault) bool {
			return f.kind == "@every: under a second" || f.kind == "@every: nothing"
		},
		pattern: "@every -5s", after: "2026-01-01 00:00:00", we: refused, they: "2026-01-01 00:00:01",
		right: ours, why: "They take a second instead, of nothing and of less than nothing, too.",
	},
}

func ofKind(kind string) func(fault) bool {
	return func(f fault) bool { return f.kind == kind }
}

// whole reports whether a day field leaves nothing out, as we read it.
func (p *pattern) whole() bool {
	return p.values(dayOfMonth, &ourReading) == allDays || p.values(dayOfWeek, &ourReading) == allWeekdays
}

// firstStar reports whether a day field begins with the star that gronx looks for.
func (p *pattern) firstStar() bool {
	week := p.fields[dayOfWeek]
	return p.fields[dayOfMonth][0].star || week[0].star && (len(week) == 1 || week[0].stepped)
}

// openWeek reports whether a part is of weekdays, N/S.
func openWeek(it item) bool {
	return it.field == dayOfWeek && it.stepped && !it.ranged && !it.star
}

// writtenEnd is the end of what is written with one or two values.
func writtenEnd(it item) uint64 {
	if it.ranged {
		return it.to
	}
	return it.from
}

// width is how many values a part has before its step counts, with go-cron: what
// begins behind its end goes around, and around twice if it is too large.
func width(it item) uint64 {
	if it.from > it.to {
		return it.last - it.from + 1 + it.to - it.first + 1
	}
	return it.to - it.from + 1
}

// rare reports whether p may wait for more than five years.
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
