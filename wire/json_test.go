package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// The oracle of all fuzz targets: encoding/json for the grammar, unicode/utf8 for the
// encoding, and the number of brackets for the depth.

// wantValid is the expected result of [Valid].
func wantValid(text []byte) bool {
	return json.Valid(text) && utf8.Valid(text) && depth(text) <= MaxDepth
}

// depth returns the nesting depth of valid JSON.
func depth(text []byte) (deepest int) {
	now, quoted := 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '[' || c == '{':
			now++
			deepest = max(deepest, now)
		case c == ']' || c == '}':
			now--
		}
	}
	return deepest
}

var validTexts = []string{
	"{}", "[]", "null", "true", "false", "0", "-0", "1.5", "-1.25e+10", "1E-3", "10", `""`, `"a"`,
	" \t\r\n1 \t\r\n", `[1,"a",{"b":[]},null]`, `{"a":{"b":{"c":[[[]]]}}}`, `"\"\\\/\b\f\n\r\t\u12aB"`, `"\ud800"`,
	`"é😀` + "\u2028\x7f" + `"`, `{"":0,"":1}`, "12345678901234567890123", "1e999999",
	strings.Repeat("[", MaxDepth) + strings.Repeat("]", MaxDepth),
	strings.Repeat("[", MaxDepth) + "1" + strings.Repeat("]", MaxDepth),
	strings.Repeat(`{"a":`, MaxDepth) + "1" + strings.Repeat("}", MaxDepth),
}

