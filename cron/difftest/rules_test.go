package difftest

import (
	"slices"
	"strings"
)

// rule is a known disagreement. Exactly one of covers, refuses and differs is set.
type rule struct {
	name string
	of   []string // the libraries

	covers  func(fault) bool    // they accept what has such a fault, if it has no other
	refuses func(*pattern) bool // they refuse what we accept
	differs func(*pattern) bool // both accept, and the reading of theirs tells what they answer

	unsure bool // with covers: they notice the fault or not, as the moment of asking has it

	right, why string

	// An example: what both answer is a time of day, refused, never or panics.
	pattern, after, we, they string
}

const (
	refused = "refused"
	never   = "never"
	panics  = "panics"
)

// Who is right.
const (
	ours     = "ignis"
	theirs   = "they"
	noneSays = "open" // there is no rule to be found, or the rules differ
)

var everyone = []string{robfigCron, goCron, goCronOr, adhocGronx}

var (
	goCrons    = []string{goCron, goCronOr}
	robfigKind = []string{robfigCron, goCron, goCronOr}
	byStar     = []string{robfigCron, goCronOr}
)

// rulesOf returns the rules about a library.
func rulesOf(name string) (list []*rule) {
	for i := range rules {
		if slices.Contains(rules[i].of, name) {
			list = append(list, &rules[i])
		}
	}
	return list
}

// ruleGroups are the parts of README.md's table.
var ruleGroups = []struct {
	title string
	rules []rule
}{
	{"Days, and how far ahead", dayRules},
	{"Values, ranges and steps", rangeRules},
	{"How it is written", formRules},
	{"With an @", macroRules},
}

var rules = slices.Concat(dayRules, rangeRules, formRules, macroRules)

// The day fields, and how far ahead.
var dayRules = []rule{
	{
		name: "a field that names all days, beside one that does not", of: byStar,
		differs: func(p *pattern) bool { return p.whole() && !p.starred(dayOfMonth) && !p.starred(dayOfWeek) },
		pattern: "0 0 1-31 * mon", after: "2026-01-01 00:00:00", we: "2026-01-05 00:00:00", they: "2026-01-02 00:00:00",
		right: noneSays, why: "When both day fields leave something out, either decides. We ask whether a field leaves something out, as Ignis does; they, like POSIX, whether it is written with a star.",
	},
	{
		name: "both day fields leave something out", of: []string{goCron},
		differs: func(p *pattern) bool { return p.every == 0 && !p.whole() },
		pattern: "0 0 13 * fri", after: "2026-01-01 00:00:00", we: "2026-01-02 00:00:00", they: "2026-02-13 00:00:00",
		right: ours, why: "POSIX has it so that either field decides. They want both unless told otherwise, which they document.",
	},
	{
		name: "a day field that begins with a star", of: []string{adhocGronx},
		differs: func(p *pattern) bool { return p.whole() != p.firstStar() },
		pattern: "0 0 */10 * mon", after: "2026-01-01 00:00:00", we: "2026-01-05 00:00:00", they: "2026-05-11 00:00:00",
		right: noneSays, why: "With them both fields decide if that of days begins with a star, or that of weekdays with `*/`, and otherwise either, for 1-31 too; Vixie's cron looks at the first character as well. With us `*/10` leaves days out, so either decides.",
	},
	{
		name: "weekdays from one on, in steps", of: []string{robfigCron, adhocGronx},
		differs: func(p *pattern) bool { return p.any(func(it item) bool { return openWeek(it) && it.from < 7 }) },
		pattern: "0 0 * * 1/2", after: "2026-01-03 00:00:00", we: "2026-01-04 00:00:00", they: "2026-01-05 00:00:00",
		right: noneSays, why: "Weekdays go up to 7, Sunday, with us and in Ignis, so 1/2 is 1, 3, 5 and 7. With them they end at 6.",
	},
	{
		name: "steps from 7, Sunday", of: []string{adhocGronx},
		differs: func(p *pattern) bool {
			return p.any(func(it item) bool { return openWeek(it) && it.from == 7 })
		},
		pattern: "0 0 * * 7/2", after: "2026-01-01 00:00:00", we: "2026-01-04 00:00:00", they: "2026-01-03 00:00:00",
		right: noneSays, why: "7/2 is from 7 to the last value, which is 7. They begin with the Sunday before.",
	},
	{
		name: "29 February over a year that is no leap year", of: []string{robfigCron, goCron},
		differs: func(p *pattern) bool { return p.rare() },
		pattern: "0 0 29 2 *", after: "2096-02-29 00:00:00", we: "2104-02-29 00:00:00", they: never,
		right: ours, why: "They look five years ahead, and 2100 has no such day. It comes.",
	},
	{
		name: "a date that no year has", of: everyone,
		covers:  ofKind("never"),
		pattern: "0 0 30 2 *", after: "2026-01-01 00:00:00", we: refused, they: never,
		right: ours, why: "A mistake that shows when the program starts is better than a job that never runs.",
	},
}

