package configfile

import (
	"encoding"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
)

// shape says which nodes of a file a type accepts. More than one of the three may be set.
type shape struct {
	scalar *Syntax      // one value
	item   reflect.Type // a list of these; for a list in one text (Syntax.List), the type itself
	fields *section     // a mapping
	short  string       // name of the field that one value sets, in a struct; may be empty
}

var textType = reflect.TypeFor[encoding.TextUnmarshaler]()

// shapes caches the shapes of types, because reflection takes much longer than decoding a
// value. Shapes never change.
var shapes sync.Map // reflect.Type -> shape

// shapeOf returns the shape of a type.
func shapeOf(t reflect.Type) (shape, error) {
	if s, ok := shapes.Load(t); ok {
		return s.(shape), nil
	}
	s, err := newShape(t)
	if err == nil {
		shapes.Store(t, s)
	}
	return s, err
}

func newShape(t reflect.Type) (shape, error) {
	var s shape
	if syntax, ok := syntaxOf(t); ok {
		s.scalar = &syntax
		if syntax.List {
			s.item = t
		}
		if t.Kind() != reflect.Struct || !hasKeys(t) {
			return s, nil
		}
	}
	switch t.Kind() {
	case reflect.Bool:
		s.scalar = &Syntax{Type: "boolean"}
	case reflect.Int:
		s.scalar = &Syntax{Type: "integer"}
	case reflect.String:
		s.scalar = &Syntax{Type: "string"}
	case reflect.Pointer:
		return shapeOf(t.Elem())
	case reflect.Slice:
		item, err := shapeOf(t.Elem())
		s.item, s.scalar, s.short = t.Elem(), item.scalar, item.short
		return s, err
	case reflect.Struct:
		var b builder
		fields, err := b.section("", t, nil)
		s.fields = fields
		if f, ok := shortField(t); ok {
			s.short, s.scalar = f.Name, &Syntax{Type: "string", Enum: enumOf(f)}
		}
		return s, err
	default:
		return s, fmt.Errorf("type %v cannot be a setting", t)
	}
	return s, nil
}

func syntaxOf(t reflect.Type) (Syntax, bool) {
	if !reflect.PointerTo(t).Implements(textType) {
		return Syntax{}, false
	}
	if v, ok := reflect.New(t).Interface().(Scalar); ok {
		return v.Syntax(), true
	}
	return Syntax{Type: "string"}, true
}

// hasKeys reports whether a struct has fields that are keys.
func hasKeys(t reflect.Type) bool {
	for i := range t.NumField() {
		if _, ok := t.Field(i).Tag.Lookup("key"); ok {
			return true
		}
	}
	return false
}

// shortField returns the field with the tag short.
func shortField(t reflect.Type) (f reflect.StructField, ok bool) {
	for i := range t.NumField() {
		f = t.Field(i)
		if _, ok = f.Tag.Lookup("short"); ok && f.Type.Kind() == reflect.String {
			return f, true
		}
	}
	return f, false
}

// accepts reports whether a value of this JSON type is accepted.
func (s *Syntax) accepts(jsonType string) bool {
	return slices.Contains(strings.Fields(s.Type), jsonType)
}

// expected describes what a shape accepts, for errors about a value of another kind.
func (s shape) expected(k *Key) string {
	forms := s.words(k)
	if s.scalar != nil && forms == nil {
		names := map[string]string{"string": "a string", "integer": "an integer", "boolean": "true or false"}
		for _, t := range strings.Fields(s.scalar.Type) {
			forms = append(forms, names[t])
		}
	}
	if s.fields != nil {
		forms = append(forms, s.fields.mapping())
	}
	if s.item != nil {
		forms = append(forms, "a list")
	}
	return list(forms, "or")
}

// words returns the only texts that a shape accepts as the value of a key, or nil.
func (s shape) words(k *Key) []string {
	if s.scalar == nil {
		return nil
	}
	return slices.Concat(k.Enum, s.scalar.Enum)
}

// mapping describes the mapping that a section is.
func (s *section) mapping() string { return "a mapping with " + list(s.names, "and") }

// list joins words as in "a, b and c".
func list(words []string, last string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:len(words)-1], ", ") + " " + last + " " + words[len(words)-1]
}