var invalidTexts = []string{
	"", " ", "nul", "nulll", "tru", "falsy", "01", "-", "+1", ".1", "1.", "1e", "1e+", "--1", "0x1", "NaN", "Infinity",
	`"`, `"\`, `"\u`, `"\u123`, `"\u123"`, `"\x"`, "\"\n\"", "\"\x00\"", "\"\xff\"", "\"\xed\xa0\x80\"", "\xff", "é", "'a'",
	"[", "[1", "[1,", "[1,]", "[,]", "[1 2]", "]", "{", `{"a"`, `{"a":`, `{"a":1`, `{"a":1,`, `{"a":1,}`, "{,}", "{1:1}", `{"a" 1}`, `{"a":1 "b":2}`,
	"}", "[}", "{]", "1 2", "{}{}", "[]x", "\ufeff1", "1\x00", "//", "/**/1",
	strings.Repeat("[", MaxDepth+1) + strings.Repeat("]", MaxDepth+1),
	strings.Repeat("[", MaxDepth+1) + "1" + strings.Repeat("]", MaxDepth+1),
	strings.Repeat(`{"a":`, MaxDepth+1) + "1" + strings.Repeat("}", MaxDepth+1),
}

func TestValid(t *testing.T) {
	for _, s := range validTexts {
		if err := Valid([]byte(s)); err != nil {
			t.Errorf("%.60s: %v", s, err)
		}
	}
	for _, s := range invalidTexts {
		if err := Valid([]byte(s)); !errors.Is(err, ErrFormat) {
			t.Errorf("%.60s: error %v, want ErrFormat", s, err)
		}
	}
	for s, want := range map[string]string{
		`{"a":1,}`: "expected a key at byte 7",
		"[1}":      "expected a comma or ] after an element at byte 2",
		"{} x":     "unexpected text after the value at byte 3",

		`{"a" 1}`:                         "expected a colon after the key at byte 5",
		`{"a":1 "b":2}`:                   "expected a comma or } after a field at byte 7",
		`"a`:                              "unterminated string at byte 2",
		`"\`:                              "invalid escape at byte 2",
		`"\u12`:                           "invalid escape at byte 5",
		"\"a\n\"":                         "control character in a string at byte 2",
		"\"a\xff\"":                       "invalid UTF-8 at byte 2",
		"-":                               "number without digits at byte 1",
		"1.":                              "number without digits after the decimal point at byte 2",
		"1e+":                             "exponent without digits at byte 3",
		" nul":                            "expected a value at byte 1",
		"[":                               "expected a value at byte 1",
		invalidTexts[len(invalidTexts)-3]: "nested too deep at byte 512",
	} {
		if err := Valid([]byte(s)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want it to say %q", s, err, want)
		}
	}
}

// Fields are reported in order, up to the first malformed one.
func TestEachField(t *testing.T) {
	for text, want := range map[string]string{
		`{}`:                       "",
		` {"a":1, "b" : [2] } `:    "a=1 b=[2] ",
		`{"a":1,"\u0062":"x","c":`: `a=1 b="x" `,
		`{"a":1,"b":"x}`:           "a=1 ",
		`{"a":1,"b":2x`:            "a=1 b=2 ",
		`["a"]`:                    "",
	} {
		got := ""
		err := EachField([]byte(text), func(key, value []byte) { got += string(key) + "=" + string(value) + " " })
		if got != want {
			t.Errorf("%s: %s, %v", text, got, err)
		}
	}
	for text, want := range map[string]error{`{"a":1}`: nil, `["a"]`: ErrShape, "1": ErrShape, `["a"`: ErrFormat, `{"a":1`: ErrFormat} {
		if err := EachField([]byte(text), func(_, _ []byte) {}); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", text, err, want)
		}
	}
}

func seed(f *testing.F) {
	for _, s := range append(validTexts, invalidTexts...) {
		f.Add([]byte(s))
	}
	f.Add([]byte(`{"event":"chat","data":{"text":"<&>"},"id":"7"}`))
	f.Add([]byte(`{"ev\u0065nt":"a","event":5,"Event":"b","data":[1],"data": null }`))
	f.Add([]byte(`{"serverId":"s","type":"room","target":"r","event":"e","data":1,"exclude":["a","b"]}`))
	f.Add([]byte(`{"serverId":"s","type":"broadcast","event":"e","exclude":null}`))
	f.Add([]byte(`{"serverId":"s","type":"\u0072oom","event":"e","exclude": [ "a" , "\u0062" ] }`))
	f.Add([]byte(`{"serverId":"s","event":"e","exclude":["a",null,[1]]}`))
}

// Every byte at every place in a string of every length up to three words.
func TestValidStrings(t *testing.T) {
	for n := range 24 {
		for at := range n {
			for c := range 256 {
				text := []byte(`"` + strings.Repeat("a", n) + `"`)
				text[1+at] = byte(c)
				if err := Valid(text); (err == nil) != wantValid(text) {
					t.Fatalf("Valid(%q) = %v", text, err)
				}
			}
		}
	}
}

func FuzzValid(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, text []byte) {
		before := bytes.Clone(text)
		err := Valid(text)
		if want := wantValid(text); want != (err == nil) {
			t.Errorf("Valid(%q) = %v, want validity %v", text, err, want)
		}
		if err != nil && !errors.Is(err, ErrFormat) {
			t.Errorf("%v is not ErrFormat", err)
		}
		if !bytes.Equal(before, text) {
			t.Error("the text was changed")
		}
	})
}

// object decodes text with encoding/json for comparison. It reports false if text is not
// a JSON object. In a map, keys keep their case, and the last of duplicate keys counts.
// The object itself does not count for the depth.
func object(text []byte) (fields map[string]json.RawMessage, valid, ok bool) {
	if !json.Valid(text) || !utf8.Valid(text) {
		return nil, false, false
	}
	if json.Unmarshal(text, &fields) != nil || fields == nil {
		return nil, depth(text) <= MaxDepth, false
	}
	return fields, depth(text) <= MaxDepth+1, true
}

func wantString(field json.RawMessage) string {
	var s *string
	if json.Unmarshal(field, &s) != nil || s == nil {
		return ""
	}
	return *s
}

// wantStrings decodes an array of strings, null or nothing.
func wantStrings(raw json.RawMessage) (list []string) {
	var elements []json.RawMessage
	if json.Unmarshal(raw, &elements) != nil {
		return nil
	}
	for _, e := range elements {
		var s *string
		if json.Unmarshal(e, &s) == nil && s != nil {
			list = append(list, *s)
		}
	}
	return list
}

func FuzzDecodeMessage(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, text []byte) {
		fields, valid, isObject := object(text)
		m, err := DecodeMessage(text)
		switch {
		case !valid:
			if !errors.Is(err, ErrFormat) {
				t.Errorf("%q: error %v, want ErrFormat", text, err)
			}
		case !isObject || wantString(fields["event"]) == "":
			if !errors.Is(err, ErrShape) {
				t.Errorf("%q: error %v, want ErrShape", text, err)
			}
		case err != nil:
			t.Errorf("%q: %v", text, err)
		}
		if err != nil {
			return
		}
		if m.Event != wantString(fields["event"]) || m.ID != wantString(fields["id"]) || !bytes.Equal(m.Data, fields["data"]) {
			t.Errorf("%q: got %+v, want the fields %q", text, m, fields)
		}
		if m.Data != nil && Valid(m.Data) != nil {
			t.Errorf("data %q is not valid by itself", m.Data)
		}
		again, err := DecodeMessage(AppendMessage(nil, m))
		if err != nil || again.Event != m.Event || again.ID != m.ID || !bytes.Equal(again.Data, m.Data) {
			t.Errorf("again: %+v, %v, want %+v", again, err, m)
		}
	})
}

