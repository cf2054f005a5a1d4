package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"go.yaml.in/yaml/v3"
)

// jsonData converts YAML to JSON, and returns the problems that prevent that. It returns nil for an
// absent node. Numbers are copied as they are written. Those that are not valid in JSON are
// problems, because YAML reads 010 as 8, for example.
func jsonData(n *yaml.Node) (json.RawMessage, []string) {
	if n.IsZero() {
		return nil, nil
	}
	var v any
	if err := n.Decode(&v); err != nil { // detects duplicate keys, and aliases that expand excessively
		return nil, yamlProblems(err, nil)
	}
	var w jsonWriter
	w.value(n)
	return w.Bytes(), w.problems
}

// jsonWriter writes YAML nodes as JSON.
type jsonWriter struct {
	bytes.Buffer
	problems []string
}

func (w *jsonWriter) wrong(n *yaml.Node, format string, args ...any) {
	w.problems = append(w.problems, fmt.Sprintf("line %d: %s", n.Line, fmt.Sprintf(format, args...)))
}

func (w *jsonWriter) value(n *yaml.Node) {
	switch n = resolve(n); n.Kind {
	case yaml.SequenceNode:
		w.WriteByte('[')
		for i, item := range n.Content {
			if i > 0 {
				w.WriteByte(',')
			}
			w.value(item)
		}
		w.WriteByte(']')
	case yaml.MappingNode:
		w.object(n)
	default:
		w.scalar(n)
	}
}

func (w *jsonWriter) object(n *yaml.Node) {
	fields := make(map[string]*yaml.Node)
	w.collect(n, fields)
	w.WriteByte('{')
	for i, key := range slices.Sorted(maps.Keys(fields)) {
		if i > 0 {
			w.WriteByte(',')
		}
		w.text(key)
		w.WriteByte(':')
		w.value(fields[key])
	}
	w.WriteByte('}')
}

// collect adds the fields of a mapping that are not set yet. Its own fields take precedence over
// those that it merges.
func (w *jsonWriter) collect(n *yaml.Node, fields map[string]*yaml.Node) {
	var merged []*yaml.Node
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := resolve(n.Content[i]), n.Content[i+1]
		switch key.ShortTag() {
		case "!!merge":
			if value = resolve(value); value.Kind == yaml.SequenceNode {
				merged = append(merged, value.Content...)
			} else {
				merged = append(merged, value)
			}
		case "!!str", "!!timestamp":
			if fields[key.Value] == nil {
				fields[key.Value] = value
			}
		default:
			w.wrong(key, "the key %.100q is not a string; put it in quotes", key.Value)
		}
	}
	for _, m := range merged {
		w.collect(resolve(m), fields)
	}
}

func (w *jsonWriter) scalar(n *yaml.Node) {
	switch n.ShortTag() {
	case "!!null":
		w.WriteString("null")
	case "!!bool":
		var b bool
		_ = n.Decode(&b) // jsonData has rejected other values
		w.WriteString(strconv.FormatBool(b))
	case "!!int", "!!float":
		_, err := strconv.ParseFloat(n.Value, 64)
		if err != nil || !json.Valid([]byte(n.Value)) {
			w.wrong(n, "%.100s is not a number in JSON; put it in quotes to send it as a string", n.Value)
			return
		}
		w.WriteString(n.Value)
	default: // including dates, which are sent as they are written
		w.text(n.Value)
	}
}

func (w *jsonWriter) text(s string) {
	text, err := json.Marshal(s)
	if err != nil {
		text = []byte(`""`) // cannot happen
	}
	w.Write(text)
}
