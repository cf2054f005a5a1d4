package cron_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ignis-go/ignis/cron"
)

func TestRareDates(t *testing.T) {
	for pattern, row := range map[string]struct{ from, want string }{
		"0 0 29 2 *":     {"2096-02-29", "2104-02-29"}, // 2100 is not a leap year
		"0 0 * 2 1#5":    {"2016-02-29", "2044-02-29"}, // a 29 February on a Monday
		"0 0 * 2 mon#5":  {"2072-02-29", "2112-02-29"},
		"0 0 L 2 *":      {"2023-03-01", "2024-02-29"},
		"0 0 L-1 2 *":    {"2023-03-01", "2024-02-28"},
		"0 0 L-30 * *":   {"2024-01-31", "2024-03-01"},
		"0 0 15W * *":    {"2024-06-01", "2024-06-14"}, // the 15th is a Saturday
		"0 0 1W 6 *":     {"2024-01-01", "2024-06-03"}, // a Saturday; not in May
		"0 0 1W 9 *":     {"2024-01-01", "2024-09-02"}, // a Sunday
		"0 0 LW 6 *":     {"2024-01-01", "2024-06-28"}, // the 30th is a Sunday
		"0 0 31W 8 *":    {"2024-01-01", "2024-08-30"}, // a Saturday
		"0 0 31W 6 *":    nothing,
		"0 0 * * 5L":     {"2024-06-01", "2024-06-28"},
		"0 0 * * fril":   {"2024-06-28", "2024-07-26"},
		"0 0 * * 7#1":    {"2024-09-01", "2024-10-06"},
		"0 0 1,L * 1#2":  {"2024-06-01", "2024-06-10"},
		"0 0 L * *":      {"2023-12-31", "2024-01-31"},
		"0 0 31 * *":     {"2024-03-31", "2024-05-31"},
		"0 0 1 1 *":      {"9999-06-01", "10000-01-01"},
		"0 0 29 2 0":     {"2023-02-28", "2024-02-04"}, // either field
		"0 0 1-31 * 1":   {"2024-06-01", "2024-06-03"}, // the day of the month is unrestricted
		"0 0 */2 * 1":    {"2024-06-01", "2024-06-03"},
		"0 0 L,1-31 * 1": {"2024-06-01", "2024-06-03"},
	} {
		s, err := cron.Parse(pattern, cron.Extended)
		if row == nothing {
			if err == nil {
				t.Errorf("%s is accepted", pattern)
			}
			continue
		}
		if err != nil {
			t.Error(err)
			continue
		}
		from, _ := time.Parse(time.DateOnly, row.from)
		got := s.Next(from)
		if got.Format(time.DateOnly) != row.want {
			t.Errorf("%s after %s: %v, want %s", pattern, row.from, got, row.want)
		}
		if back := s.Next(s.Prev(got)); !back.Equal(got) {
			t.Errorf("%s: %v, but Next(Prev) is %v", pattern, got, back)
		}
	}
}

var nothing struct{ from, want string }

