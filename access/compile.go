package access

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"github.com/ignis-go/ignis/internal/configfile"
)

// What is expected, for error messages.
const (
	wantMatch  = `expected a pattern in quotes, such as "public-*"`
	wantJoin   = "expected anyone, nobody, webhook or {claim: NAME}"
	wantClaim  = "expected the name of a claim, such as {claim: teams}"
	wantEvents = "expected a list of event names, such as [say, typing]"
	wantFrom   = "expected members or anyone"
	wantTo     = "expected room, webhook or both"
)

// Limits of a list of rules.
const (
	MaxRules  = 10_000
	MaxEvents = 256 // events of a rule
	MaxValues = 256 // values that a rule compares a claim with
	maxText   = 256 // bytes of the name of an event or claim, or of a value
)

// Rules is a list of rules that was checked and prepared for decisions. Create it with
// [Compile], or decode it from YAML or JSON. It never changes afterwards, so any number of
// goroutines may use it. A nil Rules allows nothing.
type Rules struct {
	root node
	list []Rule
}

// rule is a compiled [Rule].
type rule struct {
	index   int    // in the list
	line    int    // in the file; 0: not known
	pattern string // as it was written
	user    int    // index of {user} in the pattern's variables, or -1
	who     Who    // empty if claim is set
	claim   string
	of      int // index of the variable whose value the claim lists; -1: see is
	is      []string
	send    []SendRule
	sends   map[string]int // index of the entry of send, by event
}

// systemEvents are the names of events that the protocol uses, now or soon. A client that
// could have them relayed could pretend to be the server.
var systemEvents = []string{
	"authenticate", "connected", "disconnect", "join", "leave", "error", "heartbeat", "encrypted",
	"ack", "refresh", "expiring", "draining", "gap", "history", "presence",
}

// Compile checks the rules and prepares them for decisions. If anything is wrong, the error
// is an [*Error] that lists all of it.
func Compile(rules []Rule) (*Rules, error) {
	if len(rules) > MaxRules {
		return nil, &Error{[]Problem{tooMany(len(rules))}}
	}
	c := compiler{rules: new(Rules)}
	for i, rule := range rules {
		c.index, c.line = i, rule.Line
		c.compile(rule)
	}
	if c.problems != nil {
		return nil, &Error{c.problems}
	}
	return c.rules, nil
}

func tooMany(n int) Problem {
	return Problem{Key: root, Text: fmt.Sprintf("expected at most %d rules, not %d", MaxRules, n)}
}

// List returns a copy of the rules, in the order in which they were written.
func (r *Rules) List() []Rule {
	if r == nil {
		return nil
	}
	list := make([]Rule, len(r.list))
	for i, rule := range r.list {
		list[i] = rule.clone()
	}
	return list
}

// UsesWebhook reports whether a rule has the webhook decide about joins, and whether one
// passes messages to it.
func (r *Rules) UsesWebhook() (joins, messages bool) {
	if r == nil {
		return false, false
	}
	for _, rule := range r.list {
		joins = joins || rule.Join.Who == Webhook
		messages = messages || slices.ContainsFunc(rule.Send, SendRule.TellsWebhook)
	}
	return joins, messages
}

// compiler collects rules and what is wrong with them.
type compiler struct {
	rules    *Rules
	index    int        // of the current rule
	line     int        // of the current rule; 0: not known
	node     *yaml.Node // of the list, or nil
	problems []Problem
}

// fail records what is wrong with the value of a key of the current rule, such as
// send.events[0]. An empty key means the rule itself.
func (c *compiler) fail(key, format string, args ...any) {
	line := c.line
	key = c.key(key)
	if c.node != nil {
		line = configfile.PositionOf(c.node, strings.TrimPrefix(key, root)).Line
	}
	c.problems = append(c.problems, Problem{Key: key, Line: line, Text: fmt.Sprintf(format, args...)})
}

// key returns the path of a key of the current rule. An empty key means the rule itself.
func (c *compiler) key(key string) string {
	path := fmt.Sprintf("%s[%d]", root, c.index)
	if key != "" {
		path += "." + key
	}
	return path
}

// String names the rule in messages.
func (r *rule) String() string { return place(r.index, r.line, r.pattern) }

func place(index, line int, pattern string) string {
	text := fmt.Sprintf("rooms[%d] %.80q", index, pattern)
	if line > 0 {
		text += fmt.Sprintf(" on line %d", line)
	}
	return text
}

