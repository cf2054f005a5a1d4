package access_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/ignis-go/ignis/access"
)

// thousandRules returns rules of all kinds, none of which matches the names of another.
func thousandRules(t testing.TB) *access.Rules {
	t.Helper()
	var list []access.Rule
	for i := range 200 {
		list = append(list,
			access.Rule{Match: fmt.Sprintf("room-%d", i), Join: access.JoinRule{Who: access.Anyone}},
			access.Rule{Match: fmt.Sprintf("public%d-*", i), Join: access.JoinRule{Who: access.Anyone}},
			access.Rule{Match: fmt.Sprintf("user%d:{user}:*", i), Join: access.JoinRule{Who: access.Anyone}},
			access.Rule{
				Match: fmt.Sprintf("team%d-{team}:chat", i), Join: access.JoinRule{Claim: "teams"},
				Send: []access.SendRule{{Events: []string{"say", "typing"}}},
			},
			access.Rule{Match: fmt.Sprintf("{shop}-orders%d:{order}:{user}", i), Join: access.JoinRule{Who: access.Webhook}},
		)
	}
	rules, err := access.Compile(list)
	if err != nil {
		t.Fatal(err)
	}
	return rules
}

// nestedRules returns rules of which many have to be tried for the name "aaaa...": each
// has another text before its variable.
func nestedRules(t testing.TB) *access.Rules {
	t.Helper()
	var list []access.Rule
	for i := range 200 {
		for k := range 5 {
			list = append(list, access.Rule{Match: strings.Repeat("a", i) + "{x}" + strings.Repeat("b", k+1)})
		}
	}
	rules, err := access.Compile(list)
	if err != nil {
		t.Fatal(err)
	}
	return rules
}

var decisions = []struct {
	name, room string
	want       access.Decision
}{
	{"text", "room-150", access.Decision{Allowed: true, Rule: 750}},
	{"rest", "public150-news", access.Decision{Allowed: true, Rule: 751}},
	{"user", "user150:ann:inbox", access.Decision{Allowed: true, Rule: 752}},
	{"claim", "team150-red:chat", access.Decision{Allowed: true, Rule: 753}},
	{"webhook", "oslo-orders150:17:ann", access.Decision{AskWebhook: true, Rule: 754}},
	{"unicode", "public150-Ωmega-京都", access.Decision{Allowed: true, Rule: 751}},
	{"none", "lobby:ann:inbox:" + strings.Repeat("x", 200), access.Decision{Rule: -1}},
	{"refused", "*", access.Decision{Rule: -1}},
}

var (
	benchClaim   = json.RawMessage(`["blue", 7, {"green": []}, "red"]`)
	benchSubject = access.Subject{User: "ann", Claims: func(string) json.RawMessage { return benchClaim }}
)

// No decision allocates memory, whether it allows or refuses.
func TestAllocations(t *testing.T) {
	rules := thousandRules(t)
	for _, c := range decisions {
		d := rules.Join(benchSubject, c.room)
		if d.Allowed != c.want.Allowed || d.AskWebhook != c.want.AskWebhook || d.Rule != c.want.Rule {
			t.Errorf("%s: %v", c.name, d)
		}
		n := testing.AllocsPerRun(100, func() {
			rules.Join(benchSubject, c.room)
			rules.Send(benchSubject, c.room, "say", true)
		})
		if n != 0 {
			t.Errorf("%s: %v allocations", c.name, n)
		}
	}
	nested := nestedRules(t)
	if n := testing.AllocsPerRun(100, func() { nested.Join(benchSubject, strings256) }); n != 0 {
		t.Errorf("nested rules: %v allocations", n)
	}
}

var strings256 = strings.Repeat("a", 256)

func BenchmarkJoin(b *testing.B) {
	rules := thousandRules(b)
	for _, c := range decisions {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				rules.Join(benchSubject, c.room)
			}
		})
	}
	b.Run("nested", func(b *testing.B) {
		nested := nestedRules(b)
		b.ReportAllocs()
		for b.Loop() {
			nested.Join(benchSubject, strings256)
		}
	})
}

func BenchmarkSend(b *testing.B) {
	rules := thousandRules(b)
	b.ReportAllocs()
	for b.Loop() {
		rules.Send(benchSubject, "team150-red:chat", "say", true)
	}
}