func TestErrors(t *testing.T) {
	for _, row := range []struct {
		pattern, field string
		column         int
		says           string
	}{
		{"60 * * * *", "minute", 1, "60 is out of range; want 0 to 59"},
		{"  5  24 * * *", "hour", 6, "24 is out of range; want 0 to 23"},
		{"0 0 0 1,2,x * *", "day of month", 11, `"x" is not a valid value; want 1 to 31`},
		{"* * * jar *", "month", 7, `"jar" is not a valid value; want 1 to 12 or jan to dec`},
		{"* * * * monday", "day of week", 9, "want 0 to 7 or sun to sat"},
		{"* * * * fri-mon", "day of week", 9, "goes backwards"},
		{"* * * * 5-0", "day of week", 9, "goes backwards"},
		{"* * * * jan", "day of week", 9, "sun to sat"},
		{"* * * mon *", "month", 7, "jan to dec"},
		{"0 0 ? * 1", "day of month", 5, "? is not supported; write *"},
		{"CRON_TZ=UTC 0 0 * * *", "", 1, "a time zone is not part of the pattern"},
		{" TZ=UTC 0 0 * * *", "", 2, "a time zone is not part of the pattern"},
		{"* * * * fri-sux", "day of week", 13, `"sux" is not a valid value`},
		{"* 1-24 * * *", "hour", 5, "24 is out of range"},
		{"*/5/5 * * * *", "minute", 3, `the step "5/5"`},
		{"1- * * * *", "minute", 3, `"1-" is incomplete`},
		{"* * * 1/0 *", "month", 9, `the step "0"`},
		{"1,,2 * * * *", "minute", 3, "empty list item"},
		{"* * * *", "", 8, "4 fields, want five"},
		{"* * * * * * *", "", 13, "7 fields"},
		{"0 0 30 2 *", "day of month", 5, "none of the allowed months"},
		{"0 0 L * *", "day of month", 5, "requires the option Extended"},
		{"0 0 * * 5#6", "day of week", 9, "requires the option Extended"},
		{"ü * * * *", "minute", 1, "not a valid value"},
		{"* ü * * 9", "hour", 3, "not a valid value"},
		{" @daily", "", 1, "blanks are not allowed"},
		{"@dayly", "", 1, "@daily"},
		{"@every 1500ms", "", 7, "a whole number of seconds"},
		{"@every -5m", "", 7, "a whole number of seconds"},
		{"@daily 5", "", 1, "want @secondly"},
		{strings.Repeat("1,", 1000) + "1 * * * *", "", 1, "longer than"},
	} {
		_, err := cron.Parse(row.pattern)
		var p *cron.ParseError
		if !errors.As(err, &p) || p.Field != row.field || p.Column != row.column || !strings.Contains(err.Error(), row.says) || len(err.Error()) > 400 {
			t.Errorf("%.50q: %+v\nwant column %d of %q, %s", row.pattern, err, row.column, row.field, row.says)
			continue
		}
		where := fmt.Sprintf("column %d: ", row.column)
		if row.field != "" {
			where = row.field + ", " + where
		}
		if want := fmt.Sprintf("cron: %.100q: %s%s", row.pattern, where, p.Message); err.Error() != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
	defer func() {
		if recover() == nil {
			t.Error("MustParse did not panic")
		}
	}()
	cron.MustParse("x")
}

func TestEvery(t *testing.T) {
	s := parse(t, "@every 90s")
	at := time.Unix(1_000_000_000, 5)
	for range 1000 {
		next := s.Next(at)
		if next.Unix()%90 != 0 || !next.After(at) || next.Sub(at) > 90*time.Second || !s.Prev(next.Add(1)).Equal(next) {
			t.Fatalf("%v after %v", next, at)
		}
		at = next
	}
	if got := s.Next(time.Unix(-1, 0)); got.Unix() != 0 {
		t.Errorf("%v after the second before the epoch", got)
	}
	if got := s.Prev(time.Unix(0, 0)); got.Unix() != -90 {
		t.Errorf("%v before the epoch", got)
	}
}

// A range may end with the Sunday at the end of the week.
func TestRangesToSunday(t *testing.T) {
	for pattern, same := range map[string]string{"mon-sun": "1-7", "fri-SUN": "5-7", "sat-sun": "6-7", "5-sun": "5-7", "mon-sun/2": "1-7/2", "sun-sun": "0", "sun-tue": "0-2", "0-sun": "0"} {
		from := time.Date(2023, 1, 1, 0, 0, 0, 0, time.UTC)
		got, want := parse(t, "0 0 * * "+pattern).NextN(from, 20), parse(t, "0 0 * * "+same).NextN(from, 20)
		if !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", pattern, got, want)
		}
	}
}

func TestString(t *testing.T) {
	for pattern, want := range map[string]string{"  0 0  * * * ": "0 0  * * *", "@DAILY ": "@DAILY", "@every 90s": "@every 90s"} {
		if got := parse(t, pattern).String(); got != want {
			t.Errorf("%q: %q", pattern, got)
		}
	}
}