// compile adds a rule.
func (c *compiler) compile(r Rule) {
	r = r.clone()
	c.rules.list = append(c.rules.list, r)
	p, err := parsePattern(r.Match)
	if err != nil {
		c.fail("match", "%v", err)
	}
	out := &rule{index: c.index, line: c.line, pattern: r.Match, user: p.user()}
	c.join(out, &p, r.Join, err == nil)
	c.send(out, r.Send)
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
			c.fail("match", "%.80q matches the same rooms as %v: make one rule of the two", r.pattern, other)
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
	r.who, r.claim, r.of, r.is = j.Who, j.Claim, -1, j.Is
	switch {
	case j.isZero():
		r.who = Nobody
		return
	case j.Claim == "" && j.Of == "" && j.Is == nil && j.Who.valid():
		return
	case j.Claim == "" && j.Of == "" && j.Is == nil:
		c.fail("join", "%s, not %.64q", wantJoin, j.Who)
		return
	case j.Claim == "" || j.Who != "":
		c.fail("join", "%s", wantJoin)
		return
	}
	if !isName(j.Claim) {
		c.fail("join.claim", "%s, at most %d bytes without control characters", wantClaim, maxText)
	}
	switch {
	case j.Is != nil:
		c.is(&j)
	case known:
		c.of(r, p, &j)
	}
}

// is checks the values that a claim is compared with.
func (c *compiler) is(j *JoinRule) {
	if j.Of != "" {
		c.fail("join", "the claim is compared either with a variable or with fixed values: leave out of or is")
	}
	if len(j.Is) == 0 || len(j.Is) > MaxValues {
		c.fail("join.is", "expected 1 to %d values, not %d", MaxValues, len(j.Is))
		return
	}
	for i, value := range j.Is {
		key := "join.is"
		if len(j.Is) > 1 {
			key = fmt.Sprintf("join.is[%d]", i)
		}
		switch {
		case !isName(value):
			c.fail(key, "expected a value of the claim, 1 to %d bytes without control characters", maxText)
		case slices.Index(j.Is, value) < i:
			c.fail(key, "%.64q is listed twice: leave one out", value)
		}
	}
}

// of finds the variable whose value a claim lists.
func (c *compiler) of(r *rule, p *pattern, j *JoinRule) {
	var candidates []string
	for _, v := range p.variables {
		if v != userVariable {
			candidates = append(candidates, v)
		}
	}
	switch {
	case len(candidates) == 0:
		c.fail("join", "match has no variable besides {user} that the claim could be compared with: add one, as in %q, or write {claim: %.64s, is: VALUE} for a fixed value", "team-{team}", j.Claim)
	case j.Of == "" && len(candidates) > 1:
		c.fail("join", "match has several variables: say which one's value the claim lists, such as {claim: %s, of: %s}", j.Claim, candidates[0])
	case j.Of == "":
		r.of = p.variable(candidates[0])
	case !slices.Contains(candidates, j.Of):
		c.fail("join.of", "expected a variable of match other than {user}, such as {claim: %s, of: %s}, not %.64q", j.Claim, candidates[0], j.Of)
	default:
		r.of = p.variable(j.Of)
	}
}

// send compiles what may be sent.
func (c *compiler) send(r *rule, list []SendRule) {
	if len(list) == 0 {
		return
	}
	r.send, r.sends = list, make(map[string]int)
	events := 0
	for i, s := range list {
		key := "send"
		if len(list) > 1 {
			key = fmt.Sprintf("send[%d]", i)
		}
		if s.from() != FromMembers && s.from() != FromAnyone {
			c.fail(key+".from", "%s, not %.64q", wantFrom, s.From)
		}
		if !s.Relays() && !s.TellsWebhook() {
			c.fail(key+".to", "%s, not %.64q", wantTo, s.To)
		}
		if s.ExceptSender && s.to() == ToWebhook {
			c.fail(key+".except_sender", "messages to: webhook go to no clients: leave it out, or choose to: room or to: both")
		}
		key += ".events"
		if events += len(s.Events); len(s.Events) == 0 || events > MaxEvents {
			c.fail(key, "%s: 1 to %d in a rule, not %d", wantEvents, MaxEvents, events)
			return
		}
		for k, event := range s.Events {
			c.event(r, i, fmt.Sprintf("%s[%d]", key, k), event)
		}
	}
}

// event adds an event to the entry of send with the index i.
func (c *compiler) event(r *rule, i int, key, event string) {
	earlier, listed := r.sends[event]
	switch {
	case event == "*":
		c.fail(key, "* does not stand for all events: list each of them")
	case !isName(event):
		c.fail(key, "expected the name of an event, 1 to %d bytes without control characters", maxText)
	case slices.Contains(systemEvents, event):
		c.fail(key, "%q belongs to the protocol: choose another name", event)
	case listed && earlier == i:
		c.fail(key, "%q is listed twice: leave one out", event)
	case listed:
		c.fail(key, "%q is already listed in send[%d], and an event can be in only one of them: leave one out", event, earlier)
	default:
		r.sends[event] = i
	}
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
