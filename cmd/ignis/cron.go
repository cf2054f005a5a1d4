package main

import (
	"encoding/json"
	"fmt"
	"time"
	_ "time/tzdata" // for systems that have no time zones of their own

	"github.com/ignis-go/ignis/cron"
)

// cronCmd is about schedules.
type cronCmd struct {
	Next    cronNextCmd    `cmd:"" help:"List when a schedule is due next."`
	Explain cronExplainCmd `cmd:"" help:"Say in words when a schedule is due."`
	Run     cronRunCmd     `cmd:"" help:"Emit events on schedules, once however many processes do it."`
	Check   cronCheckCmd   `cmd:"" help:"Say what is wrong with a file of jobs, and when they run next."`
}

// schedulePattern is a cron pattern, checked as soon as it is read.
type schedulePattern struct{ *cron.Schedule }

// UnmarshalText parses the pattern.
func (p *schedulePattern) UnmarshalText(text []byte) (err error) {
	p.Schedule, err = cron.Parse(string(text), cron.Extended)
	return err
}

const patternHelp = `A pattern has five or six fields: [second] minute hour day-of-month month day-of-week. Each is *, a number, a range such as 1-5, with a step such as */5, or a list of these with commas; months and days of the week may be jan to dec and sun to sat. The day fields also take L, L-3, 15W, LW, 5L and 5#2. When both leave something out, either is enough. Or one word: @hourly, @daily, @weekdays, @weekly, @monthly, @yearly, @every 90s and others.`

// cronNextCmd lists instants.
type cronNextCmd struct {
	Pattern schedulePattern `arg:"" help:"Schedule, in quotes, such as '30 2 * * *'."`
	TZ      string          `name:"tz" placeholder:"ZONE" help:"Time zone, such as Europe/Paris (that of this machine)."`
	N       count           `short:"n" default:"5" placeholder:"N" help:"How many (${default}), at most 10000."`
	From    string          `placeholder:"TIME" help:"After when: 2026-03-28, or 2026-03-28T12:00:00+01:00 (now)."`
	JSON    bool            `name:"json" help:"Print a JSON object."`
}

// Help returns what --help shows below the summary.
func (cronNextCmd) Help() string {
	return patternHelp + `

What a change of the clocks has to do with a time stands beside it. Times that the clocks skip are made up for once, right afterwards; of a time that comes twice the first counts. A schedule for every hour follows the clocks as they are.

Example:

  ignis cron next '0 30 2 * * *' --tz Europe/Paris -n 10 --from 2026-03-28`
}

// cronInstant is one line of the answer.
type cronInstant struct {
	Time time.Time `json:"time"`
	Note string    `json:"note,omitempty"`
}

// Run lists them.
func (c *cronNextCmd) Run(std *stdio) error {
	loc, err := zone(c.TZ)
	if err != nil {
		return err
	}
	if c.N > 10_000 { // what is below 1 is no count
		return usage("", "--n: expected 1 to 10000")
	}
	at := time.Now().In(loc)
	if c.From != "" {
		if at, err = time.Parse(time.RFC3339, c.From); err != nil {
			at, err = time.ParseInLocation(time.DateOnly, c.From, loc)
		}
		if err != nil {
			return usage("", "--from: expected a time such as 2026-03-28 or 2026-03-28T12:00:00+01:00, but got %q", c.From)
		}
	}
	var list []cronInstant
	for _, t := range c.Pattern.NextN(at.In(loc), int(c.N)) {
		list = append(list, cronInstant{t, c.Pattern.ShiftAt(t).String()})
	}
	if c.JSON {
		return json.NewEncoder(std.out).Encode(struct {
			Pattern  string        `json:"pattern"`
			Zone     string        `json:"zone"`
			Instants []cronInstant `json:"instants"`
		}{c.Pattern.String(), loc.String(), list})
	}
	for _, i := range list {
		note := ""
		if i.Note != "" {
			note = "   " + i.Note
		}
		if _, err := fmt.Fprintf(std.out, "%s  %s%s\n", i.Time.Format("Mon"), i.Time.Format(time.RFC3339), note); err != nil {
			return err
		}
	}
	return nil
}

// zone returns the location that --tz names.
func zone(name string) (*time.Location, error) {
	loc, err := cron.LoadZone(name)
	switch {
	case err != nil && name == "":
		return nil, usage("set TZ to another one, unset it, or use --tz", "%w", err)
	case err != nil:
		return nil, usage("", "--tz: %w", err)
	}
	return loc, nil
}

// cronExplainCmd explains a pattern.
type cronExplainCmd struct {
	Pattern schedulePattern `arg:"" help:"Schedule, in quotes, such as '30 2 * * *'."`
}

// Help returns what --help shows below the summary.
func (cronExplainCmd) Help() string {
	return patternHelp + `

Example:

  ignis cron explain '*/10 8-17 * * mon-fri'`
}

// Run explains it.
func (c *cronExplainCmd) Run(std *stdio) error {
	_, err := fmt.Fprintln(std.out, c.Pattern.Explain())
	return err
}
