package difftest

import (
	"slices"
	"strings"
)

// rule is a known difference. Exactly one of covers, refuses and differs is set.
type rule struct {
	name string
	of   []string // the libraries that it applies to

	covers  func(fault) bool    // they accept patterns with only such faults
	refuses func(*pattern) bool // they refuse patterns that cron accepts
	differs func(*pattern) bool // both accept, and the reading of the library predicts its answer

	unsure bool // with covers: whether they accept the fault depends on the current time

	right, why string

	// An example. An answer is a time, refused, never or panics.
	pattern, after, we, they string
}

const (
	refused = "refused"
	never   = "never"
	panics  = "panics"
)

// Which library is right.
const (
	ours     = "ignis"
	theirs   = "others"
	noneSays = "open" // no specification decides, or specifications differ
)

var everyone = []string{robfigCron, goCron, goCronOr, adhocGronx}

var (
	goCrons    = []string{goCron, goCronOr}
	robfigKind = []string{robfigCron, goCron, goCronOr}
	byStar     = []string{robfigCron, goCronOr}
)

// rulesOf returns the rules that apply to a library.
func rulesOf(name string) (list []*rule) {
	for i := range rules {
		if slices.Contains(rules[i].of, name) {
			list = append(list, &rules[i])
		}
	}
	return list
}

// ruleGroups are the tables of README.md.
var ruleGroups = []struct {
	title string
	rules []rule
}{
	{"Days and search range", dayRules},
	{"Values, ranges and steps", rangeRules},
	{"Syntax", formRules},
	{"Macros", macroRules},
}

var rules = slices.Concat(dayRules, rangeRules, formRules, macroRules)

// dayRules are the rules for the day fields and the search range.
var dayRules = []rule{
	{
		name: "a field that lists every day, next to a restricted one", of: byStar,
		differs: func(p *pattern) bool { return p.whole() && !p.starred(dayOfMonth) && !p.starred(dayOfWeek) },
		pattern: "0 0 1-31 * mon", after: "2026-01-01 00:00:00", we: "2026-01-05 00:00:00", they: "2026-01-02 00:00:00",
		right: noneSays, why: "If both day fields are restricted, a day that matches either one is allowed. For Ignis a field is restricted if it excludes a day; for the others, as for POSIX, if it is not written with a star.",
	},
	{
		name: "both day fields are restricted", of: []string{goCron},
		differs: func(p *pattern) bool { return p.every == 0 && !p.whole() },
		pattern: "0 0 13 * fri", after: "2026-01-01 00:00:00", we: "2026-01-02 00:00:00", they: "2026-02-13 00:00:00",
		right: ours, why: "According to POSIX, a day that matches either field is allowed. They require both by default, which they document.",
	},
	{
		name: "a day field that begins with a star", of: []string{adhocGronx},
		differs: func(p *pattern) bool { return p.whole() != p.firstStar() },
		pattern: "0 0 */10 * mon", after: "2026-01-01 00:00:00", we: "2026-01-05 00:00:00", they: "2026-05-11 00:00:00",
		right: noneSays, why: "They require both fields to match if the day of the month begins with a star or the day of the week with `*/`, and otherwise either, even for 1-31. Vixie cron checks the first character as well. For Ignis `*/10` is a restriction, so either field is enough.",
	},
	{
		name: "a step from a weekday", of: []string{robfigCron, adhocGronx},
		differs: func(p *pattern) bool { return p.any(func(it item) bool { return openWeek(it) && it.from < 7 }) },
		pattern: "0 0 * * 1/2", after: "2026-01-03 00:00:00", we: "2026-01-04 00:00:00", they: "2026-01-05 00:00:00",
		right: noneSays, why: "In Ignis weekdays end at 7, which is Sunday, so 1/2 is 1, 3, 5 and 7. In the others they end at 6.",
	},
	{
		name: "a step from 7, Sunday", of: []string{adhocGronx},
		differs: func(p *pattern) bool {
			return p.any(func(it item) bool { return openWeek(it) && it.from == 7 })
		},
		pattern: "0 0 * * 7/2", after: "2026-01-01 00:00:00", we: "2026-01-04 00:00:00", they: "2026-01-03 00:00:00",
		right: noneSays, why: "7/2 is the range from 7 to the last value, which is 7. They begin with the Sunday before.",
	},
	{
		name: "29 February across 2100, which is not a leap year", of: []string{robfigCron, goCron},
		differs: func(p *pattern) bool { return p.rare() },
		pattern: "0 0 29 2 *", after: "2096-02-29 00:00:00", we: "2104-02-29 00:00:00", they: never,
		right: ours, why: "They search five years ahead, which is not enough here.",
	},
	{
		name: "a date that does not exist in any year", of: everyone,
		covers:  ofKind("never"),
		pattern: "0 0 30 2 *", after: "2026-01-01 00:00:00", we: refused, they: never,
		right: ours, why: "An error at startup is better than a job that never runs.",
	},
}