func TestExplain(t *testing.T) {
	for pattern, want := range map[string]string{
		"30 2 * * *":        "At 02:30, every day",
		"0 30 2 * * 1-5":    "At 02:30, on Monday to Friday",
		"15 30 2 * * *":     "At 02:30:15, every day",
		"0 9,12,18 * * *":   "At 09:00, 12:00 and 18:00, every day",
		"* * * * *":         "Every minute",
		"* * * * * *":       "Every second",
		"*/15 * * * *":      "Every 15th minute",
		"0 * * * *":         "At the start of every hour",
		"30 * * * *":        "At minute 30 of every hour",
		"*/10 8-17 * * 1-5": "Every 10th minute, in hours 8 to 17, on Monday to Friday",
		"0 0 1,15 * 1":      "At 00:00, on the 1st and 15th of the month or Monday",
		"0 0 1 1 *":         "At 00:00, on the 1st of the month, in January",
		"0 0 * 6-8 sun,tue": "At 00:00, on Sunday and Tuesday, in June to August",
		"0 0 */2 * *":       "At 00:00, on every 2nd day from the 1st of the month",
		"0 0 L * *":         "At 00:00, on the last day of the month",
		"0 0 15W * 5#2":     "At 00:00, on the weekday nearest to the 15th of the month or the 2nd Friday of the month",
		"@weekly":           "At 00:00, on Sunday",
		"@every 90s":        "Every 1m30s, counted from 1 January 1970 UTC",
		"*/20 5 * * * *":    "Every 20th second, at minute 5 of every hour",

		"0 0 1,2,3,4,11,12,13,21,22,23,31 * *": "At 00:00, on the 1st to 4th, 11th to 13th, 21st to 23rd and 31st of the month",
		"0 0-11 * * *":                         "At 00:00, 01:00, 02:00, 03:00, 04:00, 05:00, 06:00, 07:00, 08:00, 09:00, 10:00 and 11:00, every day",
		"0 0-12 * * *":                         "At minute 0, in hours 0 to 12, every day",
		"0,30 * * * *":                         "At minutes 0 and 30 of every hour",
		"0,20,40 * * * *":                      "Every 20th minute",
		"10,30,50 * * * *":                     "At minutes 10, 30 and 50 of every hour",
		"0,20,41 * * * *":                      "At minutes 0, 20 and 41 of every hour",
		"0,10,20,30 * * * *":                   "At minutes 0, 10, 20 and 30 of every hour",
		"1,2 1,2,3 * * *":                      "At 01:01, 01:02, 02:01, 02:02, 03:01 and 03:02, every day",
		"5 * * * * *":                          "At second 5 of every minute",
		"0 0 1-31/10 * *":                      "At 00:00, on every 10th day from the 1st of the month",
		"0 0 1,4,7 * *":                        "At 00:00, on the 1st, 4th and 7th of the month",
		"0 0 1,4,7,10 * *":                     "At 00:00, on the 1st, 4th, 7th and 10th of the month",
		"0 0 2,12,22 * *":                      "At 00:00, on the 2nd, 12th and 22nd of the month",
		"0 0 LW * *":                           "At 00:00, on the last weekday of the month",
		"0 0 L-3 * *":                          "At 00:00, on the 3rd day before the last of the month",
		"0 0 * * 5L":                           "At 00:00, on the last Friday of the month",
		"0 0 13 * 5":                           "At 00:00, on the 13th of the month or Friday",
	} {
		if got := parse(t, pattern, cron.Extended).Explain(); got != want {
			t.Errorf("%s:\n got %s\nwant %s", pattern, got, want)
		}
	}
}

