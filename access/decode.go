package access

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// What is expected, for messages.
const (
	wantRule   = `expected {match: PATTERN, join: ..., send: ...}`
	wantMatch  = `expected a pattern in quotes, such as "public-*"`
	wantJoin   = "expected anyone, nobody, webhook or {claim: NAME}"
	wantClaim  = "expected the name of a claim, such as {claim: teams}"
	wantOf     = "expected a variable of match, such as {claim: teams, of: team}"
	wantSend   = "expected {events: [NAME, ...]}, and if need be from: and to:"
	wantEvents = "expected a list of event names, such as [say, typing]"
	wantFrom   = "expected members or anyone"
	wantTo     = "expected room, webhook or both"
)

// problem is something wrong with a rule.
type problem struct {
	key  string // where, such as "send.events[0]"; empty for the rule as a whole
	text string // what is expected, and what was found
}

func (p problem) Error() string {
	if p.key == "" {
		return p.text
	}
	return p.key + ": " + p.text
}

// under returns the problems of the value of a key.
func under(key string, problems []problem) []problem {
	for i, p := range problems {
		switch {
		case p.key == "" || strings.HasPrefix(p.key, "["):
			problems[i].key = key + p.key
		default:
			problems[i].key = key + "." + p.key
		}
	}
	return problems
}

// joined returns the problems as one error, or nil.
func joined(problems []problem) error {
	errs := make([]error, len(problems))
	for i, p := range problems {
		errs[i] = p
	}
	return errors.Join(errs...)
}

// UnmarshalJSON decodes a rule. Keys are compared exactly. If JSON is valid, but the rule
// is not, UnmarshalJSON returns nil and [Compile] reports what is wrong, because it knows
// the rule's place in the list.
func (r *Rule) UnmarshalJSON(data []byte) error {
	*r = Rule{}
	r.problems = decodeObject(data, wantRule, map[string]func([]byte) []problem{
		"match": textInto(&r.Match, wantMatch),
		"join":  r.Join.decode,
		"send": func(data []byte) []problem {
			r.Send = new(SendRule)
			return r.Send.decode(data)
		},
	})
	return nil
}

// UnmarshalYAML decodes a rule from YAML, with the same checks as UnmarshalJSON. The
// decoder, such as gopkg.in/yaml.v3 or go.yaml.in/yaml/v3, passes a function that decodes
// the rule's node into any value.
func (r *Rule) UnmarshalYAML(unmarshal func(any) error) error {
	var v any
	if err := unmarshal(&v); err != nil {
		return err
	}
	if kind := unknownKind(v); kind != "" {
		*r = Rule{problems: []problem{{"", "found a " + kind + ": write it in quotes"}}}
		return nil
	}
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return r.UnmarshalJSON(data)
}

// unknownKind returns the name of a type in v that JSON does not have, such as that of a
// date, or "".
func unknownKind(v any) string {
	switch v := v.(type) {
	case nil, bool, string, int, int64, uint64, float64:
		return ""
	case []any:
		for _, e := range v {
			if kind := unknownKind(e); kind != "" {
				return kind
			}
		}
		return ""
	case map[string]any:
		for _, e := range v {
			if kind := unknownKind(e); kind != "" {
				return kind
			}
		}
		return ""
	}
	return fmt.Sprintf("YAML value of type %T", v)
}

// UnmarshalJSON decodes one of the forms in the type's documentation.
func (j *JoinRule) UnmarshalJSON(data []byte) error { return joined(j.decode(data)) }

func (j *JoinRule) decode(data []byte) []problem {
	*j = JoinRule{}
	if kindOf(data) != '{' {
		if p := textInto((*string)(&j.Who), wantJoin)(data); p != nil {
			return p
		}
		if !j.Who.valid() {
			return []problem{{"", wantJoin + found(data)}}
		}
		return nil
	}
	p := decodeObject(data, wantJoin, map[string]func([]byte) []problem{
		"claim": textInto(&j.Claim, wantClaim),
		"of":    textInto(&j.Of, wantOf),
	})
	if p == nil && j.Claim == "" {
		p = []problem{{"", wantJoin + found(data)}}
	}
	return p
}

func (w Who) valid() bool { return w == Anyone || w == Nobody || w == Webhook }

// UnmarshalJSON decodes {events: [NAME, ...], from: members, to: room}. Keys are compared
// exactly.
func (s *SendRule) UnmarshalJSON(data []byte) error { return joined(s.decode(data)) }

func (s *SendRule) decode(data []byte) []problem {
	*s = SendRule{}
	return decodeObject(data, wantSend, map[string]func([]byte) []problem{
		"events": s.decodeEvents,
		"from":   textInto((*string)(&s.From), wantFrom),
		"to":     textInto((*string)(&s.To), wantTo),
	})
}

func (s *SendRule) decodeEvents(data []byte) []problem {
	var items []json.RawMessage
	if kindOf(data) != '[' || json.Unmarshal(data, &items) != nil {
		return []problem{{"", wantEvents + found(data)}}
	}
	var problems []problem
	s.Events = make([]string, len(items))
	for i, item := range items {
		p := textInto(&s.Events[i], "expected the name of an event")(item)
		problems = append(problems, under(fmt.Sprintf("[%d]", i), p)...)
	}
	return problems
}

// decodeObject decodes an object whose keys are known. The same key twice is a problem.
func decodeObject(data []byte, want string, keys map[string]func([]byte) []problem) (problems []problem) {
	dec := json.NewDecoder(bytes.NewReader(data))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return []problem{{"", want + found(data)}}
	}
	seen := make(map[string]bool, len(keys))
	for dec.More() {
		t, err := dec.Token()
		key, _ := t.(string)
		var value json.RawMessage
		if err != nil || dec.Decode(&value) != nil {
			return append(problems, problem{"", want + found(data)})
		}
		decode, known := keys[key]
		switch {
		case !known:
			problems = append(problems, problem{"", fmt.Sprintf("unknown key %.64q: %s", key, want)})
		case seen[key]:
			problems = append(problems, problem{key, "given twice: leave one out"})
		default:
			problems = append(problems, under(key, decode(value))...)
		}
		seen[key] = true
	}
	return problems
}

// textInto returns a function that decodes a text.
func textInto[T ~string](to *T, want string) func([]byte) []problem {
	return func(data []byte) []problem {
		var text string
		if kindOf(data) != '"' || json.Unmarshal(data, &text) != nil {
			return []problem{{"", want + found(data)}}
		}
		*to = T(text)
		return nil
	}
}

// kindOf returns the first character of a JSON text, which tells its type.
func kindOf(data []byte) byte {
	data = bytes.TrimLeft(data, " \t\r\n")
	if len(data) == 0 {
		return 0
	}
	return data[0]
}

// found returns the end of a message that shows what was found instead.
func found(data []byte) string {
	const limit = 64
	text := strings.ToValidUTF8(string(data), "\ufffd")
	if len(text) > limit {
		text = strings.ToValidUTF8(text[:limit], "") + "..."
	}
	return ", not " + text
}