// rangeRules are the rules for values, ranges and steps.
var rangeRules = []rule{
	{
		name: "7 as Sunday", of: []string{robfigCron},
		refuses: func(p *pattern) bool {
			return p.any(func(it item) bool {
				return it.field == dayOfWeek && !it.toSunday && (it.from == 7 || !it.star && writtenEnd(it) == 7)
			})
		},
		pattern: "0 0 * * 5-7", after: "2026-01-01 00:00:00", we: "2026-01-02 00:00:00", they: refused,
		right: ours, why: "7 is Sunday in Vixie cron, in Ignis and in the other two libraries.",
	},
	{
		name: "a step that leaves one value", of: goCrons,
		refuses: func(p *pattern) bool {
			return p.any(func(it item) bool { return it.step > 1 && it.step >= width(it) && !it.hugeStep })
		},
		pattern: "*/90 * * * *", after: "2026-01-01 00:00:00", we: "2026-01-01 01:00:00", they: refused,
		right: noneSays, why: "Such a step is useless and usually a mistake, so refusing it is helpful. Ignis accepts it.",
	},
	{
		name: "a step of twenty digits", of: everyone,
		refuses: func(p *pattern) bool { return p.any(func(it item) bool { return it.hugeStep }) },
		pattern: "1/99999999999999999999 * * * *", after: "2026-01-01 00:00:00", we: "2026-01-01 00:01:00", they: refused,
		right: noneSays, why: "It is as useless as a step of 90, but overflows their integers.",
	},
	{
		name: "a range that goes backwards", of: goCrons,
		covers:  ofKind("backwards"),
		pattern: "0 22-2 * * *", after: "2026-01-01 00:00:00", we: refused, they: "2026-01-01 01:00:00",
		right: noneSays, why: "They wrap around, in this example at midnight. Ignis refuses it because it may be a typing mistake.",
	},
	{
		name: "a range that begins at 7", of: []string{adhocGronx},
		covers: func(f fault) bool {
			return f.kind == "backwards" && f.field == dayOfWeek && f.item.from == 7 && !f.item.stepped
		},
		pattern: "0 0 * * 7-2", after: "2026-01-01 00:00:00", we: refused, they: "2026-01-04 00:00:00",
		right: noneSays, why: "They read it as 0-2. Ignis refuses it in favor of 0-2.",
	},
	{
		name: "a start above the largest value", of: goCrons,
		covers: func(f fault) bool {
			return f.kind == "above" && f.item.to <= f.item.last && (f.item.ranged || f.item.stepped)
		},
		pattern: "75/20 * * * *", after: "2026-01-01 00:00:00", we: refused, they: "2026-01-01 00:15:00",
		right: ours, why: "They treat it as a range that goes backwards, and minute 75 as minute 15.",
	},
	{
		name: "a start above the largest value, with a step", of: []string{adhocGronx},
		covers: func(f fault) bool {
			return f.kind == "above" && f.item.stepped && !f.item.ranged
		},
		pattern: "75/20 * * * *", after: "2026-01-01 00:00:00", we: refused, they: never,
		right: ours, why: "They accept it, but it is never due.",
	},
	{
		name: "a step from day 0 or month 0", of: []string{adhocGronx},
		covers: func(f fault) bool {
			return f.kind == "below" && f.item.from == 0 && f.item.stepped && !f.item.ranged && !strings.HasPrefix(f.item.text, "00")
		},
		pattern: "0 0 0/5 * *", after: "2026-01-01 00:00:00", we: refused, they: "2026-01-05 00:00:00",
		right: ours, why: "There is no day 0. They read 0/5 as the days that are divisible by five.",
	},
	{
		name: "an error in a list after the first item", of: []string{adhocGronx}, unsure: true,
		covers: func(f fault) bool {
			behind := f.field >= 0 && f.item.index > 0
			parts := strings.Split(f.item.text, "/")
			return behind && f.item.text != "" && len(parts) <= 2 && (len(parts) == 1 || parts[1] != "")
		},
		pattern: "*,99 * * * *", after: "2026-01-01 00:00:00", we: refused, they: "2026-01-01 00:01:00",
		right: ours, why: "They validate a pattern by checking whether it is due at the start of the program, and stop at the first item of a list that is. What they accept depends on the clock.",
	},
}

