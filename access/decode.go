package access

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/ignis-go/ignis/internal/nearest"
	"go.yaml.in/yaml/v3"
)

// What is expected, for error messages.
const (
	wantRules  = "expected a list of rules, such as - match: lobby"
	wantRule   = "expected {match: PATTERN, join: ..., send: ...}"
	wantMatch  = `expected a pattern in quotes, such as "public-*"`
	wantJoin   = "expected anyone, nobody, webhook or {claim: NAME}"
	wantClaim  = "expected the name of a claim, such as {claim: teams}"
	wantOf     = "expected a variable of match, such as {claim: teams, of: team}"
	wantSend   = "expected {events: [NAME, ...], from: ..., to: ...}"
	wantEvents = "expected a list of event names, such as [say, typing]"
	wantFrom   = "expected members or anyone"
	wantTo     = "expected room, webhook or both"
)

// UnmarshalYAML decodes and compiles a list of rules. JSON text is YAML, too. If anything
// is wrong, the error is a [*yaml.TypeError] that lists all of it with line numbers, and r
// does not change.
//
// It makes Rules, and pointers to it, usable as a field of a configuration that is decoded
// with go.yaml.in/yaml/v3:
//
//	var file struct {
//		Rooms *access.Rules `yaml:"rooms"`
//	}
//	err := yaml.Unmarshal(text, &file)
func (r *Rules) UnmarshalYAML(node *yaml.Node) error {
	if problems := r.decode(node); problems != nil {
		return &yaml.TypeError{Errors: (&Error{problems}).lines()}
	}
	return nil
}

// UnmarshalJSON decodes and compiles a list of rules. If anything is wrong, the error is an
// [*Error] that lists all of it, without line numbers, and r does not change. Unlike
// encoding/json, UnmarshalJSON compares keys exactly and refuses unknown and duplicate ones.
func (r *Rules) UnmarshalJSON(text []byte) error {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	node, err := jsonNode(dec)
	if err != nil {
		return fmt.Errorf("rooms: %w", err)
	}
	if problems := r.decode(node); problems != nil {
		return &Error{problems}
	}
	return nil
}

// jsonNode reads a JSON value as a YAML node, so that a single decoder serves both. The
// YAML parser does not know the surrogate pairs of JSON.
func jsonNode(dec *json.Decoder) (*yaml.Node, error) {
	token, err := dec.Token()
	if err != nil {
		return nil, err
	}
	switch t := token.(type) {
	case nil:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!null", Value: "null"}, nil
	case string:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: t}, nil
	case json.Delim:
		n := &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq"}
		if t == '{' {
			n.Kind, n.Tag = yaml.MappingNode, "!!map"
		}
		for dec.More() { // of an object, the keys and values in turn
			child, err := jsonNode(dec)
			if err != nil {
				return nil, err
			}
			n.Content = append(n.Content, child)
		}
		_, err := dec.Token()
		return n, err
	}
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!float", Value: fmt.Sprint(token)}, nil // or !!bool
}

// decode decodes and compiles the list of rules in node. It returns what is wrong, or
// replaces r.
func (r *Rules) decode(node *yaml.Node) []Problem {
	node = resolve(node)
	if node.Kind == yaml.ScalarNode && node.ShortTag() == "!!null" {
		*r = Rules{} // an empty list
		return nil
	}
	if node.Kind != yaml.SequenceNode {
		return []Problem{{"rooms", node.Line, wantRules + found(node)}}
	}
	if len(node.Content) > MaxRules {
		p := tooMany(len(node.Content))
		p.Line = node.Line
		return []Problem{p}
	}
	c := compiler{rules: new(Rules)}
	for i, n := range node.Content {
		c.index, c.line, c.node = i, n.Line, resolve(n)
		if rule, ok := c.decodeRule(c.node); ok {
			c.compile(rule)
		}
	}
	if c.problems == nil {
		*r = *c.rules
	}
	return c.problems
}

// decodeRule decodes a rule, and reports whether nothing is wrong with it so far.
func (c *compiler) decodeRule(n *yaml.Node) (r Rule, ok bool) {
	before := len(c.problems)
	r.Line = c.line
	c.decodeFields("", n, wantRule, fields{
		"match": func(n *yaml.Node) { r.Match = c.decodeText("match", n, wantMatch) },
		"join":  func(n *yaml.Node) { r.Join = c.decodeJoin(n) },
		"send":  func(n *yaml.Node) { r.Send = c.decodeSend(n) },
	})
	return r, len(c.problems) == before
}

