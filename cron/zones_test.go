package cron_test

import (
	"archive/zip"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ignis-go/ignis/cron"
	"github.com/ignis-go/ignis/internal/childproc"
	"github.com/ignis-go/ignis/internal/longtest"
	"github.com/ignis-go/ignis/internal/testprog"
)

// rule is a pattern together with a straightforward function that computes the same.
type rule struct {
	pattern string
	real    bool // whether every hour is allowed
	due     func(w time.Time) bool
}

var rules = []rule{
	{"* * * * *", true, func(time.Time) bool { return true }},
	{"*/20 * * * *", true, func(w time.Time) bool { return w.Minute()%20 == 0 }},
	{"15 * * * 1-5", true, func(w time.Time) bool {
		return w.Minute() == 15 && w.Weekday() >= time.Monday && w.Weekday() <= time.Friday
	}},
	{"30 2 * * *", false, func(w time.Time) bool { return w.Hour() == 2 && w.Minute() == 30 }},
	{"0 0 * * *", false, func(w time.Time) bool { return w.Hour() == 0 && w.Minute() == 0 }},
	{"*/10 0-3 * * *", false, func(w time.Time) bool { return w.Hour() <= 3 && w.Minute()%10 == 0 }},
	{"45 23 * * *", false, func(w time.Time) bool { return w.Hour() == 23 && w.Minute() == 45 }},
	{"5,35 1,12 * * 0,6", false, func(w time.Time) bool {
		return (w.Minute() == 5 || w.Minute() == 35) && (w.Hour() == 1 || w.Hour() == 12) && (w.Weekday() == time.Sunday || w.Weekday() == time.Saturday)
	}},
	{"0 */3 1-7,30 * *", false, func(w time.Time) bool {
		return w.Minute() == 0 && w.Hour()%3 == 0 && (w.Day() <= 7 || w.Day() == 30)
	}},
}

// TestTransitions compares schedules minute by minute around changes of the clocks by an hour,
// by half an hour and by a whole day.
func TestTransitions(t *testing.T) {
	schedules := make([]*cron.Schedule, len(rules))
	for i, r := range rules {
		schedules[i] = parse(t, r.pattern)
	}
	for _, name := range []string{"Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia", "Asia/Pyongyang"} {
		loc := zone(t, name)
		changes := changesOf(loc)
		for _, c := range changes[max(0, len(changes)-4):] {
			checkAround(t, loc, c.at, schedules)
		}
		for _, c := range changes[:min(4, len(changes))] {
			checkAround(t, loc, c.at, schedules)
		}
	}
}

// TestEveryTransition compares schedules minute by minute around every change in every zone.
func TestEveryTransition(t *testing.T) {
	longtest.Mark(t)
	schedules := make([]*cron.Schedule, len(rules))
	for i, r := range rules {
		schedules[i] = parse(t, r.pattern)
	}
	seen, transitions := map[string]bool{}, 0
	for _, name := range zoneNames(t) {
		loc := zone(t, name)
		changes := changesOf(loc)
		if key := fmt.Sprint(changes); seen[key] {
			continue // an alias of a zone
		} else {
			seen[key] = true
		}
		for i, c := range changes {
			if testprog.Race && i%32 != 0 {
				continue // the race detector is ten times slower; without it all are checked
			}
			transitions++
			checkAround(t, loc, c.at, schedules)
			if t.Failed() {
				return
			}
		}
	}
	if transitions < 2000 && !testprog.Race {
		t.Errorf("only %d transitions", transitions)
	}
}

type change struct {
	at     int64
	offset int
}

// changesOf returns the changes of a zone's offset from 1990 to 2037.
func changesOf(loc *time.Location) (list []change) {
	end := time.Date(2038, 1, 1, 0, 0, 0, 0, time.UTC)
	for at := time.Date(1990, 1, 1, 0, 0, 0, 0, time.UTC).In(loc); ; {
		_, next := at.ZoneBounds()
		if next.IsZero() || !next.Before(end) {
			return list
		}
		_, before := next.Add(-time.Second).Zone()
		if _, after := next.Zone(); after != before {
			list = append(list, change{next.Unix(), after})
		}
		at = next
	}
}

// checkAround compares schedules with the rules for a day and a half around a change.
func checkAround(t *testing.T, loc *time.Location, change int64, schedules []*cron.Schedule) {
	t.Helper()
	const minute, hour = 60, 3600
	from, until := change-5*hour, change+27*hour
	due := make([][]int64, len(rules))
	highest, last := int64(0), int64(0)
	for at := change - 56*hour; at <= until; at += minute {
		w := time.Unix(at, 0).In(loc)
		_, offset := w.Zone()
		wall := at + int64(offset)
		skipped := last
		for i, r := range rules {
			is := r.due(w) && (r.real || wall > highest)
			for x := skipped + minute; !r.real && last > 0 && x < wall; x += minute {
				is = is || x > highest && r.due(time.Unix(x, 0).UTC())
			}
			if is && at > from {
				due[i] = append(due[i], at)
			}
		}
		highest, last = max(highest, wall), wall
	}
	for i, s := range schedules {
		var got []int64
		at := time.Unix(from, 0).In(loc)
		for at = s.Next(at); at.Unix() <= until; at = s.Next(at) {
			got = append(got, at.Unix())
		}
		if !slices.Equal(got, due[i]) {
			t.Errorf("%s in %v around %v:\n got %v\nwant %v", s, loc, time.Unix(change, 0).In(loc), times(got, loc), times(due[i], loc))
			continue
		}
		// Go back with Prev.
		for k := len(due[i]) - 1; k >= 0; k-- {
			if at = s.Prev(at); at.Unix() != due[i][k] {
				t.Errorf("%s in %v: Prev is %v, want %v", s, loc, at, times(due[i][k:k+1], loc))
				break
			}
		}
	}
}

func times(list []int64, loc *time.Location) (text []string) {
	for _, at := range list {
		text = append(text, time.Unix(at, 0).In(loc).Format(time.RFC3339))
	}
	return text
}

// zoneNames returns the names of all zones in Go's time zone database.
func zoneNames(t *testing.T) (names []string) {
	t.Helper()
	root, err := childproc.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	r, err := zip.OpenReader(filepath.Join(strings.TrimSpace(string(root)), "lib", "time", "zoneinfo.zip"))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for _, f := range r.File {
		if !strings.HasSuffix(f.Name, "/") {
			names = append(names, f.Name)
		}
	}
	if len(names) < 500 {
		t.Fatalf("%d zones", len(names))
	}
	return names
}
