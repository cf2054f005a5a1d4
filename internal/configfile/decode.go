package configfile

import (
	"encoding"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Origins says where the settings of a file are, by the path of their key.
type Origins map[string]Position

// Position is a position in a file, starting at 1.
type Position struct{ Line, Column int }

// Decode sets the fields of the struct that into points to, whose type is that of the
// model, to what the file contains. All of the file is checked, but a key for which keep
// returns true, because a flag or a variable overrides it, keeps its value. If there are
// problems, the struct may be partly set.
func (m *Model) Decode(f *File, into any, keep func(*Key) bool) (Origins, Problems) {
	d := decoder{file: f, model: m, origins: make(Origins), keep: keep}
	if f.root != nil {
		d.section(m.root, f.root, reflect.ValueOf(into).Elem(), "")
	}
	return d.origins, d.problems
}

// SetDefaults sets the fields of keys without a flag to their defaults. The command line sets
// the others.
func (m *Model) SetDefaults(into any) error {
	d := decoder{file: &File{}, model: m}
	for _, k := range m.keys {
		if k.Flag == "" && k.Default != "" {
			d.text(m.Field(k, into), k.Default, &yaml.Node{}, k.Path, k)
		}
	}
	if d.problems != nil {
		return d.problems
	}
	return nil
}

// decoder decodes one file.
type decoder struct {
	file     *File
	model    *Model
	origins  Origins
	keep     func(*Key) bool
	problems Problems
}

func (d *decoder) wrong(path string, n *yaml.Node, format string, args ...any) {
	if len(d.problems) < maxProblems {
		d.problems = append(d.problems, Problem{d.file.name, n.Line, n.Column, path, fmt.Sprintf(format, args...)})
	}
}

// section decodes a mapping. v is the struct that contains the fields of the section's keys.
func (d *decoder) section(s *section, n *yaml.Node, v reflect.Value, path string) {
	at := n // an alias has a position of its own
	n = resolve(n)
	if n.ShortTag() == "!!null" && path != "" { // all of its keys are commented out
		return
	}
	if n.Kind != yaml.MappingNode {
		d.wrong(path, at, "expected %s", s.mapping())
		return
	}
	seen := make(map[string]bool)
	for i := 0; i+1 < len(n.Content); i += 2 {
		name, key, value := resolve(n.Content[i]).Value, n.Content[i], n.Content[i+1]
		child := s.nodes[name]
		if seen[name] { // Parse has reported it
			continue
		}
		seen[name] = true
		full := join(path, printable(name))
		switch {
		case child == nil:
			d.wrong(full, key, "unknown key%s", d.model.suggest(s, name))
		case child.section != nil:
			d.section(child.section, value, v, full)
		case !child.key.InFile():
			d.wrong(full, key, "%s", child.key.refused)
		default:
			d.key(child.key, key, value, v, full)
		}
	}
	for _, name := range s.names {
		if k := s.nodes[name].key; k != nil && k.required && !seen[name] {
			d.wrong(join(path, name), at, "the key is missing")
		}
	}
}

// key decodes the value of a key.
func (d *decoder) key(k *Key, name, value *yaml.Node, v reflect.Value, path string) {
	scratch := reflect.New(k.typ).Elem()
	before := len(d.problems)
	d.value(scratch, value, path, k)
	if k.required && scratch.Kind() == reflect.String && scratch.IsZero() && len(d.problems) == before {
		d.wrong(path, value, "the value is empty")
	}
	if len(d.problems) > before {
		return
	}
	if path == k.Path { // not within a list
		d.origins[k.Path] = Position{name.Line, name.Column}
		if d.keep != nil && d.keep(k) {
			return
		}
	}
	v.FieldByIndex(k.index).Set(scratch)
}

// value decodes a node into v.
func (d *decoder) value(v reflect.Value, n *yaml.Node, path string, k *Key) {
	if v.Kind() == reflect.Pointer {
		v.Set(reflect.New(v.Type().Elem()))
		v = v.Elem()
	}
	s, err := shapeOf(v.Type())
	at := n
	n = resolve(n)
	if k.single && s.item != nil {
		s.fields = itemFields(s)
	}
	switch {
	case err != nil:
		d.wrong(path, at, "%v", err) // ModelOf has checked it
	case n.Kind == yaml.SequenceNode && s.item != nil:
		d.list(v, s, n, at, path, k)
	case n.Kind == yaml.MappingNode && s.fields != nil && s.item != nil:
		item := reflect.New(s.item).Elem()
		d.section(s.fields, n, item, path)
		v.Set(reflect.Append(v, item))
	case n.Kind == yaml.MappingNode && s.fields != nil:
		d.section(s.fields, n, v, path)
	case n.Kind == yaml.ScalarNode && s.scalar != nil && s.scalar.accepts(jsonType(n)):
		if v.Kind() == reflect.Slice && !s.scalar.List { // one value stands for a list with this value
			item := reflect.New(v.Type().Elem()).Elem()
			d.scalar(item, s, n, at, path, k)
			v.Set(reflect.Append(v, item))
			return
		}
		d.scalar(v, s, n, at, path, k)
	case n.ShortTag() == "!!null":
		d.wrong(path, at, "the key has no value; expected %s", s.expected(k))
	case n.Kind == yaml.ScalarNode && s.scalar != nil && s.scalar.accepts("string") && s.words(k) == nil && jsonType(n) != "":
		if err := unusable(v.Type(), n.Value, k); err != nil && s.fields == nil {
			d.wrong(path, at, "%v", err) // quotes alone would not help
			return
		}
		d.wrong(path, at, "expected %s; put the value in quotes", s.expected(k))
	case n.Kind == yaml.MappingNode && n.Style&yaml.FlowStyle != 0 && s.scalar != nil && s.scalar.accepts("string") && s.words(k) == nil:
		d.wrong(path, at, "expected %s; a text that starts with { needs quotes", s.expected(k))
	default:
		d.wrong(path, at, "expected %s", s.expected(k))
	}
}

// itemFields returns the section for the items of a list, or nil.
func itemFields(s shape) *section {
	item, err := shapeOf(s.item)
	if err != nil {
		return nil // ModelOf has checked it
	}
	return item.fields
}

// list decodes the items of a sequence.
func (d *decoder) list(v reflect.Value, s shape, n, at *yaml.Node, path string, k *Key) {
	before := len(d.problems)
	list := reflect.MakeSlice(reflect.SliceOf(s.item), len(n.Content), len(n.Content))
	var texts []string
	for i, node := range n.Content {
		p := fmt.Sprintf("%s[%d]", path, i)
		if s.scalar == nil || !s.scalar.List {
			d.value(list.Index(i), node, p, k)
			continue
		}
		item := resolve(node)
		if item.Kind != yaml.ScalarNode || !s.scalar.accepts(jsonType(item)) {
			d.wrong(p, node, "expected %s", shape{scalar: s.scalar}.expected(k))
			continue
		}
		d.scalar(list.Index(i), s, item, node, p, k)
		texts = append(texts, item.Value)
	}
	switch {
	case len(d.problems) > before:
	case s.scalar == nil || !s.scalar.List:
		v.Set(list)
	case len(texts) == 0 && v.Kind() == reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 0, 0))
	case len(texts) > 0:
		d.text(v, strings.Join(texts, ","), at, path, k)
	}
}