func FuzzDecodeEnvelope(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, text []byte) {
		fields, valid, isObject := object(text)
		exclude := wantStrings(fields["exclude"])
		shape := isObject && wantString(fields["serverId"]) != "" && wantString(fields["event"]) != ""
		e, err := DecodeEnvelope(text)
		switch {
		case !valid:
			if !errors.Is(err, ErrFormat) {
				t.Errorf("%q: error %v, want ErrFormat", text, err)
			}
		case !shape:
			if !errors.Is(err, ErrShape) {
				t.Errorf("%q: error %v, want ErrShape", text, err)
			}
		case err != nil:
			t.Errorf("%q: %v", text, err)
		}
		if err != nil {
			return
		}
		target := wantString(fields["target"])
		if e.To.Type == TypeBroadcast {
			target = "" // a broadcast has no target
		}
		if e.ServerID != wantString(fields["serverId"]) || e.Event != wantString(fields["event"]) ||
			string(e.To.Type) != wantString(fields["type"]) || e.To.Name != target ||
			!bytes.Equal(e.Data, fields["data"]) || !slices.Equal(e.Exclude, exclude) {
			t.Errorf("%q: got %+v, want the fields %q", text, e, fields)
		}
		again, err := DecodeEnvelope(AppendEnvelope(nil, &e))
		if err != nil || again.ServerID != e.ServerID || again.To != e.To || again.From != e.From || again.Key != e.Key ||
			again.Event != e.Event || !bytes.Equal(again.Data, e.Data) || !slices.Equal(again.Exclude, e.Exclude) {
			t.Errorf("again: %+v, %v, want %+v", again, err, e)
		}
	})
}

// The output is a single JSON string that decodes to the input, as encoding/json writes
// it without the extra escapes.
func FuzzAppendString(f *testing.F) {
	for _, s := range []string{"", "a", " a b ", "<&>\u2028\u2029", "\"\\/\b\f\n\r\t\x00\x1f\x7f", "\xff", "a\xc3", "\xed\xa0\x80", "é😀\ufffd", `\u2028`, `\ufffd`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := appendString([]byte("x"), s)[1:]
		if err := Valid(got); err != nil {
			t.Errorf("%q: %v", got, err)
		}
		var back string
		if err := json.Unmarshal(got, &back); err != nil || back != string([]rune(s)) {
			t.Errorf("%q reads back as %q, %v, want %q", got, back, err, string([]rune(s)))
		}
		if want, err := EncodeData(s); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%q: got %q, EncodeData says %q, %v", s, got, want, err)
		}
	})
}

// Decoding allocates only the strings that it returns.
func TestDecodingAllocates(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		want       float64
	}{
		{"event", `{"event":"chat","data":{"text":"hello","n":[1,2,{"a":"\u0041"}]},"unknown":1}`, 1},
		{"event and id", `{"event":"chat","data":null,"id":"7a"}`, 2},
	} {
		text := []byte(tt.text)
		got := testing.AllocsPerRun(100, func() {
			if _, err := DecodeMessage(text); err != nil {
				t.Error(err)
			}
		})
		if got > tt.want {
			t.Errorf("%s: DecodeMessage allocates %v times, want %v", tt.name, got, tt.want)
		}
	}
	for _, tt := range []struct {
		name, text string
		want       float64
	}{
		{"room", `{"serverId":"s1","type":"room","target":"lobby","event":"chat","data":{"text":"hello"}}`, 3},
		{"broadcast", `{"serverId":"s1","type":"broadcast","event":"chat","data":1}`, 2},
		{"exclude", `{"serverId":"s1","type":"broadcast","event":"chat","data":1,"exclude":["c1"]}`, 4},
	} {
		text := []byte(tt.text)
		got := testing.AllocsPerRun(100, func() {
			if _, err := DecodeEnvelope(text); err != nil {
				t.Error(err)
			}
		})
		if got > tt.want {
			t.Errorf("%s: DecodeEnvelope allocates %v times, want %v", tt.name, got, tt.want)
		}
	}
}
