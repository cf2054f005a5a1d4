package difftest

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

// disagreement is a pattern of which two libraries make different things, and why. It is an
// example of something that a dialect says.
type disagreement struct {
	pattern string
	after   string // in UTC
	ours    string // the next instant, or refused
	with    string
	theirs  string
	why     string
}

const refused, never = "refused", "none"

var disagreements = []disagreement{
	{
		"0 0 1-31 * mon", "2026-01-01T00:00:00Z", "2026-01-05T00:00:00Z", "robfig/cron", "2026-01-02T00:00:00Z",
		"We. A field that leaves nothing out restricts nothing, however it is written; robfig/cron looks for a star, and so runs every day.",
	},
	{
		"0 0 1-31 * mon", "2026-01-01T00:00:00Z", "2026-01-05T00:00:00Z", "gronx", "2026-01-02T00:00:00Z",
		"We, for the same reason.",
	},
	{
		"0 0 */10 * mon", "2026-01-01T00:00:00Z", "2026-01-05T00:00:00Z", "gronx", "2026-05-11T00:00:00Z",
		"A matter of taste. To cron since Vixie's a field that begins with a star is no restriction, though it is one; we go by what it allows, as npm cron does.",
	},
	{
		"0 0 13 * fri", "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z", "netresearch/go-cron", "2026-02-13T00:00:00Z",
		"We, by POSIX: with both day fields given either is enough. Theirs is useful, says so, and has an option for ours.",
	},
	{
		"0 0 * * 7", "2026-01-01T00:00:00Z", "2026-01-04T00:00:00Z", "robfig/cron", refused,
		"We. 7 has been Sunday for as long as 0 has.",
	},
	{
		"0 0 * * 2/5", "2026-01-01T00:00:00Z", "2026-01-04T00:00:00Z", "robfig/cron", "2026-01-06T00:00:00Z",
		"Follows from that: for us 2/5 is 2 and 7, so Tuesday and Sunday.",
	},
	{
		"0 0 * * 2/5", "2026-01-01T00:00:00Z", "2026-01-04T00:00:00Z", "gronx", "2026-01-06T00:00:00Z",
		"We: gronx takes 2-7/5 for Tuesday and Sunday too, but not 2/5.",
	},
	{
		"0 0 * * 7/3", "2026-01-01T00:00:00Z", "2026-01-04T00:00:00Z", "gronx", "2026-01-03T00:00:00Z",
		"A matter of taste: N/S goes from N to the greatest value, which is 7; gronx begins again at 0.",
	},
	{
		"0 0 30 2 *", "2026-01-01T00:00:00Z", refused, "robfig/cron", never,
		"We. A job that never runs is a mistake, and should be told when it is made.",
	},
	{
		"0 0 30 2 *", "2026-01-01T00:00:00Z", refused, "netresearch/go-cron", never,
		"We, for the same reason.",
	},
	{
		"0 0 30 2 *", "2026-01-01T00:00:00Z", refused, "gronx", never,
		"We, for the same reason.",
	},
	{
		"0 0 29 2 *", "2096-03-01T00:00:00Z", "2104-02-29T00:00:00Z", "robfig/cron", never,
		"We. 2100 is no leap year, and the search ends after five years.",
	},
	{
		"0 0 29 2 *", "2096-03-01T00:00:00Z", "2104-02-29T00:00:00Z", "netresearch/go-cron", never,
		"We. Theirs has an option for a longer search.",
	},
	{
		"0 30/45 * * * *", "2026-01-01T00:00:00Z", "2026-01-01T00:30:00Z", "netresearch/go-cron", refused,
		"A matter of taste: a step that leaves one value is odd, but says what it means.",
	},
	{
		"0 22-2 * * *", "2026-01-01T00:00:00Z", refused, "netresearch/go-cron", "2026-01-01T01:00:00Z",
		"A matter of taste: a range that goes over midnight is useful, and as often a mistake. We ask for 22-23,0-2.",
	},
	{
		"0 9,99 * * *", "2026-01-01T00:00:00Z", refused, "gronx", "2026-01-01T09:00:00Z",
		"We. gronx looks at an element of a list only if those before it do not match the present time, so what it accepts depends on when it is asked.",
	},
	{
		"@Daily", "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z", "robfig/cron", refused,
		"A matter of taste.",
	},
	{
		"@midnight", "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z", "gronx", refused,
		"A matter of taste.",
	},
	{
		"0 0 ? * mon", "2026-01-01T00:00:00Z", refused, "robfig/cron", "2026-01-05T00:00:00Z",
		"A matter of taste: the question mark is Quartz', for a day field that is not asked. All three take it.",
	},
	{
		"0 0 1,,20 * *", "2026-01-01T00:00:00Z", refused, "robfig/cron", "2026-01-20T00:00:00Z",
		"We. Something is missing there. So does netresearch/go-cron.",
	},
	{
		"*-5 * * * *", "2026-01-01T00:10:00Z", refused, "robfig/cron", "2026-01-01T00:11:00Z",
		"We. What is behind the star is ignored. So does netresearch/go-cron.",
	},
	{
		"+5 * * * *", "2026-01-01T00:00:00Z", refused, "robfig/cron", "2026-01-01T00:05:00Z",
		"We. No cron has a plus sign; all three read numbers like that.",
	},
	{
		"1/99999999999999999999 * * * *", "2026-01-01T00:00:00Z", "2026-01-01T00:01:00Z", "robfig/cron", refused,
		"A matter of taste: it is no more useless than a step of 90. None of the three can hold the number.",
	},
}

func answer(o oracle, pattern string, after time.Time) string {
	next, err := o.parse(pattern)
	if err != nil {
		return refused
	}
	at := next(after)
	if at.IsZero() {
		return never
	}
	return at.Format(time.RFC3339)
}

func TestDisagreements(t *testing.T) {
	byName := make(map[string]oracle)
	for _, o := range everybody() {
		byName[o.name] = o
	}
	for _, d := range disagreements {
		after, err := time.Parse(time.RFC3339, d.after)
		if err != nil {
			t.Fatal(err)
		}
		if got := answer(byName["ignis"], d.pattern, after); got != d.ours {
			t.Errorf("%q: we: %s, want %s", d.pattern, got, d.ours)
		}
		if got := answer(byName[d.with], d.pattern, after); got != d.theirs && !(dialects[d.with].lazy && d.ours == refused) {
			t.Errorf("%q: %s: %s, want %s", d.pattern, d.with, got, d.theirs)
		}
	}
}

// TestReadme holds the table of the README to the one above.
func TestReadme(t *testing.T) {
	b, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	text := string(b)
	for _, d := range disagreements {
		row := fmt.Sprintf("| `%s` | %s | %s | %s: %s | %s |", d.pattern, d.after, d.ours, d.with, d.theirs, d.why)
		if !strings.Contains(text, row+"\n") {
			t.Errorf("the README has no row\n%s", row)
		}
	}
	if rows := strings.Count(text, "\n| `"); rows != len(disagreements) {
		t.Errorf("the README has %d rows, want %d", rows, len(disagreements))
	}
}