func (c *compiler) decodeJoin(n *yaml.Node) (j JoinRule) {
	if n.Kind != yaml.MappingNode {
		j.Who = Who(c.decodeText("join", n, wantJoin))
		return j
	}
	before := len(c.problems)
	c.decodeFields("join", n, wantJoin, fields{
		"claim": func(n *yaml.Node) { j.Claim = c.decodeText("join.claim", n, wantClaim) },
		"of":    func(n *yaml.Node) { j.Of = c.decodeText("join.of", n, wantOf) },
	})
	if j.Claim == "" && len(c.problems) == before { // otherwise {} would mean nobody
		c.fail("join", "%s%s", wantJoin, found(n))
	}
	return j
}

func (c *compiler) decodeSend(n *yaml.Node) *SendRule {
	s := new(SendRule)
	c.decodeFields("send", n, wantSend, fields{
		"events": func(n *yaml.Node) { s.Events = c.decodeEvents(n) },
		"from":   func(n *yaml.Node) { s.From = Senders(c.decodeText("send.from", n, wantFrom)) },
		"to":     func(n *yaml.Node) { s.To = Target(c.decodeText("send.to", n, wantTo)) },
	})
	return s
}

func (c *compiler) decodeEvents(n *yaml.Node) (events []string) {
	switch {
	case n.Kind != yaml.SequenceNode:
		c.fail("send.events", "%s%s", wantEvents, found(n))
		return nil
	case len(n.Content) > MaxEvents:
		c.failCount(len(n.Content))
		return nil
	}
	for i, item := range n.Content {
		events = append(events, c.decodeText(fmt.Sprintf("send.events[%d]", i), resolve(item), "expected the name of an event"))
	}
	return events
}

// decodeText decodes a text. Empty texts are refused, because some of them would mean
// something if they were left out.
func (c *compiler) decodeText(key string, n *yaml.Node, want string) string {
	if n.Kind != yaml.ScalarNode || n.ShortTag() != "!!str" || n.Value == "" {
		c.fail(key, "%s%s", want, found(n))
		return ""
	}
	return n.Value
}

// fields contains a function for the value of each key that a mapping may have.
type fields map[string]func(*yaml.Node)

// suggest returns a note that names the key that was probably meant, or "".
func (f fields) suggest(name string) string {
	if near := nearest.Of(name, slices.Sorted(maps.Keys(f))); near != "" {
		return " (did you mean " + near + "?)"
	}
	return ""
}

// decodeFields decodes a mapping that is the value of key.
func (c *compiler) decodeFields(key string, n *yaml.Node, want string, known fields) {
	if n.Kind != yaml.MappingNode {
		c.fail(key, "%s%s", want, found(n))
		return
	}
	seen := make(map[string]bool, len(known))
	for i := 0; i+1 < len(n.Content); i += 2 {
		name := resolve(n.Content[i])
		decode := known[name.Value]
		switch {
		case decode == nil || name.ShortTag() != "!!str":
			c.failAt(name.Line, key, "unknown key %.64q%s: %s", name.Value, known.suggest(name.Value), want)
		case seen[name.Value]:
			c.failAt(name.Line, key, "%s is given twice: leave one out", name.Value)
		default:
			seen[name.Value] = true
			decode(resolve(n.Content[i+1]))
		}
	}
}

// resolve returns the node that an alias stands for.
func resolve(n *yaml.Node) *yaml.Node {
	switch {
	case n.Kind == yaml.AliasNode && n.Alias != nil:
		return n.Alias // never an alias itself
	case n.Kind == yaml.DocumentNode && len(n.Content) == 1:
		return n.Content[0]
	}
	return n
}

// nodeOf returns the value of a key in the node of a rule, such as send.events[0], or the
// innermost node around it that exists.
func nodeOf(n *yaml.Node, key string) *yaml.Node {
	if key == "" {
		return n
	}
	name, rest, _ := strings.Cut(key, ".")
	name, index, listed := strings.Cut(name, "[")
	for i := 0; i+1 < len(n.Content) && n.Kind == yaml.MappingNode; i += 2 {
		if n.Content[i].Value != name {
			continue
		}
		value := resolve(n.Content[i+1])
		if i, err := strconv.Atoi(strings.TrimSuffix(index, "]")); listed && err == nil && i < len(value.Content) {
			return value.Content[i]
		}
		return nodeOf(value, rest)
	}
	return n
}

// found returns the end of an error message: what the node is instead.
func found(n *yaml.Node) string {
	switch {
	case n.Kind == yaml.MappingNode && len(n.Content) == 0:
		return ", not {}"
	case n.Kind == yaml.MappingNode:
		return ", not a mapping"
	case n.Kind == yaml.SequenceNode:
		return ", not a list"
	case n.ShortTag() == "!!null":
		return ", but there is no value"
	case n.ShortTag() == "!!str":
		return fmt.Sprintf(", not %.64q", n.Value)
	}
	return fmt.Sprintf(", not %.64s", n.Value)
}
