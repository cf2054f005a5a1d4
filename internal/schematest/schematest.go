// Package schematest validates values against JSON Schemas, for tests. It knows the keywords
// that this project's schemas use.
package schematest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"regexp"
	"slices"

	"go.yaml.in/yaml/v3"
)

// Schema is a JSON Schema.
type Schema struct {
	Version     string             `json:"$schema"`
	Title       string             `json:"title"`
	Description string             `json:"description"`
	Type        any                `json:"type"`
	Properties  map[string]*Schema `json:"properties"`
	Additional  *bool              `json:"additionalProperties"`
	Required    []string           `json:"required"`
	Items       *Schema            `json:"items"`
	Enum        []any              `json:"enum"`
	Pattern     string             `json:"pattern"`
	Minimum     *float64           `json:"minimum"`
	AnyOf       []*Schema          `json:"anyOf"`
}

// Parse returns an error if the schema contains a keyword that this package does not know.
func Parse(text []byte) (*Schema, error) {
	var s Schema
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&s); err != nil {
		return nil, err
	}
	return &s, nil
}

// ValidateYAML returns an error if the schema refuses a YAML text.
func (s *Schema) ValidateYAML(text string) error {
	var n yaml.Node
	if err := yaml.Unmarshal([]byte(text), &n); err != nil {
		return err
	}
	if len(n.Content) == 0 {
		return nil // editors do not validate empty files
	}
	v, err := value(n.Content[0])
	if err != nil {
		return err
	}
	return s.validate(v)
}

// value returns a node as editors see it, with the types of YAML 1.2, which has no dates.
func value(n *yaml.Node) (any, error) {
	switch {
	case n.Kind == yaml.AliasNode:
		return value(n.Alias)
	case n.Kind == yaml.SequenceNode:
		list := []any{}
		for _, c := range n.Content {
			v, err := value(c)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		return list, nil
	case n.Kind == yaml.MappingNode:
		m := make(map[string]any)
		for i := 0; i+1 < len(n.Content); i += 2 {
			v, err := value(n.Content[i+1])
			if err != nil {
				return nil, err
			}
			m[n.Content[i].Value] = v
		}
		return m, nil
	case n.ShortTag() == "!!timestamp":
		return n.Value, nil
	}
	var v any
	if err := n.Decode(&v); err != nil {
		return nil, err
	}
	text, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	var plain any
	err = json.Unmarshal(text, &plain)
	return plain, err
}

// validate returns an error if the schema refuses v.
func (s *Schema) validate(v any) error {
	if s.AnyOf != nil {
		if !slices.ContainsFunc(s.AnyOf, func(n *Schema) bool { return n.validate(v) == nil }) {
			return fmt.Errorf("none of the forms fits %v", v)
		}
	}
	if s.Enum != nil && !slices.Contains(s.Enum, v) {
		return fmt.Errorf("%v is not in %v", v, s.Enum)
	}
	if !s.hasType(v) {
		return fmt.Errorf("%v does not have the type %v", v, s.Type)
	}
	switch v := v.(type) {
	case string:
		if !regexp.MustCompile(s.Pattern).MatchString(v) {
			return fmt.Errorf("%q does not match %s", v, s.Pattern)
		}
	case float64:
		if s.Minimum != nil && v < *s.Minimum {
			return fmt.Errorf("%v is less than %v", v, *s.Minimum)
		}
	case []any:
		for _, item := range v {
			if s.Items == nil {
				break
			}
			if err := s.Items.validate(item); err != nil {
				return err
			}
		}
	case map[string]any:
		return s.validateObject(v)
	}
	return nil
}

func (s *Schema) validateObject(v map[string]any) error {
	if s.Properties == nil {
		return nil
	}
	for _, name := range s.Required {
		if _, ok := v[name]; !ok {
			return fmt.Errorf("%s is missing", name)
		}
	}
	for name, value := range v {
		p := s.Properties[name]
		if p == nil && s.Additional != nil && !*s.Additional {
			return fmt.Errorf("%s is unknown", name)
		}
		if p == nil {
			continue
		}
		if err := p.validate(value); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

func (s *Schema) hasType(v any) bool {
	var types []any
	switch t := s.Type.(type) {
	case nil:
		return true
	case string:
		types = []any{t}
	case []any:
		types = t
	}
	is := "null"
	switch v := v.(type) {
	case string:
		is = "string"
	case bool:
		is = "boolean"
	case float64:
		is = "number"
		if v == math.Trunc(v) {
			is = "integer"
		}
	case []any:
		is = "array"
	case map[string]any:
		is = "object"
	}
	return slices.Contains(types, any(is))
}
