package cron_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/ignis-go/ignis/cron"
)

// Names of months and weekdays are case-insensitive.
func TestNames(t *testing.T) {
	from := time.Date(2023, 1, 1, 0, 0, 0, 0, time.UTC) // a Sunday
	for i, name := range strings.Fields("sun mon TUE Wed thu fri sat") {
		at := parse(t, "0 0 * * "+name).Next(from.Add(-1))
		if at.Weekday() != time.Weekday(i) || at.Sub(from) > 6*24*time.Hour {
			t.Errorf("%s is %v", name, at)
		}
	}
	for i, name := range strings.Fields("jan feb MAR Apr may jun jul aug sep oct nov dec") {
		if at := parse(t, "0 0 1 "+name+" *").Next(from.Add(-1)); at.Month() != time.Month(1+i) || at.Year() != 2023 {
			t.Errorf("%s is %v", name, at)
		}
	}
}

// Next and Prev visit every day of leap years and common years.
func TestEveryDay(t *testing.T) {
	all := parse(t, "@daily")
	for _, year := range []int{1900, 1996, 1999, 2000, 2001, 2100, 2400} {
		day := time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC)
		last := parse(t, "0 0 29 2 *").Prev(time.Date(year+1, 1, 1, 0, 0, 0, 0, time.UTC))
		if leap := time.Date(year, 3, 0, 0, 0, 0, 0, time.UTC).Day() == 29; (last.Year() == year) != leap {
			t.Errorf("%d: 29 February is %v", year, last)
		}
		for range 400 {
			next := day.AddDate(0, 0, 1)
			if got := all.Next(day); !got.Equal(next) {
				t.Fatalf("%v after %v", got, day)
			}
			if got := all.Prev(next); !got.Equal(day) {
				t.Fatalf("%v before %v", got, next)
			}
			one := parse(t, next.Format("0 0 2 1 *"))
			if got := one.Prev(next.Add(1)); !got.Equal(next) {
				t.Fatalf("%s: %v before %v", one, got, next)
			}
			if got := one.Next(day); !got.Equal(next) {
				t.Fatalf("%s: %v after %v", one, got, day)
			}
			day = next
		}
	}
}

// W is the weekday nearest to a day, in the same month.
func TestNearestWeekday(t *testing.T) {
	for n := 1; n <= 31; n++ {
		s := parse(t, fmt.Sprintf("0 0 %dW * *", n), cron.Extended)
		got := s.Next(time.Date(2023, 1, 1, 0, 0, 0, 0, time.UTC).Add(-1))
		for first := time.Date(2023, 1, 1, 0, 0, 0, 0, time.UTC); first.Year() < 2030; first = first.AddDate(0, 1, 0) {
			day := first.AddDate(0, 0, n-1)
			if day.Month() != first.Month() {
				continue
			}
			want := day
			for _, move := range []int{0, -1, 1, -2, 2} { // Saturday goes back, Sunday forward
				if want = day.AddDate(0, 0, move); want.Month() == first.Month() && want.Weekday() != time.Saturday && want.Weekday() != time.Sunday {
					break
				}
			}
			if !got.Equal(want) {
				t.Fatalf("%v: %v, want %v", s, got, want)
			}
			got = s.Next(got)
		}
	}
}

// TestSpecialBounds checks the bounds of L, W and #.
func TestSpecialBounds(t *testing.T) {
	for pattern, ok := range map[string]bool{
		"0 0 L-0 * *": true, "0 0 L-30 * *": true, "0 0 L-31 * *": false, "0 0 L- * *": false,
		"0 0 1W * *": true, "0 0 31W * *": true, "0 0 0W * *": false, "0 0 32W * *": false, "0 0 W * *": false,
		"0 0 * * 0#1": true, "0 0 * * 7#5": true, "0 0 * * fri#3": true, "0 0 * * 8#1": false, "0 0 * * 1#0": false, "0 0 * * 1#6": false, "0 0 * * #1": false,
		"0 0 * * 7L": true, "0 0 * * 8L": false, "0 0 * * L": false, "0 0 * * satL": true,
	} {
		if _, err := cron.Parse(pattern, cron.Extended); (err == nil) != ok {
			t.Errorf("%s: %v", pattern, err)
		}
	}
}
