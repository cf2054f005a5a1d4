package wire_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/ignis-go/ignis/wire"
)

func TestEachElement(t *testing.T) {
	for text, want := range map[string][]string{
		`[]`: nil, ` [ ] `: nil, `[1]`: {"1"}, ` [ 1 , "a,]" ,{"x":[2]}, [3] ,null ] `: {"1", `"a,]"`, `{"x":[2]}`, "[3]", "null"},
	} {
		var got []string
		err := wire.EachElement([]byte(text), func(value []byte) { got = append(got, string(value)) })
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %q, %v", text, got, err)
		}
	}
	for text, want := range map[string]error{
		``: wire.ErrFormat, `[`: wire.ErrFormat, `[1,]`: wire.ErrFormat, `[1 2]`: wire.ErrFormat, `[1]]`: wire.ErrFormat, "[\"\xff\"]": wire.ErrFormat,
		strings.Repeat("[", 600) + strings.Repeat("]", 600): wire.ErrFormat,
		`{}`: wire.ErrShape, `1`: wire.ErrShape, `{`: wire.ErrFormat,
	} {
		if err := wire.EachElement([]byte(text), func([]byte) {}); !errors.Is(err, want) {
			t.Errorf("%.20s: %v, want %v", text, err, want)
		}
	}
}

// scan returns what an ObjectScanner calls for the list "l".
func scan(text []byte) (calls []string, err error) {
	call := func(what string) func(key, value []byte) {
		return func(key, value []byte) { calls = append(calls, fmt.Sprintf("%s %q %s", what, key, value)) }
	}
	s := wire.ObjectScanner{
		List: "l", Field: call("field"), Other: call("other"),
		Element: func(value []byte) { calls = append(calls, "element "+string(value)) },
	}
	return calls, errors.Join(s.Scan(text))
}

func TestObjectScanner(t *testing.T) {
	for text, want := range map[string][]string{
		`{}`:      nil,
		`{"l":5}`: {`other "l" 5`},
		`{"x":[{"a":1}],"\u006c":[ {"a" : {"b":2}}, 3,{"l":[4]} ] }`: {
			`other "x" [{"a":1}]`, `field "a" {"b":2}`, `element {"a" : {"b":2}}`, `element 3`, `field "l" [4]`, `element {"l":[4]}`, `other "l" `,
		},
	} {
		if got, err := scan([]byte(text)); err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %q, %v\n    want %q", text, got, err, want)
		}
	}
	for text, want := range map[string]error{`[]`: wire.ErrShape, `5`: wire.ErrShape, `[`: wire.ErrFormat, `{"l":[{]}`: wire.ErrFormat, `{"l":[{}]`: wire.ErrFormat, `{"l":[{}]}x`: wire.ErrFormat} {
		if _, err := scan([]byte(text)); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", text, err, want)
		}
	}
}

// An ObjectScanner accepts what EachField accepts, except that the list may be nested a little
// deeper, and calls the same functions.
func FuzzObjectScanner(f *testing.F) {
	for _, text := range []string{`{"l":[{"a":1},2],"x":{"l":[3]}}`, `{"l":[[{"a":1}]],"l":{}}`, `[]`, `{"l":[`, ` {"\u006c" : [ ] } `} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		got, err := scan(text)
		var want []string
		expected := wire.EachField(text, func(key, value []byte) {
			if string(key) != "l" || value[0] != '[' {
				want = append(want, fmt.Sprintf("other %q %s", key, value))
				return
			}
			_ = wire.EachElement(value, func(element []byte) {
				if element[0] == '{' {
					_ = wire.EachField(element, func(key, value []byte) { want = append(want, fmt.Sprintf("field %q %s", key, value)) })
				}
				want = append(want, "element "+string(element))
			})
			want = append(want, fmt.Sprintf("other %q ", key))
		})
		if (err == nil) != (expected == nil) || errors.Is(err, wire.ErrShape) != errors.Is(expected, wire.ErrShape) {
			if bytes.Count(text, []byte("["))+bytes.Count(text, []byte("{")) < wire.MaxDepth-2 {
				t.Fatalf("%q: %v, but EachField says %v", text, err, expected)
			}
			return
		}
		if err == nil && !slices.Equal(got, want) {
			t.Errorf("%q:\n%q\nwant\n%q", text, got, want)
		}
	})
}

// A value may be nested as deep in an object of the list as in an object that is not in a list.
func TestDepthInList(t *testing.T) {
	for depth, want := range map[int]error{wire.MaxDepth: nil, wire.MaxDepth + 1: wire.ErrFormat} {
		object := `{"a":` + strings.Repeat("[", depth) + strings.Repeat("]", depth) + `}`
		if err := wire.EachField([]byte(object), func(_, _ []byte) {}); !errors.Is(err, want) {
			t.Errorf("depth %d: EachField = %v", depth, err)
		}
		if _, err := scan([]byte(`{"l":[` + object + `]}`)); !errors.Is(err, want) {
			t.Errorf("depth %d: Scan = %v", depth, err)
		}
	}
	// Only the list of the outer object is one.
	got, err := scan([]byte(`{"l":[{"l":[{"b":1}]}]}`))
	if want := []string{`field "l" [{"b":1}]`, `element {"l":[{"b":1}]}`, `other "l" `}; err != nil || !slices.Equal(got, want) {
		t.Errorf("%q, %v", got, err)
	}
}

// Data that is marked as checked is not checked again.
func TestCheckedData(t *testing.T) {
	for _, text := range []string{`{"a": 1}`, `{`} {
		checked := wire.Checked(text)
		if got, err := wire.EncodeData(&checked); err != nil || string(got) != text {
			t.Errorf("%s: %s, %v", text, got, err)
		}
	}
	if _, err := wire.EncodeData(json.RawMessage(`{`)); !errors.Is(err, wire.ErrFormat) {
		t.Errorf("a raw message: %v", err)
	}
	if got, err := wire.EncodeData(new(wire.Checked)); got != nil || err != nil {
		t.Errorf("no data: %s, %v", got, err)
	}
}
