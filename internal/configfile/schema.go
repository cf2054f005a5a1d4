package configfile

import (
	"bytes"
	"encoding/json"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// schemaDraft is the version of JSON Schema. Editors support draft 7 best.
const schemaDraft = "http://json-schema.org/draft-07/schema#"

// Schema returns a JSON Schema of the file. It accepts every file that Decode accepts,
// and of the others it refuses those with unknown keys, wrong types, values outside
// an enumeration and texts of a wrong form.
func (m *Model) Schema(title string) []byte {
	s := sectionSchema(m.root, true)
	s = append(object{{"$schema", schemaDraft}, {"title", title}}, s...)
	var out bytes.Buffer
	_ = json.Indent(&out, s.json(), "", "  ") // the text is valid JSON
	out.WriteByte('\n')
	return out.Bytes()
}

// object is a JSON object whose fields keep their order.
type object []field

type field struct {
	name  string
	value any
}

func (o object) json() []byte {
	out := []byte{'{'}
	for i, f := range o {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(out, encoded(f.name)...)
		out = append(append(out, ':'), encoded(f.value)...)
	}
	return append(out, '}')
}

// MarshalJSON implements json.Marshaler.
func (o object) MarshalJSON() ([]byte, error) { return o.json(), nil }

// encoded returns a value as JSON, without escapes for HTML.
func encoded(v any) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(v) // the schema contains only values that can be encoded
	return bytes.TrimSpace(b.Bytes())
}

func sectionSchema(s *section, nullable bool) object {
	var properties object
	var required []string
	for _, name := range s.names {
		n := s.nodes[name]
		switch {
		case n.section != nil:
			properties = append(properties, field{name, sectionSchema(n.section, true)})
		case n.key.InFile():
			properties = append(properties, field{name, keySchema(n.key)})
			if n.key.required {
				required = append(required, name)
			}
		}
	}
	o := object{{"type", "object"}}
	if nullable { // all of its keys may be commented out
		o = object{{"type", []string{"object", "null"}}}
	}
	o = append(o, field{"additionalProperties", false}, field{"properties", properties})
	if required != nil {
		o = append(o, field{"required", required})
	}
	return o
}

func keySchema(k *Key) object {
	o := object{{"description", k.describe()}}
	return append(o, typeSchema(k.typ, k.Enum, k.single)...)
}

// describe returns the help of a key with the other ways to set it.
func (k *Key) describe() string {
	text := k.Help
	if k.Flag != "" {
		text += "\n\nFlag: --" + k.Flag
	}
	if k.Variable != "" {
		text += "\nVariable: " + k.Variable
	}
	return text
}

// typeSchema returns the schema of a type. single says that a list can be its only item.
func typeSchema(t reflect.Type, enum []string, single bool) object {
	s, err := shapeOf(t)
	if err != nil {
		return nil // ModelOf has checked it
	}
	var forms []object
	if s.scalar != nil {
		forms = append(forms, scalarSchema(s.scalar, enum)...)
	}
	if s.fields != nil {
		forms = append(forms, sectionSchema(s.fields, false))
	}
	if s.item != nil {
		var items object
		if s.scalar != nil && s.scalar.List {
			items = oneOf(scalarSchema(s.scalar, enum))
		} else {
			items = typeSchema(s.item, enum, false)
		}
		if single {
			forms = append(forms, items)
		}
		forms = append(forms, object{{"type", "array"}, {"items", items}})
	}
	return oneOf(forms)
}

func oneOf(forms []object) object {
	if len(forms) == 1 {
		return forms[0]
	}
	return object{{"anyOf", forms}}
}

func scalarSchema(s *Syntax, enum []string) (forms []object) {
	if enum = slices.Concat(enum, s.Enum); len(enum) > 0 {
		return []object{{{"enum", enum}}}
	}
	for _, t := range strings.Fields(s.Type) {
		o := object{{"type", t}}
		switch {
		case t == "integer" && s.Minimum != 0:
			o = append(o, field{"minimum", s.Minimum})
		case t == "string" && s.Pattern != "":
			o = append(o, field{"pattern", s.Pattern})
		case t == "string" && s.List:
			o = append(o, field{"pattern", `^[^,]+$`})
		}
		forms = append(forms, o)
	}
	return forms
}

// Reference returns a table in Markdown with all keys, and one for the items of each list.
func (m *Model) Reference() string {
	var b strings.Builder
	b.WriteString("| key | default | flag | variable | while running | meaning |\n|---|---|---|---|---|---|\n")
	for _, k := range m.keys {
		row := []string{code(k.Path), code(k.Default), "", code(k.Variable), "", k.Help}
		if k.Flag != "" {
			row[2] = code("--" + k.Flag)
		}
		if !k.InFile() {
			row[0] = "(" + k.refused + ")"
		}
		if k.Live {
			row[4] = "changes"
		}
		writeRow(&b, row)
	}
	for _, k := range m.keys {
		itemReference(&b, k.Path, k.typ)
	}
	return b.String()
}

func itemReference(b *strings.Builder, path string, t reflect.Type) {
	s, err := shapeOf(t)
	switch {
	case err != nil || s.scalar != nil && s.scalar.List:
		return
	case s.item != nil:
		itemReference(b, path+"[]", s.item)
		return
	case s.fields == nil:
		return
	}
	b.WriteString("\nKeys of `" + path + "`:\n\n| key | default | required | meaning |\n|---|---|---|---|\n")
	for _, name := range s.fields.names {
		k := s.fields.nodes[name].key
		if k == nil {
			continue
		}
		required := ""
		if k.required {
			required = "yes"
		}
		writeRow(b, []string{code(name), code(k.Default), required, k.Help})
	}
	for _, name := range s.fields.names {
		if k := s.fields.nodes[name].key; k != nil {
			itemReference(b, path+"."+name, k.typ)
		}
	}
}

func code(text string) string {
	if text == "" {
		return ""
	}
	return "`" + text + "`"
}

func writeRow(b *strings.Builder, cells []string) {
	for i, c := range cells {
		cells[i] = strings.ReplaceAll(strings.ReplaceAll(c, "|", `\|`), "\n", " ")
	}
	b.WriteString("| " + strings.Join(cells, " | ") + " |\n")
}

// quoteYAML returns a text as a YAML value. It is quoted unless it is obviously a string
// without special characters.
func quoteYAML(text string) string {
	plain := text != "" && strings.Trim(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./-") == "" &&
		strings.ContainsAny(text[:1], "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ/0123456789.")
	switch strings.ToLower(text) {
	case "true", "false", "yes", "no", "on", "off", "null", "y", "n":
		plain = false
	}
	if plain {
		if _, err := strconv.ParseFloat(text, 64); err == nil {
			plain = false
		}
	}
	if plain {
		return text
	}
	return strconv.Quote(text)
}