// formRules are the rules for syntax.
var formRules = []rule{
	{
		name: "a question mark", of: everyone,
		covers:  ofKind("question mark"),
		pattern: "0 0 ? * mon", after: "2026-01-01 00:00:00", we: refused, they: "2026-01-05 00:00:00",
		right: noneSays, why: "In Quartz it marks a day field that is ignored. Ignis and POSIX do not support it; write a star.",
	},
	{
		name: "an empty list item", of: robfigKind,
		covers:  ofKind("empty place"),
		pattern: "0 0 1,,20 * *", after: "2026-01-01 00:00:00", we: refused, they: "2026-01-20 00:00:00",
		right: ours, why: "Something is missing. They even accept a lone comma, which is never due.",
	},
	{
		name: "a plus sign", of: everyone,
		covers:  ofKind("plus"),
		pattern: "+5 * * * *", after: "2026-01-01 00:00:00", we: refused, they: "2026-01-01 00:05:00",
		right: ours, why: "No cron supports it. It is a side effect of how they parse numbers.",
	},
	{
		name: "a range from a star", of: robfigKind,
		covers:  ofKind("range from *"),
		pattern: "*-5 * * * *", after: "2026-01-01 00:10:00", we: refused, they: "2026-01-01 00:11:00",
		right: ours, why: "They ignore everything after the star.",
	},
	{
		name: "a range with three ends", of: []string{adhocGronx},
		covers:  ofKind("two hyphens"),
		pattern: "1-2-3 * * * *", after: "2026-01-01 00:02:00", we: refused, they: "2026-01-01 01:01:00",
		right: ours, why: "They ignore the third end.",
	},
	{
		name: "L, W and #", of: []string{adhocGronx},
		covers:  ofKind("L, W or #"),
		pattern: "0 0 L * *", after: "2026-01-01 00:00:00", we: refused, they: "2026-01-31 00:00:00",
		right: noneSays, why: "Accepted with the option Extended. Without it, `L` is more likely to be a mistake.",
	},
	{
		name: "a range to sun", of: []string{robfigCron, adhocGronx},
		refuses: func(p *pattern) bool { return p.any(func(it item) bool { return it.toSunday }) },
		pattern: "0 0 * * fri-sun", after: "2026-01-05 00:00:00", we: "2026-01-09 00:00:00", they: refused,
		right: ours, why: "`fri-sun` means `5-7`, a week that ends with Sunday. They read sun as 0.",
	},
	{
		name: "THU in upper case", of: goCrons,
		refuses: func(p *pattern) bool {
			return p.any(func(it item) bool { return strings.Contains(it.text, "H") })
		},
		pattern: "0 0 * * THU", after: "2026-01-02 00:00:00", we: "2026-01-08 00:00:00", they: refused,
		right: ours, why: "They find an H, which has a special meaning with an option that is off.",
	},
	{
		name: "a name in the wrong field", of: []string{adhocGronx},
		covers:  ofKind("name"),
		pattern: "mon * * * *", after: "2026-01-01 00:00:00", we: refused, they: "2026-01-01 00:01:00",
		right: ours, why: "They replace names with numbers before they split the fields.",
	},
	{
		name: "a year", of: []string{adhocGronx},
		covers:  ofKind("year"),
		pattern: "0 0 1 1 * 2030", after: "2026-01-01 00:00:00", we: refused, they: "2030-01-01 00:00:00",
		right: noneSays, why: "They have an additional field for years, and recognize it by its four digits. Ignis has no years.",
	},
	{
		name: "line ends around a pattern", of: []string{adhocGronx},
		refuses: func(p *pattern) bool {
			inner := strings.Trim(p.text, " \t")
			return strings.Trim(inner, asciiBlanks) != inner
		},
		pattern: "0 0 * * *\n", after: "2026-01-01 00:00:00", we: "2026-01-02 00:00:00", they: refused,
		right: ours, why: "A pattern that is read from a file ends with a line break, and surrounding blanks have no meaning.",
	},
	{
		name: "a time zone in front", of: robfigKind,
		covers:  ofKind("time zone"),
		pattern: "TZ=UTC 0 0 * * *", after: "2026-01-01 00:00:00", we: refused, they: "2026-01-02 00:00:00",
		right: noneSays, why: "An extension. In Ignis the zone is a setting of the job, or that of the given instant.",
	},
	{
		name: "a time zone alone", of: []string{robfigCron},
		covers:  ofKind("time zone alone"),
		pattern: "TZ=UTC", after: "2026-01-01 00:00:00", we: refused, they: panics,
		right: ours, why: "Invalid input must not crash the program.",
	},
}
