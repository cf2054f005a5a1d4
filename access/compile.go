package access

import (
	"errors"
	"fmt"
	"slices"
	"unicode"
	"unicode/utf8"
)

// Limits of a list of rules.
const (
	MaxRules  = 10_000
	MaxEvents = 256 // events of a rule
	maxText   = 256 // bytes of the name of an event or claim
)

// Rules is a list of rules that was checked and made ready to decide. It never changes, so
// any number of goroutines may use it. A nil Rules allows nothing.
type Rules struct {
	root node
}

// rule is a compiled [Rule].
type rule struct {
	index   int    // in the list
	pattern string // as it was written
	user    int    // index of {user} in the pattern's variables, or -1
	who     Who    // empty if claim is set
	claim   string
	of      int             // index of the variable whose value the claim lists
	events  []string        // as they were written
	sends   map[string]bool // the same
	from    Senders
	to      Target
}

// systemEvents are the names that belong to the protocol, now or soon. A client that could
// have them relayed could pretend to be the server.
var systemEvents = []string{
	"authenticate", "connected", "disconnect", "join", "leave", "error", "heartbeat", "encrypted",
	"ack", "refresh", "expiring", "draining", "gap", "history", "presence",
}

// Compile checks the rules and makes them ready to decide. The error lists all that is
// wrong, one line for each, and names the place in the configuration and what is expected
// there:
//
//	rooms[2].join: expected anyone, nobody, webhook or {claim: NAME}, not "all"
func Compile(rules []Rule) (*Rules, error) {
	if len(rules) > MaxRules {
		return nil, fmt.Errorf("rooms: expected at most %d rules, not %d", MaxRules, len(rules))
	}
	c := compiler{rules: new(Rules)}
	for i := range rules {
		c.compile(i, &rules[i])
	}
	if len(c.errs) > 0 {
		return nil, errors.Join(c.errs...)
	}
	return c.rules, nil
}

// compiler collects rules and errors.
type compiler struct {
	rules *Rules
	errs  []error
}

// fail records an error about a key of a rule.
func (c *compiler) fail(index int, key, format string, args ...any) {
	if key != "" {
		key = "." + key
	}
	c.errs = append(c.errs, fmt.Errorf("rooms[%d]%s: %s", index, key, fmt.Sprintf(format, args...)))
}

// compile adds a rule. What could not be decoded is reported, and nothing that follows
// from it.
func (c *compiler) compile(index int, r *Rule) {
	for _, p := range r.problems {
		c.fail(index, p.key, "%s", p.text)
	}
	if len(r.problems) > 0 {
		return
	}
	p, err := parsePattern(r.Match)
	if err != nil {
		c.fail(index, "match", "%v", err)
	}
	out := &rule{index: index, pattern: r.Match, user: p.user()}
	c.join(out, &p, r.Join, err == nil)
	if r.Send != nil {
		c.send(out, r.Send)
	}
	if err == nil {
		c.add(out, &p)
	}
}

// add files a rule under its pattern.
func (c *compiler) add(r *rule, p *pattern) {
	place := c.rules.root.insert(p.parts)
	if *place == nil {
		*place = new(group)
	}
	g := *place
	for _, other := range g.rules {
		if other.user == r.user {
			c.fail(r.index, "match", "%.80q matches the same rooms as rooms[%d] %.80q: make one rule of the two", r.pattern, other.index, other.pattern)
			return
		}
	}
	at := len(g.rules)
	if at > 0 && g.rules[at-1].user < 0 {
		at-- // the rule without {user} stays the last
	}
	g.rules = slices.Insert(g.rules, at, r)
}

// join compiles who may join. The variables of a pattern that is wrong are not known.
func (c *compiler) join(r *rule, p *pattern, j JoinRule, known bool) {
	r.who, r.claim, r.of = j.Who, j.Claim, -1
	switch {
	case j == JoinRule{}:
		r.who = Nobody
		return
	case j.Claim == "" && j.Of == "" && j.Who.valid():
		return
	case j.Claim == "" || j.Who != "":
		c.fail(r.index, "join", "%s", wantJoin)
		return
	}
	if !isName(j.Claim) {
		c.fail(r.index, "join.claim", "%s, at most %d bytes without control characters", wantClaim, maxText)
	}
	if !known {
		return
	}
	var candidates []string
	for _, v := range p.variables {
		if v != userVariable {
			candidates = append(candidates, v)
		}
	}
	switch {
	case len(candidates) == 0:
		c.fail(r.index, "join", "the claim lists the value of a variable, and match has none beside {user}: expected one, such as %q", "team-{team}")
	case j.Of == "" && len(candidates) > 1:
		c.fail(r.index, "join", "match has several variables: say which one's value the claim lists, such as {claim: %s, of: %s}", j.Claim, candidates[0])
	case j.Of == "":
		r.of = p.variable(candidates[0])
	case !slices.Contains(candidates, j.Of):
		c.fail(r.index, "join.of", "expected a variable of match other than {user}, such as {claim: %s, of: %s}, not %.64q", j.Claim, candidates[0], j.Of)
	default:
		r.of = p.variable(j.Of)
	}
}

// send compiles what may be sent.
func (c *compiler) send(r *rule, s *SendRule) {
	r.from, r.to = s.From, s.To
	switch s.From {
	case "":
		r.from = FromMembers
	case FromMembers, FromAnyone:
	default:
		c.fail(r.index, "send.from", "%s, not %.64q", wantFrom, s.From)
	}
	switch s.To {
	case "":
		r.to = ToRoom
	case ToRoom, ToWebhook, ToBoth:
	default:
		c.fail(r.index, "send.to", "%s, not %.64q", wantTo, s.To)
	}
	if len(s.Events) == 0 || len(s.Events) > MaxEvents {
		c.fail(r.index, "send.events", "%s: 1 to %d, not %d", wantEvents, MaxEvents, len(s.Events))
		return
	}
	r.events, r.sends = slices.Clone(s.Events), make(map[string]bool, len(s.Events))
	for i, event := range s.Events {
		c.event(r, fmt.Sprintf("send.events[%d]", i), event)
	}
}

// event adds an event that may be sent.
func (c *compiler) event(r *rule, key, event string) {
	switch {
	case event == "*":
		c.fail(r.index, key, "* does not stand for all events: list each of them")
	case !isName(event):
		c.fail(r.index, key, "expected the name of an event, 1 to %d bytes without control characters", maxText)
	case slices.Contains(systemEvents, event):
		c.fail(r.index, key, "%q belongs to the protocol: choose another name", event)
	case r.sends[event]:
		c.fail(r.index, key, "%q is listed twice: leave one out", event)
	}
	r.sends[event] = true
}

// isName reports whether text can be the name of an event or a claim.
func isName(text string) bool {
	if text == "" || len(text) > maxText || !utf8.ValidString(text) {
		return false
	}
	for _, r := range text {
		if unicode.IsControl(r) || r == utf8.RuneError {
			return false
		}
	}
	return true
}
