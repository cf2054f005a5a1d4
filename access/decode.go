package access

import (
	"bytes"
	"encoding/json"
	"fmt"

	"go.yaml.in/yaml/v3"

	"github.com/ignis-go/ignis/internal/configfile"
)

// maxValues is the maximum number of values in a list of rules, counting those that aliases
// in YAML repeat.
const maxValues = 1_000_000

// UnmarshalYAML decodes and compiles a list of rules. JSON text is YAML, too. If anything
// is wrong, the error is a [*yaml.TypeError] with a line for each mistake, which begins with
// its line number, and r does not change.
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
// [*Error] with a problem for each mistake, without line numbers, and r does not change. Unlike
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
	n := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!float", Value: fmt.Sprint(token)}
	if _, ok := token.(bool); ok {
		n.Tag = "!!bool"
	}
	return n, nil
}

// root is the key of the list of rules, for messages.
const root = "rooms"

// decode decodes and compiles the list of rules in node. It returns what is wrong, or
// replaces r.
func (r *Rules) decode(node *yaml.Node) []Problem {
	if node.Kind == yaml.DocumentNode && len(node.Content) == 1 {
		node = node.Content[0]
	}
	if wrong := configfile.CheckNode(root, node, maxValues); wrong != nil {
		return problemsOf(wrong)
	}
	if node.Kind == yaml.AliasNode {
		node = node.Alias
	}
	switch {
	case node.Kind == yaml.ScalarNode && node.ShortTag() == "!!null":
		*r = Rules{} // an empty list
		return nil
	case node.Kind != yaml.SequenceNode:
		return problemsOf(configfile.DecodeNode(root, node, new([]Rule)))
	case len(node.Content) > MaxRules:
		p := tooMany(len(node.Content))
		p.Line = node.Line
		return []Problem{p}
	}
	c := compiler{rules: new(Rules), node: node}
	for i, item := range node.Content {
		c.index, c.line = i, item.Line
		rule := Rule{Line: item.Line}
		if wrong := configfile.DecodeNode(c.key(""), item, &rule); wrong != nil {
			c.problems = append(c.problems, problemsOf(wrong)...)
			continue
		}
		c.compile(rule)
	}
	if c.problems == nil {
		*r = *c.rules
	}
	return c.problems
}

func problemsOf(wrong configfile.Problems) []Problem {
	list := make([]Problem, len(wrong))
	for i, p := range wrong {
		list[i] = Problem{Key: p.Key, Line: p.Line, Text: p.Text}
	}
	return list
}
