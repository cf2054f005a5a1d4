package main

import (
	"strings"
	"testing"
)

func TestCron(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		args []string
		code int
		want string // the whole output, or part of the error message if the command fails
	}{
		"over the start of summer time": {
			[]string{"next", "0 30 2 * * *", "--tz", "Europe/Paris", "-n", "3", "--from", "2026-03-28"},
			0,
			"Sat  2026-03-28T02:30:00+01:00\nSun  2026-03-29T03:00:00+02:00   for a time that the clocks skip\nMon  2026-03-30T02:30:00+02:00\n",
		},
		"over the end of summer time": {
			[]string{"next", "30 2 * * *", "--tz", "Europe/Paris", "-n", "2", "--from", "2026-10-25"},
			0,
			"Sun  2026-10-25T02:30:00+02:00   the first of two\nMon  2026-10-26T02:30:00+01:00\n",
		},
		"every hour": {
			[]string{"next", "30 * * * *", "--tz", "Europe/Paris", "-n", "3", "--from", "2026-10-25T01:00:00+02:00"},
			0,
			"Sun  2026-10-25T01:30:00+02:00\nSun  2026-10-25T02:30:00+02:00   the first of two\nSun  2026-10-25T02:30:00+01:00   the second of two\n",
		},
		"JSON": {
			[]string{"next", "@yearly", "--tz", "UTC", "-n", "1", "--from", "2026-03-28", "--json"},
			0,
			`{"pattern":"@yearly","zone":"UTC","instants":[{"time":"2027-01-01T00:00:00Z"}]}` + "\n",
		},
		"words":          {[]string{"explain", "*/10 8-17 * * mon-fri"}, 0, "Every 10th minute, in hours 8 to 17, on Monday to Friday\n"},
		"L":              {[]string{"explain", "0 9 LW * *"}, 0, "At 09:00, on the last weekday of the month\n"},
		"bad pattern":    {[]string{"next", "60 * * * *"}, exitUsage, "minute, column 1: 60 is out of range; want 0 to 59"},
		"bad pattern, 2": {[]string{"explain", "0 0 30 2 *"}, exitUsage, "none of the allowed months"},
		"bad zone":       {[]string{"next", "@daily", "--tz", "Europe/Atlantis"}, exitUsage, "unknown time zone"},
		"bad number":     {[]string{"next", "@daily", "-n", "10001"}, exitUsage, "1 to 10000"},
		"no number":      {[]string{"next", "@daily", "-n", "0"}, exitUsage, "a positive integer"},
		"bad time":       {[]string{"next", "@daily", "--from", "yesterday"}, exitUsage, "2026-03-28"},
	} {
		t.Run(name, func(t *testing.T) {
			p := start(t, nil, append([]string{"cron"}, row.args...)...)
			code := p.wait()
			out := p.lines.text()
			if code != 0 {
				out = p.errors.text()
			}
			if code != row.code || code == 0 && out != row.want || !strings.Contains(out, row.want) {
				t.Errorf("exit code %d, %q", code, out)
			}
		})
	}
}

func TestCronNextMaximum(t *testing.T) {
	t.Parallel()
	p := start(t, nil, "cron", "next", "@daily", "-n", "10000")
	if code := p.wait(); code != 0 || strings.Count(p.lines.text(), "\n") != 10_000 {
		t.Errorf("exit code %d, %d lines: %s", code, strings.Count(p.lines.text(), "\n"), p.errors.text())
	}
}
