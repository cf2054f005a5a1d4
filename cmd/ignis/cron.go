package main

import (
	"context"
	"encoding/json"
	"fmt"
	"time"
	_ "time/tzdata" // for systems without a time zone database

	"github.com/alecthomas/kong"

	"github.com/ignis-go/ignis/cron"
)

// cronCmd contains the commands for schedules.
type cronCmd struct {
	Next    cronNextCmd    `cmd:"" help:"List the next times of a schedule."`
	Explain cronExplainCmd `cmd:"" help:"Describe a schedule in words."`
	Run     cronRunCmd     `cmd:"" help:"Emit events on schedules, each event once even if several processes run."`
	Check   cronCheckCmd   `cmd:"" help:"Check a file of jobs, and list when they run next."`
}

// schedulePattern is a cron pattern that is validated while arguments are parsed.
type schedulePattern struct{ *cron.Schedule }

// UnmarshalText parses the pattern.
func (p *schedulePattern) UnmarshalText(text []byte) (err error) {
	p.Schedule, err = cron.Parse(string(text), cron.Extended)
	return err
}

const patternHelp = `A pattern has five or six fields: [second] minute hour day-of-month month day-of-week. Each field is *, a number, a range such as 1-5, any of these with a step such as */5, or a comma-separated list of these. Months and days of the week can also be written as jan to dec and sun to sat. The day fields also accept L, L-3, 15W, LW, 5L and 5#2. If both day fields are restricted, a day only has to match one of them. Instead of fields, a pattern can be a macro: @hourly, @daily, @weekdays, @weekly, @monthly, @yearly, @every 90s and others.`

// cronNextCmd lists the next times of a schedule.
type cronNextCmd struct {
	Pattern schedulePattern `arg:"" help:"Schedule, in quotes, such as '30 2 * * *'."`
	TZ      string          `name:"tz" placeholder:"ZONE" help:"Time zone, such as Europe/Paris (the local time zone)."`
	N       count           `short:"n" default:"5" placeholder:"N" help:"Number of times to list (${default}), at most 10000."`
	From    string          `placeholder:"TIME" help:"List times after this one, such as 2026-03-28 or 2026-03-28T12:00:00+01:00 (now)."`
	JSON    bool            `name:"json" help:"Print a JSON object."`
}

// Help returns what --help shows below the summary.
func (cronNextCmd) Help() string {
	return patternHelp + `

A note next to a time explains how a clock change affects it. Times that the clocks skip are replaced by one time, immediately after the gap. If a time occurs twice, the first one counts. A schedule that allows every hour of the day follows elapsed time instead.

Example:

  ignis cron next '0 30 2 * * *' --tz Europe/Paris -n 10 --from 2026-03-28`
}

// cronInstant is one line of the output.
type cronInstant struct {
	Time time.Time `json:"time"`
	Note string    `json:"note,omitempty"`
}

// Run lists the times.
func (c *cronNextCmd) Run(_ context.Context, _ *kong.Context, std *stdio) error {
	loc, err := zone(c.TZ)
	if err != nil {
		return err
	}
	if c.N > 10_000 { // the type count has rejected values below 1
		return usage("", "-n: expected a number from 1 to 10000, but got %d", c.N)
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

// zone returns the time zone with the given name, or the local time zone for "".
func zone(name string) (*time.Location, error) {
	loc, err := cron.LoadZone(name)
	switch {
	case err != nil && name == "":
		return nil, usage("set TZ to another zone, unset it, or use --tz", "%w", err)
	case err != nil:
		return nil, usage("", "--tz: %w", err)
	}
	return loc, nil
}

// cronExplainCmd describes a pattern in words.
type cronExplainCmd struct {
	Pattern schedulePattern `arg:"" help:"Schedule, in quotes, such as '30 2 * * *'."`
}

// Help returns what --help shows below the summary.
func (cronExplainCmd) Help() string {
	return patternHelp + `

Example:

  ignis cron explain '*/10 8-17 * * mon-fri'`
}

// Run prints the description.
func (c *cronExplainCmd) Run(_ context.Context, _ *kong.Context, std *stdio) error {
	_, err := fmt.Fprintln(std.out, c.Pattern.Explain())
	return err
}
