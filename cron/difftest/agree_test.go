package difftest

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/ignis-go/ignis/cron"
)

func parseOurs(pattern string) (next func(time.Time) time.Time, err error) {
	s, err := cron.Parse(pattern)
	if err != nil {
		return nil, err
	}
	return s.Next, nil
}

// FuzzAgree does the same with patterns and instants of the fuzzer's: the numbers are those
// that they are made from.
func FuzzAgree(f *testing.F) {
	f.Add(uint64(1), uint64(2))
	f.Fuzz(func(t *testing.T, a, b uint64) {
		rng := rand.New(rand.NewPCG(a, b))
		p, start := pattern(rng), randomStart(rng)
		for _, o := range everybody() {
			check(t, o, p, start)
		}
	})
}

// steps is how many instants of a pattern are compared.
const steps = 20

// check compares a library with the model of its dialect.
func check(t *testing.T, o oracle, pattern string, start time.Time) {
	t.Helper()
	d := dialects[o.name]
	m, want := d.parse(pattern)
	next, err := o.parse(pattern)
	if (want == nil) != (err == nil) {
		if want != nil && d.lazy {
			return
		}
		t.Errorf("%s: %q: %v, but by its dialect %v", o.name, pattern, err, want)
		return
	}
	if err != nil || m.every > 0 {
		return
	}
	at := start
	for range steps {
		got, want := next(at), m.next(at)
		if got.IsZero() && d.tires > 0 && (want.IsZero() || want.Year()-at.Year() >= d.tires) {
			return
		}
		if !got.Equal(want) && !(got.IsZero() && want.IsZero()) {
			t.Errorf("%s: %q after %v: %v, but by its dialect %v", o.name, pattern, at, got, want)
			return
		}
		if got.IsZero() {
			return
		}
		at = got
	}
}

func everybody() []oracle { return append([]oracle{{"ignis", parseOurs}}, oracles...) }

func randomStart(rng *rand.Rand) time.Time {
	return time.Date(1990, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(rng.Int64N(100*365*86400)) * time.Second)
}

func TestAgree(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 3000 {
		p, start := pattern(rng), randomStart(rng)
		for _, o := range everybody() {
			check(t, o, p, start)
		}
	}
}