// scalar decodes one value that has a type that s accepts.
func (d *decoder) scalar(v reflect.Value, s shape, n, at *yaml.Node, path string, k *Key) {
	text := n.Value
	if s.scalar.List && (text == "" || strings.Contains(text, ",")) {
		d.wrong(path, at, "expected one value; write several as a list, as in [a, b]")
		return
	}
	if words := s.words(k); words != nil && !slices.Contains(words, text) {
		s.item = nil // a list is accepted, too, but would not help
		d.wrong(path, at, "expected %s%s", s.expected(k), but(text, k))
		return
	}
	if s.short != "" {
		v = v.FieldByName(s.short)
	}
	d.text(v, text, at, path, k)
}

// unusable returns the error of a type that decodes texts about a text, if it does not accept it.
func unusable(t reflect.Type, text string, k *Key) error {
	u, ok := reflect.New(t).Interface().(encoding.TextUnmarshaler)
	if !ok || k.Secret {
		return nil
	}
	return u.UnmarshalText([]byte(text))
}

// text sets v to a text in the syntax of flags.
func (d *decoder) text(v reflect.Value, text string, at *yaml.Node, path string, k *Key) {
	if u, ok := v.Addr().Interface().(encoding.TextUnmarshaler); ok {
		if err := u.UnmarshalText([]byte(text)); err != nil {
			if k.Secret && !k.secretURL {
				d.wrong(path, at, "the value is not valid")
				return
			}
			d.wrong(path, at, "%v", err)
		}
		return
	}
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(strings.EqualFold(text, "true"))
	case reflect.Int:
		i, err := strconv.Atoi(text)
		if err != nil {
			d.wrong(path, at, "expected an integer%s", but(text, k))
			return
		}
		v.SetInt(int64(i))
	default:
		v.SetString(text)
	}
}