// Values, ranges and steps.
var rangeRules = []rule{
	{
		name: "7 as Sunday", of: []string{robfigCron},
		refuses: func(p *pattern) bool {
			return p.any(func(it item) bool {
				return it.field == dayOfWeek && !it.toSunday && (it.from == 7 || !it.star && writtenEnd(it) == 7)
			})
		},
		pattern: "0 0 * * 5-7", after: "2026-01-01 00:00:00", we: "2026-01-02 00:00:00", they: refused,
		right: ours, why: "7 is Sunday in Vixie's cron, in Ignis and in the other two.",
	},
	{
		name: "a step that leaves one value", of: goCrons,
		refuses: func(p *pattern) bool {
			return p.any(func(it item) bool { return it.step > 1 && it.step >= width(it) && !it.hugeStep })
		},
		pattern: "*/90 * * * *", after: "2026-01-01 00:00:00", we: "2026-01-01 01:00:00", they: refused,
		right: noneSays, why: "Such a step is useless, and more often meant otherwise. To refuse it is kind; Ignis accepts it.",
	},
	{
		name: "a step of twenty digits", of: everyone,
		refuses: func(p *pattern) bool { return p.any(func(it item) bool { return it.hugeStep }) },
		pattern: "1/99999999999999999999 * * * *", after: "2026-01-01 00:00:00", we: "2026-01-01 00:01:00", they: refused,
		right: noneSays, why: "No more useless than a step of 90. They cannot hold the number.",
	},
	{
		name: "a range that goes backwards", of: goCrons,
		covers:  ofKind("backwards"),
		pattern: "0 22-2 * * *", after: "2026-01-01 00:00:00", we: refused, they: "2026-01-01 01:00:00",
		right: noneSays, why: "They go around the end, over midnight here. Ignis refuses it: some mean it so, others have mistyped it.",
	},
	{
		name: "a range from 7 on", of: []string{adhocGronx},
		covers: func(f fault) bool {
			return f.kind == "backwards" && f.field == dayOfWeek && f.item.from == 7 && !f.item.stepped
		},
		pattern: "0 0 * * 7-2", after: "2026-01-01 00:00:00", we: refused, they: "2026-01-04 00:00:00",
		right: noneSays, why: "They read it as 0-2. Ignis refuses it: 0-2 is there to say so.",
	},
	{
		name: "a beginning above the largest value", of: goCrons,
		covers: func(f fault) bool {
			return f.kind == "above" && f.item.to <= f.item.last && (f.item.ranged || f.item.stepped)
		},
		pattern: "75/20 * * * *", after: "2026-01-01 00:00:00", we: refused, they: "2026-01-01 00:15:00",
		right: ours, why: "They take it for a range that goes backwards, and no minute 75 for minute 15.",
	},
	{
		name: "a beginning above the largest value, in steps", of: []string{adhocGronx},
		covers: func(f fault) bool {
			return f.kind == "above" && f.item.stepped && !f.item.ranged
		},
		pattern: "75/20 * * * *", after: "2026-01-01 00:00:00", we: refused, they: never,
		right: ours, why: "They do not check it, and are never due.",
	},
	{
		name: "steps from day 0 or month 0", of: []string{adhocGronx},
		covers: func(f fault) bool {
			return f.kind == "below" && f.item.from == 0 && f.item.stepped && !f.item.ranged && !strings.HasPrefix(f.item.text, "00")
		},
		pattern: "0 0 0/5 * *", after: "2026-01-01 00:00:00", we: refused, they: "2026-01-05 00:00:00",
		right: ours, why: "There is no day 0. They read 0/5 as the days that five divides.",
	},
	{
		name: "what is wrong in a list behind its first part", of: []string{adhocGronx}, unsure: true,
		covers: func(f fault) bool {
			behind := f.field >= 0 && f.item.index > 0
			parts := strings.Split(f.item.text, "/")
			return behind && f.item.text != "" && len(parts) <= 2 && (len(parts) == 1 || parts[1] != "")
		},
		pattern: "*,99 * * * *", after: "2026-01-01 00:00:00", we: refused, they: "2026-01-01 00:01:00",
		right: ours, why: "They check a pattern by asking whether it was due when the program started, and look no further in a list once a part was: what they accept depends on the clock.",
	},
}

