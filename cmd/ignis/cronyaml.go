package main

import (
	"errors"
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"
)

// resolve follows aliases.
func resolve(n *yaml.Node) *yaml.Node {
	for n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	return n
}

// fieldOf returns the key node of a field of a mapping, or nil if the field is absent.
func fieldOf(n *yaml.Node, field string) *yaml.Node {
	var merged *yaml.Node
	for i := 0; i+1 < len(n.Content) && n.Kind == yaml.MappingNode; i += 2 {
		switch key := resolve(n.Content[i]); {
		case key.ShortTag() == "!!merge":
			merged = resolve(n.Content[i+1])
		case key.Value == field:
			return key
		}
	}
	if merged == nil {
		return nil
	}
	if merged.Kind == yaml.MappingNode {
		return fieldOf(merged, field)
	}
	for _, m := range merged.Content {
		if key := fieldOf(resolve(m), field); key != nil {
			return key
		}
	}
	return nil
}

// yamlProblems converts an error of the YAML decoder to a list of problems. If the text is given, it is
// used to add hints.
func yamlProblems(err error, text []byte) []string {
	var t *yaml.TypeError
	if errors.As(err, &t) {
		return t.Errors
	}
	said := strings.TrimPrefix(err.Error(), "yaml: ")
	switch {
	case tabsNear(said, text):
		said += " (YAML must be indented with spaces, not with tabs)"
	case strings.Contains(said, "alphabetic or numeric") || strings.Contains(said, "cannot start any token"):
		said += " (a pattern that starts with * or @ needs quotes)"
	}
	return []string{said}
}

// tabsNear reports whether the line named in the decoder's error, or the next one, is indented with a
// tab.
func tabsNear(said string, text []byte) bool {
	var n int
	if _, err := fmt.Sscanf(said, "line %d:", &n); err != nil {
		return false
	}
	lines := strings.Split(string(text), "\n")
	for _, line := range lines[min(max(n-1, 0), len(lines)):min(n+1, len(lines))] {
		if indent := line[:len(line)-len(strings.TrimLeft(line, " \t"))]; strings.Contains(indent, "\t") {
			return true
		}
	}
	return false
}