func but(text string, k *Key) string {
	if k.Secret {
		return ""
	}
	return fmt.Sprintf(", but got %.100q", text)
}

// jsonType returns the JSON type of a node that is one value, or "" for null and numbers
// that are not integers.
func jsonType(n *yaml.Node) string {
	switch n.ShortTag() {
	case "!!str", "!!timestamp":
		return "string"
	case "!!int":
		if decimal(n.Value) {
			return "integer"
		}
		return "other" // such as 0x10, whose meaning depends on the version of YAML
	case "!!bool":
		return "boolean"
	case "!!null":
		return ""
	}
	return "other"
}

// decimal reports whether a number is written in the way that flags accept.
func decimal(text string) bool {
	digits := strings.TrimPrefix(text, "-")
	return digits != "" && strings.Trim(digits, "0123456789") == "" && (digits == "0" || digits[0] != '0')
}

// Position returns the position of a path such as rooms[2].match, or of the nearest
// enclosing value that the file has.
func (f *File) Position(path string) Position {
	if f.root == nil {
		return Position{1, 1}
	}
	return PositionOf(f.root, path)
}

// PositionOf is like [File.Position] for a path that begins at a node.
func PositionOf(n *yaml.Node, path string) Position {
	at := n
	for path != "" {
		var step string
		n = resolve(n)
		if rest, ok := strings.CutPrefix(path, "["); ok {
			step, path, _ = strings.Cut(rest, "]")
			i, err := strconv.Atoi(step)
			if err != nil || n.Kind != yaml.SequenceNode || i < 0 || i >= len(n.Content) {
				break
			}
			n, at = n.Content[i], n.Content[i]
		} else {
			if n.Kind == yaml.SequenceNode && len(n.Content) == 1 { // a list that could be its only item
				n = resolve(n.Content[0])
			}
			path = strings.TrimPrefix(path, ".")
			end := strings.IndexAny(path, ".[")
			if end < 0 {
				end = len(path)
			}
			step, path = path[:end], path[end:]
			key, value := child(n, step)
			if key == nil {
				break
			}
			n, at = value, key
		}
	}
	return Position{at.Line, at.Column}
}

// child returns the nodes of a key of a mapping and of its value, or nil.
func child(n *yaml.Node, name string) (key, value *yaml.Node) {
	for i := 0; i+1 < len(n.Content) && n.Kind == yaml.MappingNode; i += 2 {
		if resolve(n.Content[i]).Value == name {
			return n.Content[i], n.Content[i+1]
		}
	}
	return nil, nil
}