// How things are written.
var formRules = []rule{
	{
		name: "a question mark", of: everyone,
		covers:  ofKind("question mark"),
		pattern: "0 0 ? * mon", after: "2026-01-01 00:00:00", we: refused, they: "2026-01-05 00:00:00",
		right: noneSays, why: "Quartz has it, for a day field that is not asked. Ignis and POSIX do not; write a star.",
	},
	{
		name: "an empty place in a list", of: robfigKind,
		covers:  ofKind("empty place"),
		pattern: "0 0 1,,20 * *", after: "2026-01-01 00:00:00", we: refused, they: "2026-01-20 00:00:00",
		right: ours, why: "Something is missing. They also accept a comma alone, which is then never due.",
	},
	{
		name: "a plus sign", of: everyone,
		covers:  ofKind("plus"),
		pattern: "+5 * * * *", after: "2026-01-01 00:00:00", we: refused, they: "2026-01-01 00:05:00",
		right: ours, why: "No cron knows it; theirs is an accident of how they read numbers.",
	},
	{
		name: "a range from a star", of: robfigKind,
		covers:  ofKind("range from *"),
		pattern: "*-5 * * * *", after: "2026-01-01 00:10:00", we: refused, they: "2026-01-01 00:11:00",
		right: ours, why: "They ignore what is behind the star.",
	},
	{
		name: "a range with three ends", of: []string{adhocGronx},
		covers:  ofKind("two hyphens"),
		pattern: "1-2-3 * * * *", after: "2026-01-01 00:02:00", we: refused, they: "2026-01-01 01:01:00",
		right: ours, why: "They ignore the third.",
	},
	{
		name: "L, W and #", of: []string{adhocGronx},
		covers:  ofKind("L, W or #"),
		pattern: "0 0 L * *", after: "2026-01-01 00:00:00", we: refused, they: "2026-01-31 00:00:00",
		right: noneSays, why: "We accept them with the option Extended; without it `L` is more often a mistake.",
	},
	{
		name: "a range to sun", of: []string{robfigCron, adhocGronx},
		refuses: func(p *pattern) bool { return p.any(func(it item) bool { return it.toSunday }) },
		pattern: "0 0 * * fri-sun", after: "2026-01-05 00:00:00", we: "2026-01-09 00:00:00", they: refused,
		right: ours, why: "A week may end with its Sunday: so that `fri-sun` is `5-7`. They take the name for 0.",
	},
	{
		name: "THU in capitals", of: goCrons,
		refuses: func(p *pattern) bool {
			return p.any(func(it item) bool { return strings.Contains(it.text, "H") })
		},
		pattern: "0 0 * * THU", after: "2026-01-02 00:00:00", we: "2026-01-08 00:00:00", they: refused,
		right: ours, why: "They see an H, which has a meaning of its own with an option that is off.",
	},
	{
		name: "a name in a field that has none, or others", of: []string{adhocGronx},
		covers:  ofKind("name"),
		pattern: "mon * * * *", after: "2026-01-01 00:00:00", we: refused, they: "2026-01-01 00:01:00",
		right: ours, why: "They put numbers for the names before they look at the fields.",
	},
	{
		name: "a year", of: []string{adhocGronx},
		covers:  ofKind("year"),
		pattern: "0 0 1 1 * 2030", after: "2026-01-01 00:00:00", we: refused, they: "2030-01-01 00:00:00",
		right: noneSays, why: "They have a field more, and take a sixth field of four digits for it. Ignis has no years.",
	},
	{
		name: "line ends around a pattern", of: []string{adhocGronx},
		refuses: func(p *pattern) bool {
			inner := strings.Trim(p.text, " \t")
			return strings.Trim(inner, asciiBlanks) != inner
		},
		pattern: "0 0 * * *\n", after: "2026-01-01 00:00:00", we: "2026-01-02 00:00:00", they: refused,
		right: ours, why: "A pattern that is read from a file has a line end, and blanks around it say nothing.",
	},
	{
		name: "a time zone in front", of: robfigKind,
		covers:  ofKind("time zone"),
		pattern: "TZ=UTC 0 0 * * *", after: "2026-01-01 00:00:00", we: refused, they: "2026-01-02 00:00:00",
		right: noneSays, why: "An extension of theirs. With us the zone is that of the instant, and a setting of the job.",
	},
	{
		name: "a time zone alone", of: []string{robfigCron},
		covers:  ofKind("time zone alone"),
		pattern: "TZ=UTC", after: "2026-01-01 00:00:00", we: refused, they: panics,
		right: ours, why: "A pattern that somebody typed must not end the program.",
	},
}
