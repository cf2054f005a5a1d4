package cron_test

import (
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/ignis-go/ignis/cron"
)

// vectors reads test vectors that were checked against another implementation.
func vectors[T any](t testing.TB, name string) (list []T) {
	t.Helper()
	text, err := os.ReadFile("testdata/vectors/cron-" + name + ".json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &list); err != nil || len(list) == 0 {
		t.Fatalf("%s: %d vectors, %v", name, len(list), err)
	}
	return list
}

func zone(t testing.TB, name string) *time.Location {
	t.Helper()
	if offset, ok := strings.CutPrefix(name, "UTC"); ok && offset != "" {
		at, err := time.Parse("-07:00", offset)
		if err != nil {
			t.Fatal(err)
		}
		return at.Location()
	}
	loc, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return loc
}

func parse(t testing.TB, pattern string, options ...cron.ParseOption) *cron.Schedule {
	t.Helper()
	s, err := cron.Parse(pattern, options...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestVectorsNext(t *testing.T) {
	for _, v := range vectors[struct {
		Pattern, TZ string
		From        time.Time
		Expect      []time.Time
	}](t, "next") {
		s, at := parse(t, v.Pattern), v.From.In(zone(t, v.TZ))
		for i, want := range v.Expect {
			got := s.Next(at)
			if !got.Equal(want) || got.Format(time.RFC3339) != want.Format(time.RFC3339) && want.Location() != time.UTC {
				t.Errorf("%s in %s from %v: instant %d is %v, want %v", v.Pattern, v.TZ, v.From, i, got, want)
				break
			}
			at = got
		}
	}
}

func TestVectorsDST(t *testing.T) {
	for _, v := range vectors[struct {
		Pattern, TZ, Note string
		From              time.Time
		UntilHours        int
		Expect            []time.Time
	}](t, "dst") {
		s, end := parse(t, v.Pattern), v.From.Add(time.Duration(v.UntilHours)*time.Hour)
		var got []string
		for at := s.Next(v.From.In(zone(t, v.TZ))); !at.After(end); at = s.Next(at) {
			got = append(got, at.Format(time.RFC3339))
		}
		var want []string
		for _, w := range v.Expect {
			want = append(want, w.Format(time.RFC3339))
		}
		if strings.Join(got, " ") != strings.Join(want, " ") {
			t.Errorf("%s in %s, %s:\n got %v\nwant %v", v.Pattern, v.TZ, v.Note, got, want)
		}
	}
}

func TestVectorsInvalid(t *testing.T) {
	// These patterns are extensions of this package.
	additions := map[string]bool{"@midnight": true, "@annually": true, "@every 5m": true, "0 0 * * fri-sun": true}
	for _, v := range vectors[struct{ Pattern, Why string }](t, "invalid") {
		if strings.Contains(v.Why, "timezone") {
			continue // the pattern itself is valid
		}
		_, err := cron.Parse(v.Pattern)
		if additions[v.Pattern] {
			if err != nil {
				t.Errorf("%q: %v", v.Pattern, err)
			}
			continue
		}
		var p *cron.ParseError
		switch {
		case err == nil:
			t.Errorf("%q is accepted, although %s", v.Pattern, v.Why)
		case strings.TrimSpace(v.Pattern) == "":
			if !errors.Is(err, cron.ErrEmptyPattern) {
				t.Errorf("%q: %v", v.Pattern, err)
			}
		case !errors.As(err, &p) || p.Column < 1 || p.Column > len(v.Pattern)+1 || p.Message == "":
			t.Errorf("%q: %v", v.Pattern, err)
		}
	}
}

func TestVectorsEquivalent(t *testing.T) {
	from := time.Date(2024, 1, 31, 23, 59, 30, 0, time.UTC)
	for _, v := range vectors[struct {
		Pattern string
		SameAs  *string
	}](t, "equivalent") {
		if v.Pattern == "0 0 0 * mon *" || v.Pattern == "0 0 0 * * jan" {
			// The reference accepts names of months and weekdays in both fields.
			if _, err := cron.Parse(v.Pattern); err == nil {
				t.Errorf("%s is accepted", v.Pattern)
			}
			continue
		}
		s := parse(t, v.Pattern)
		if v.SameAs == nil {
			continue // only Parse is tested
		}
		want := parse(t, *v.SameAs).NextN(from, 500)
		for i, got := range s.NextN(from, 500) {
			if !got.Equal(want[i]) {
				t.Errorf("%s: instant %d is %v; %s has %v", v.Pattern, i, got, *v.SameAs, want[i])
				break
			}
		}
	}
}