func TestShift(t *testing.T) {
	paris := zone(t, "Europe/Paris")
	s := parse(t, "30 2 * * *")
	at := s.Next(time.Date(2025, 3, 29, 12, 0, 0, 0, paris))
	if got := s.ShiftAt(at); got != cron.ShiftGap {
		t.Errorf("%v: %v", at, got)
	}
	at = s.Next(at)
	if got := s.ShiftAt(at); got != cron.ShiftNone {
		t.Errorf("%v: %v", at, got)
	}
	at = s.Next(time.Date(2025, 10, 25, 12, 0, 0, 0, paris))
	if got := s.ShiftAt(at); got != cron.ShiftFirst {
		t.Errorf("%v: %v", at, got)
	}
	hourly := parse(t, "30 * * * *")
	at = hourly.Next(at)
	if got := hourly.ShiftAt(at); got != cron.ShiftSecond {
		t.Errorf("%v: %v", at, got)
	}
	// The repeated hour begins at 02:00 CEST and again at 02:00 CET.
	all := parse(t, "* * * * * *")
	twice := time.Date(2025, 10, 26, 0, 0, 0, 0, time.UTC)
	for after, want := range map[time.Duration]cron.Shift{
		-1: cron.ShiftNone, 0: cron.ShiftFirst, 3599: cron.ShiftFirst,
		3600: cron.ShiftSecond, 7199: cron.ShiftSecond, 7200: cron.ShiftNone,
	} {
		if at := twice.Add(after * time.Second).In(paris); all.ShiftAt(at) != want {
			t.Errorf("%v: %v", at, all.ShiftAt(at))
		}
	}
	for shift, want := range map[cron.Shift]string{
		cron.ShiftNone: "", cron.ShiftGap: "for a time that the clocks skip", cron.ShiftFirst: "the first of two", cron.ShiftSecond: "the second of two",
	} {
		if shift.String() != want {
			t.Errorf("%q, want %q", shift, want)
		}
	}
}

// FuzzNext checks that Next always advances and that Prev is its inverse.
func FuzzNext(f *testing.F) {
	for _, v := range vectors[struct{ Pattern string }](f, "equivalent") {
		f.Add(v.Pattern, int64(1_700_000_000), uint8(0))
	}
	for _, v := range vectors[struct{ Pattern string }](f, "invalid") {
		f.Add(v.Pattern, int64(0), uint8(3))
	}
	f.Add("0 0 L,15W * 5L,1#5", int64(-1<<40), uint8(1))
	var zones []*time.Location
	for _, name := range []string{"UTC", "Europe/Paris", "America/Santiago", "Australia/Lord_Howe", "Pacific/Apia", "Africa/Casablanca", "America/Havana", "Asia/Kathmandu"} {
		zones = append(zones, zone(f, name))
	}
	f.Fuzz(func(t *testing.T, pattern string, from int64, where uint8) {
		s, err := cron.Parse(pattern, cron.Extended)
		if err != nil {
			if len(err.Error()) > 2000 {
				t.Errorf("an error of %d bytes", len(err.Error()))
			}
			return
		}
		if s.Explain() == "" {
			t.Error("Explain returned an empty string")
		}
		at := time.Unix(from%(1<<38), 0).In(zones[int(where)%len(zones)]) // within ten thousand years
		for range 20 {
			next := s.Next(at)
			if !next.After(at) || next.Nanosecond() != 0 {
				t.Fatalf("%q: %v after %v", pattern, next, at)
			}
			if prev := s.Prev(next); prev.After(at) || !s.Next(prev).Equal(next) {
				t.Fatalf("%q: %v before %v, after %v", pattern, prev, next, at)
			}
			at = next
		}
	})
}

func TestNoAllocation(t *testing.T) {
	paris := zone(t, "Europe/Paris")
	for _, pattern := range []string{"* * * * * *", "30 2 * * *", "0 0 * 2 1#5"} {
		s, at := parse(t, pattern, cron.Extended), time.Now().In(paris)
		if n := testing.AllocsPerRun(100, func() { at = s.Next(at) }); n > 0 {
			t.Errorf("%s: %v allocations", pattern, n)
		}
	}
}

func BenchmarkNext(b *testing.B) {
	for name, pattern := range map[string]string{"every second": "* * * * * *", "daily": "30 2 * * *", "29 February on a Monday": "0 0 * 2 1#5"} {
		b.Run(name, func(b *testing.B) {
			s, from := parse(b, pattern, cron.Extended), time.Date(2025, 1, 1, 0, 0, 0, 0, zone(b, "Europe/Paris"))
			at := from
			b.ReportAllocs()
			for b.Loop() {
				if at = s.Next(at); at.Year() > 2400 {
					at = from
				}
			}
		})
	}
}
