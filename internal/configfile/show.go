package configfile

import (
	"encoding"
	"fmt"
	"net/url"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Setting is a key with its effective value.
type Setting struct {
	// Key is the path of the key.
	Key string `json:"key"`
	// Value is the value as in a file: a bool, a number, a string, a list or a mapping.
	// What is secret is replaced by (hidden).
	Value any `json:"value"`
	// Source is default, flag, variable or file.
	Source string `json:"source"`
	// From is the flag, the variable or the position in the file. It is empty for defaults.
	From string `json:"from,omitempty"`
}

// hidden replaces secrets.
const hidden = "(hidden)"

// Settings returns the keys and values of the struct that from points to. source returns
// where a value comes from.
func (m *Model) Settings(from any, source func(*Key) (source, from string)) []Setting {
	v := reflect.ValueOf(from).Elem()
	list := make([]Setting, 0, len(m.keys))
	for _, k := range m.keys {
		s, at := source(k)
		list = append(list, Setting{k.Path, k.shown(v.FieldByIndex(k.index)), s, at})
	}
	return list
}

// Changed returns the keys whose values differ in two structs.
func (m *Model) Changed(a, b any) (keys []*Key) {
	va, vb := reflect.ValueOf(a).Elem(), reflect.ValueOf(b).Elem()
	for _, k := range m.keys {
		if !reflect.DeepEqual(va.FieldByIndex(k.index).Interface(), vb.FieldByIndex(k.index).Interface()) {
			keys = append(keys, k)
		}
	}
	return keys
}

// shown returns the value of a key for people.
func (k *Key) shown(v reflect.Value) any {
	value := plain(v)
	switch text, isText := value.(string); {
	case !k.Secret:
		if items, ok := value.([]any); ok && k.single && len(items) == 1 {
			return items[0]
		}
		return value
	case isText && text == "":
		return ""
	case k.secretURL && isText:
		return hideInURL(text)
	case k.secretURL:
		if list, ok := value.([]any); ok {
			for i, item := range list {
				if text, ok := item.(string); ok {
					list[i] = hideInURL(text)
				}
			}
			return list
		}
	}
	return hidden
}

// urlParts matches the scheme of a URL, its credentials, and the rest up to the query. The
// credentials may contain characters that should be percent-encoded.
var urlParts = regexp.MustCompile(`^([A-Za-z][A-Za-z0-9+.-]*://)?(?:(.*)@)?([^?#]*)`)

// hideInURL replaces the credentials and the query of a URL.
func hideInURL(text string) string {
	parts := urlParts.FindStringSubmatch(text)
	out := parts[1]
	if strings.Contains(text, "@") {
		out += hidden + "@"
	}
	out += parts[3]
	if len(parts[0]) < len(text) {
		out += "?" + hidden
	}
	if _, err := url.Parse(parts[1] + parts[3]); err != nil {
		return hidden
	}
	return out
}

// plain converts a value to one that JSON and YAML have.
func plain(v reflect.Value) any {
	if v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return nil
		}
		v = v.Elem()
	}
	if v.Kind() == reflect.Struct && hasKeys(v.Type()) {
		if f, ok := shortField(v.Type()); ok && v.FieldByName(f.Name).String() != "" {
			return v.FieldByName(f.Name).String()
		}
		if m, ok := v.Interface().(interface{ Short() (string, bool) }); ok {
			if text, ok := m.Short(); ok {
				return text
			}
		}
		return mapping(v)
	}
	if m, ok := v.Interface().(interface{ Items() []string }); ok {
		items := []any{}
		for _, s := range m.Items() {
			items = append(items, s)
		}
		return items
	}
	if m, ok := v.Interface().(encoding.TextMarshaler); ok {
		if text, err := m.MarshalText(); err == nil {
			return string(text)
		}
	}
	if s, ok := v.Interface().(fmt.Stringer); ok {
		return s.String()
	}
	switch v.Kind() {
	case reflect.Bool:
		return v.Bool()
	case reflect.Int:
		return v.Int()
	case reflect.Slice:
		items := []any{}
		for i := range v.Len() {
			items = append(items, plain(v.Index(i)))
		}
		return items
	}
	return v.String()
}

// mapping returns the keys of a struct that are set.
func mapping(v reflect.Value) any {
	s, err := shapeOf(v.Type())
	if err != nil {
		return nil
	}
	out := object{}
	for _, name := range s.fields.names {
		k := s.fields.nodes[name].key
		if k == nil {
			continue
		}
		if f := v.FieldByIndex(k.index); !f.IsZero() {
			out = append(out, field{name, k.shown(f)})
		}
	}
	return out
}

// WriteSettings returns settings as a YAML file, with a comment behind each value that
// says where it comes from. Secrets, and keys without a value, are comments.
func WriteSettings(settings []Setting) string {
	w := settingsWriter{}
	w.section("", settings, "")
	return w.align()
}

// settingsWriter collects lines and the comments behind them.
type settingsWriter struct{ lines, comments []string }

func (w *settingsWriter) add(line, comment string) {
	w.lines, w.comments = append(w.lines, line), append(w.comments, comment)
}

// section writes the settings whose keys start with prefix, in the order in which their
// first keys occur.
func (w *settingsWriter) section(prefix string, settings []Setting, indent string) {
	var done []string
	for _, s := range settings {
		rest, ok := strings.CutPrefix(s.Key, prefix)
		if !ok {
			continue
		}
		name, _, nested := strings.Cut(rest, ".")
		switch {
		case slices.Contains(done, name):
		case nested:
			w.add(indent+name+":", "")
			w.section(prefix+name+".", settings, indent+"  ")
			done = append(done, name)
		default:
			w.setting(name, s, indent)
		}
	}
}

func (w *settingsWriter) setting(name string, s Setting, indent string) {
	comment := strings.TrimSpace(s.Source + " " + s.From)
	if s.Source == "file" {
		comment = s.From
	}
	items, isList := s.Value.([]any)
	text, isText := s.Value.(string)
	switch {
	case isText && (text == "" || strings.Contains(text, hidden)), s.Value == nil:
		w.add(indent+"# "+name+": "+text, comment)
	case isList && len(items) > 0 && isMapping(items):
		w.add(indent+name+":", comment)
		for _, item := range items {
			w.add(indent+"  - "+flow(item), "")
		}
	default:
		w.add(indent+name+": "+flow(s.Value), comment)
	}
}

func isMapping(items []any) bool {
	return slices.ContainsFunc(items, func(i any) bool { _, ok := i.(object); return ok })
}

// flow returns a value on one line.
func flow(v any) string {
	switch v := v.(type) {
	case []any:
		parts := make([]string, len(v))
		for i, item := range v {
			parts[i] = flow(item)
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case object:
		parts := make([]string, len(v))
		for i, f := range v {
			parts[i] = f.name + ": " + flow(f.value)
		}
		return "{" + strings.Join(parts, ", ") + "}"
	case string:
		return quoteYAML(v)
	case bool:
		return strconv.FormatBool(v)
	}
	return fmt.Sprint(v)
}

// align returns the lines with their comments in one column.
func (w *settingsWriter) align() string {
	const column = 44
	var b strings.Builder
	for i, line := range w.lines {
		if w.comments[i] != "" {
			line = fmt.Sprintf("%-*s  # %s", column, line, w.comments[i])
		}
		b.WriteString(line + "\n")
	}
	return b.String()
}
