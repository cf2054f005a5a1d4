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

// jsonData writes YAML as JSON, and returns what cannot be. Nothing is nil. Numbers are
// written as they are, as long as they are numbers in JSON too: YAML has others, and takes
// 010 for 8.
func jsonData(n *yaml.Node) (json.RawMessage, []string) {
	if n.IsZero() {
		return nil, nil
	}
	var v any
	if err := n.Decode(&v); err != nil { // keys that come twice, and what aliases would blow up
		return nil, yamlProblems(err, nil)
	}
	var w jsonWriter
	w.value(n)
	return w.Bytes(), w.problems
}

// jsonWriter writes nodes of YAML.
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

// collect adds the fields of a mapping that are not there yet: its own before those that it
// merges.
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
			w.wrong(key, "the key %.100q is not a text: put it in quotes", key.Value)
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
		_ = n.Decode(&b) // jsonData has refused what is neither true nor false
		w.WriteString(strconv.FormatBool(b))
	case "!!int", "!!float":
		_, err := strconv.ParseFloat(n.Value, 64)
		if err != nil || !json.Valid([]byte(n.Value)) {
			w.wrong(n, "%.100s is not a number in JSON: put it in quotes to send it as a text", n.Value)
			return
		}
		w.WriteString(n.Value)
	default: // also what looks like a date: it arrives as it is written
		w.text(n.Value)
	}
}

func (w *jsonWriter) text(s string) {
	text, err := json.Marshal(s)
	if err != nil {
		text = []byte(`""`) // there is no such text
	}
	w.Write(text)
}
