package configfile

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"
)

// way is a setting that can be written as a word or as a mapping.
type way struct {
	Word string `key:"-" short:"" enum:"on,off"`
	Name string `key:"name" required:"" help:"Name."`
}

// parcel has a list that can be written as its only item.
type parcel struct {
	To    way   `key:"to" help:"Where."`
	Parts []way `key:"parts" single:"" help:"What."`
}

type parcels struct {
	List []parcel `kong:"-" key:"list" help:"Parcels."`
}

func decodeNode(t *testing.T, text string) (p []parcel, problems Problems) {
	t.Helper()
	var doc yaml.Node
	if err := yaml.Unmarshal([]byte(text), &doc); err != nil {
		t.Fatal(err)
	}
	if problems = CheckNode("list", doc.Content[0], 20); problems == nil {
		problems = DecodeNode("list", doc.Content[0], &p)
	}
	return p, problems
}

// A node is decoded like the same text in a file, and the schema and what is shown agree.
func TestDecodeNode(t *testing.T) {
	m, err := ModelOf[parcels]("P")
	if err != nil {
		t.Fatal(err)
	}
	schema := parsed(t, m.Schema("parcels"))
	a, b := way{Name: "a"}, way{Name: "b"}
	for text, want := range map[string][]parcel{
		"[]":                     {},
		"[{to: on}]":             {{To: way{Word: "on"}}},
		"[{to: {name: a}}]":      {{To: a}},
		"[{parts: off}]":         {{Parts: []way{{Word: "off"}}}},
		"[{parts: {name: a}}]":   {{Parts: []way{a}}},
		"[{parts: [{name: a}]}]": {{Parts: []way{a}}},
		"[{parts: [{name: a}, {name: b}], to: off}]": {{Parts: []way{a, b}, To: way{Word: "off"}}},
	} {
		got, problems := decodeNode(t, text)
		if problems != nil || !cmp.Equal(got, want) {
			t.Errorf("%s: %+v, %v", text, got, problems)
		}
		if err := schema.ValidateYAML("list: " + text); err != nil {
			t.Errorf("the schema refuses %s: %v", text, err)
		}
		shown := WriteSettings(m.Settings(&parcels{got}, func(*Key) (source, from string) { return "file", "f:1" }))
		file, problems := Parse("shown", []byte(shown))
		var again parcels
		if problems == nil {
			_, problems = m.Decode(file, &again, nil)
		}
		if problems != nil || !cmp.Equal(again.List, want) {
			t.Errorf("%s is shown as %s: %v", text, shown, problems)
		}
	}
}

func TestWrongNodes(t *testing.T) {
	m, err := ModelOf[parcels]("P")
	if err != nil {
		t.Fatal(err)
	}
	schema := parsed(t, m.Schema("parcels"))
	for text, want := range map[string]string{
		"[{to: up}]":          `list[0].to: expected on, off or a mapping with name, but got "up"`,
		"[{to: true}]":        "list[0].to: expected on, off or a mapping with name",
		"[{to: {}}]":          "list[0].to.name: the key is missing",
		"[{to: {name: {a}}}]": "list[0].to.name: expected a string; a text that starts with { needs quotes",
		"[{parts: x}]":        "list[0].parts: expected on, off or a mapping with name, but got \"x\"",
		"[{parts: {}}]":       "list[0].parts.name: the key is missing",
		"[{parts: [[]]}]":     "list[0].parts[0]: expected on, off or a mapping with name",
		"[{tu: on}]":          "list[0].tu: unknown key; did you mean to?",
	} {
		_, problems := decodeNode(t, text)
		if got := problems.Error(); !strings.HasSuffix(got, ": "+want) {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
		if schema.ValidateYAML("list: "+text) == nil {
			t.Errorf("the schema accepts %s", text)
		}
	}
	for text, want := range map[string]string{ // which the schema does not find
		`[{to: {name: ""}}]`:                         "list[0].to.name: the value is empty",
		"[{to: on, to: off}]":                        "list[0].to: the key is already in line 1",
		"[" + strings.Repeat("{to: on}, ", 10) + "]": "list[9]: the file has more than 20 values",
	} {
		if _, problems := decodeNode(t, text); !strings.Contains(problems.Error(), want) {
			t.Errorf("%s: %v, want %s", text, problems, want)
		}
	}
}
