package configfile

import (
	"cmp"
	"encoding"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// Model describes the settings of a program. It never changes, so it is safe for
// concurrent use.
type Model struct {
	root *section
	keys []*Key
}

// Key is a setting that can be given by a flag, a variable or a file, but is not part of a
// list.
type Key struct {
	// Path is the key in the file, such as limits.max_rooms.
	Path string
	// Flag is the name of the flag without the hyphens, or empty.
	Flag string
	// Variable is the name of the environment variable, or empty.
	Variable string
	// Default is the default in the syntax of flags. It may be empty.
	Default string
	// Help describes the setting.
	Help string
	// Enum lists the accepted values. It is empty if there is no such list.
	Enum []string
	// Live reports whether the setting can change while the program runs.
	Live bool
	// Secret reports whether the value, or a part of it, must not be shown.
	Secret bool

	secretURL bool   // only the credentials and the query are hidden
	required  bool   // within the section
	single    bool   // a list of mappings that can be written as its only item
	either    string // group of keys that replace each other; may be empty
	refused   string // why the key is not accepted in files; empty: it is
	typ       reflect.Type
	index     []int // of the field in the struct
}

// InFile reports whether the key is accepted in files.
func (k *Key) InFile() bool { return k.refused == "" }

// section is a mapping in a file.
type section struct {
	path  string // empty for the file as a whole
	names []string
	nodes map[string]*node
}

// node is a key of a section: either a section itself or a setting.
type node struct {
	section *section
	key     *Key
}

// Syntax describes the values of a type that is written as one value.
type Syntax struct {
	// Type is the JSON type: string, integer, boolean, or "integer string" for either.
	Type string
	// Pattern is a regular expression that matches all accepted strings, and as few others
	// as possible. Empty: all.
	Pattern string
	// Enum lists all accepted strings. Empty: see Pattern.
	Enum []string
	// Minimum is the smallest accepted integer.
	Minimum int
	// List says that UnmarshalText accepts several values separated by commas. In a file,
	// they are a list, or one value.
	List bool
}

// Scalar is a type that is written as one value. A type that only implements
// [encoding.TextUnmarshaler] accepts strings.
type Scalar interface {
	encoding.TextUnmarshaler
	// Syntax describes the values. It does not use the receiver.
	Syntax() Syntax
}

// ModelOf returns the model of the settings in struct T. Variables start with prefix.
func ModelOf[T any](prefix string) (*Model, error) {
	b := builder{prefix: prefix}
	root, err := b.section("", reflect.TypeFor[T](), nil)
	if err != nil {
		return nil, err
	}
	m := &Model{root: root}
	m.collect(root)
	slices.SortStableFunc(m.keys, func(a, b *Key) int { return slices.Compare(a.index, b.index) })
	return m, nil
}

// Keys returns all keys in the order of the struct's fields. A list is one key.
func (m *Model) Keys() []*Key { return m.keys }

// collect adds the keys of a section.
func (m *Model) collect(s *section) {
	for _, name := range s.names {
		if n := s.nodes[name]; n.key != nil {
			m.keys = append(m.keys, n.key)
		} else {
			m.collect(n.section)
		}
	}
}

// builder builds a model.
type builder struct {
	prefix string // of variables; empty within lists, which have neither flags nor variables
}

// section returns the section for the fields of a struct.
func (b *builder) section(path string, t reflect.Type, index []int) (*section, error) {
	s := &section{path: path, nodes: make(map[string]*node)}
	err := b.fields(s, t, index)
	return s, err
}

func (b *builder) fields(s *section, t reflect.Type, index []int) error {
	var errs []error
	for i := range t.NumField() {
		f := t.Field(i)
		at := append(slices.Clone(index), i)
		key, ok := f.Tag.Lookup("key")
		switch {
		case key == "-":
		case ok:
			errs = append(errs, b.add(s, key, b.keyOf(f, at)))
		case f.Anonymous && f.Type.Kind() == reflect.Struct:
			errs = append(errs, b.fields(s, f.Type, at))
		case f.IsExported():
			errs = append(errs, fmt.Errorf("%v.%s has no tag key", t, f.Name))
		}
	}
	return errors.Join(errs...)
}

// add adds a key with a dotted path to a section.
func (b *builder) add(s *section, path string, k *Key) error {
	name, rest, nested := strings.Cut(path, ".")
	full := join(s.path, name)
	n := s.nodes[name]
	switch {
	case name == "" || n != nil && (n.key != nil || !nested):
		return fmt.Errorf("the key %s is there twice", full)
	case n == nil && nested:
		n = &node{section: &section{path: full, nodes: make(map[string]*node)}}
	case n == nil:
		k.Path = full
		n = &node{key: k}
	}
	if s.nodes[name] == nil {
		s.nodes[name] = n
		s.names = append(s.names, name)
	}
	if nested {
		return b.add(n.section, rest, k)
	}
	_, err := shapeOf(k.typ)
	return err
}

func (b *builder) keyOf(f reflect.StructField, index []int) *Key {
	k := &Key{Default: f.Tag.Get("default"), typ: f.Type, index: index, refused: f.Tag.Get("instead")}
	k.either = f.Tag.Get("either")
	secret, ok := f.Tag.Lookup("secret")
	k.Secret, k.secretURL = ok, secret == "url"
	_, k.Live = f.Tag.Lookup("live")
	_, k.required = f.Tag.Lookup("required")
	_, k.single = f.Tag.Lookup("single")
	k.Enum = enumOf(f)
	if b.prefix != "" {
		if f.Tag.Get("kong") != "-" {
			k.Flag = cmp.Or(f.Tag.Get("name"), hyphenated(f.Name))
			k.Variable = b.prefix + "_" + strings.ToUpper(strings.ReplaceAll(k.Flag, "-", "_"))
		}
		k.Variable = cmp.Or(f.Tag.Get("env"), k.Variable)
	}
	k.Help = strings.NewReplacer("${default}", k.Default, "$$", "$").Replace(f.Tag.Get("help"))
	return k
}

// enumOf returns the values in the tag enum of a field, or nil.
func enumOf(f reflect.StructField) []string {
	enum := f.Tag.Get("enum")
	if enum == "" {
		return nil
	}
	return slices.DeleteFunc(strings.Split(enum, ","), func(s string) bool { return s == "" })
}

// hyphenated returns the name of a flag for a field, such as max-rooms for MaxRooms.
func hyphenated(name string) string {
	var b strings.Builder
	for i, r := range name {
		upper := r >= 'A' && r <= 'Z'
		if upper && i > 0 {
			b.WriteByte('-')
		}
		if upper {
			r += 'a' - 'A'
		}
		b.WriteRune(r)
	}
	return b.String()
}

// join returns the path of a key in a section.
func join(section, name string) string {
	if section == "" {
		return name
	}
	return section + "." + name
}

// Replaces reports whether two different keys are alternatives to each other, such as
// redis.url and redis.url_file. Only the one with the higher precedence counts.
func (k *Key) Replaces(other *Key) bool {
	return k != other && k.either != "" && k.either == other.either
}

// Field returns the field of a key in the struct that of points to.
func (m *Model) Field(k *Key, of any) reflect.Value {
	return reflect.ValueOf(of).Elem().FieldByIndex(k.index)
}
