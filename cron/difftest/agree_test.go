package difftest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/ignis-go/ignis/cron"
)

// chain is how many instants are compared for each pattern.
const chain = 20

// TestAgree compares a fixed sequence of generated patterns with each library.
func TestAgree(t *testing.T) {
	for i := range oracles {
		o := &oracles[i]
		t.Run(o.name, func(t *testing.T) {
			t.Parallel()
			r := rand.New(rand.NewPCG(1, 2))
			compared := 0
			for range patterns {
				s := source(randomBytes(r))
				compared += agree(t, o, s.pattern(), s.instant())
				if t.Failed() {
					return
				}
			}
			if compared < patterns/3*chain {
				t.Errorf("only %d instants were compared", compared)
			}
		})
	}
}

// FuzzAgree compares patterns generated from fuzz data with all libraries.
func FuzzAgree(f *testing.F) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 50 {
		f.Add(randomBytes(r))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		s := source(data)
		pattern, after := s.pattern(), s.instant()
		for i := range oracles {
			agree(t, &oracles[i], pattern, after)
		}
	})
}

// agree compares one library's answers about a pattern. It returns how many instants were equal
// or explained by a rule.
func agree(t *testing.T, o *oracle, text string, after time.Time) int {
	t.Helper()
	p := parsePattern(text)
	ours, err := cron.Parse(text)
	if (err == nil) != (len(p.faults) == 0) {
		t.Errorf("%q: cron.Parse returned %v, but the test found %v", text, err, p.faults)
		return 0
	}
	next, theirErr := o.parse(text)
	if got, want := verdictOf(theirErr), o.verdict(p); want != unsure && got != want {
		t.Errorf("%s: %q is %s, want %s; ours: %v", o.name, text, got, want, err)
		return 0
	}
	if err != nil || theirErr != nil {
		return 0
	}
	for n := range chain {
		got, their := ours.Next(after), next(after)
		if !got.Equal(their) && !p.explains(t, o, after, got, their) {
			return n
		}
		after = got
		if their.Before(got) && !their.IsZero() {
			after = their
		}
	}
	return chain
}

// explains fails the test unless a rule applies to p, and the readings of both libraries predict
// the answers that they gave.
func (p *pattern) explains(t *testing.T, o *oracle, after, ours, theirs time.Time) bool {
	t.Helper()
	if want := p.next(after, &ourReading); !ours.Equal(want) {
		t.Errorf("%q after %s: ours is %s, want %s", p.text, show(after), show(ours), show(want))
		return false
	}
	if want := p.next(after, &o.reading); !theirs.Equal(want) {
		t.Errorf("%s: %q after %s: ours is %s, theirs is %s, but the rules predict %s",
			o.name, p.text, show(after), show(ours), show(theirs), show(want))
		return false
	}
	if !slices.ContainsFunc(rulesOf(o.name), func(r *rule) bool { return r.differs != nil && r.differs(p) }) {
		t.Errorf("%s: %q after %s: ours is %s, theirs is %s, and no rule applies",
			o.name, p.text, show(after), show(ours), show(theirs))
		return false
	}
	return true
}

const (
	accepted = "accepted"
	unsure   = "unsure"
)

// verdict returns whether the library accepts p, according to the rules.
func (o *oracle) verdict(p *pattern) string {
	list, result := rulesOf(o.name), accepted
	for _, r := range list {
		if r.refuses != nil && r.refuses(p) {
			return refused
		}
	}
	for _, f := range p.faults {
		sure, some := false, false
		for _, r := range list {
			if r.covers == nil || !r.covers(f) {
				continue
			}
			if r.they == panics {
				result = panics
			}
			some, sure = true, sure || !r.unsure
		}
		switch {
		case !some:
			return refused
		case !sure:
			result = unsure
		}
	}
	return result
}

func verdictOf(err error) string {
	switch {
	case err == nil:
		return accepted
	case errors.Is(err, errPanicked):
		return panics
	}
	return refused
}

// TestRules checks the example of each rule, and that no other rule applies to it.
func TestRules(t *testing.T) {
	names := make(map[string]bool)
	for i := range rules {
		r := &rules[i]
		if names[r.name] {
			t.Errorf("duplicate rule %q", r.name)
		}
		names[r.name] = true
		for _, name := range r.of {
			t.Run(fmt.Sprintf("%s/%s", r.name, name), func(t *testing.T) {
				o := &oracles[slices.IndexFunc(oracles, func(o oracle) bool { return o.name == name })]
				r.check(t, o)
			})
		}
	}
}

func (r *rule) check(t *testing.T, o *oracle) {
	after, err := time.Parse(time.DateTime, r.after)
	if err != nil {
		t.Fatal(err)
	}
	we := refused
	if s, err := cron.Parse(r.pattern); err == nil {
		we = show(s.Next(after))
	}
	next, err := o.parse(r.pattern)
	they := verdictOf(err)
	if err == nil {
		they = show(next(after))
	}
	if we != r.we || they != r.they {
		t.Errorf("%q: ours is %s, want %s; theirs is %s, want %s", r.pattern, we, r.we, they, r.they)
	}
	agree(t, o, r.pattern, after)

	p := parsePattern(r.pattern)
	used := 0
	for _, other := range rulesOf(o.name) {
		if other.about(p, o) {
			used++
		}
	}
	if !r.about(p, o) || used != 1 {
		t.Errorf("%q: %d rules of %s apply, this one: %v", r.pattern, used, o.name, r.about(p, o))
	}
}

// about reports whether r applies to p for a library.
func (r *rule) about(p *pattern, o *oracle) bool {
	switch {
	case r.covers != nil:
		return slices.ContainsFunc(p.faults, r.covers)
	case r.refuses != nil:
		return r.refuses(p)
	}
	return len(p.faults) == 0 && o.verdict(p) == accepted && r.differs(p)
}

func show(t time.Time) string {
	if t.IsZero() {
		return never
	}
	return t.UTC().Format("2006-01-02 15:04:05.999999999")
}
