package wire_test

import (
	"encoding/json"
	"errors"
	"math"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/ignis-go/ignis/wire"
)

func raw(s string) json.RawMessage { return json.RawMessage(s) }

func TestDecodeMessage(t *testing.T) {
	tests := []struct {
		name string
		text string
		want wire.Message
	}{
		{"event", `{"event":"chat"}`, wire.Message{Event: "chat"}},
		{"all", `{"event":"chat","data":{"a":[1,2]},"id":"7"}`, wire.Message{Event: "chat", Data: raw(`{"a":[1,2]}`), ID: "7"}},
		{"any order", `{"id":"7","data":1,"event":"chat"}`, wire.Message{Event: "chat", Data: raw("1"), ID: "7"}},
		{
			"protocol 2", `{"event":"a","room":"r","from":{"userId":"u","x":1,"id":"c"}}`,
			wire.Message{Event: "a", Room: "r", From: wire.Sender{ID: "c", UserID: "u"}},
		},
		{"room and from of other types", `{"event":"a","room":7,"from":["c"]}`, wire.Message{Event: "a"}},
		{"blanks", " \t\r\n{ \"event\" : \"chat\" , \"data\" : [ 1 ] } \n", wire.Message{Event: "chat", Data: raw("[ 1 ]")}},
		{"null data", `{"event":"a","data":null}`, wire.Message{Event: "a", Data: raw("null")}},
		{"null id", `{"event":"a","id":null}`, wire.Message{Event: "a"}},
		{"number id", `{"event":"a","id":7}`, wire.Message{Event: "a"}},
		{"unknown keys", `{"event":"a","x":{"event":"b","data":1},"":[]}`, wire.Message{Event: "a"}},
		{"duplicate keys", `{"event":5,"data":1,"id":"1","event":"b","data":[2],"id":"2"}`, wire.Message{Event: "b", Data: raw("[2]"), ID: "2"}},
		{"last id not a string", `{"event":"a","id":"1","id":2}`, wire.Message{Event: "a"}},
		{"case of keys", `{"event":"a","Event":"b","DATA":1,"Id":"x"}`, wire.Message{Event: "a"}},
		{"folding of keys", "{\"event\":\"a\",\"\u017Fata\":1,\"dat\u212A\":1}", wire.Message{Event: "a"}},
		{"escaped keys", `{"\u0065vent":"a","dat\u0061":1,"i\u0064":"2"}`, wire.Message{Event: "a", Data: raw("1"), ID: "2"}},
		{"escaped key comes second", `{"event":"a","\u0065vent":"b"}`, wire.Message{Event: "b"}},
		{"escapes", `{"event":"\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00"}`, wire.Message{Event: "\"\\/\b\f\n\r\té😀"}},
		{"unpaired surrogate", `{"event":"a\ud83d"}`, wire.Message{Event: "a\uFFFD"}},
		{"NUL", `{"event":"\u0000"}`, wire.Message{Event: "\x00"}},
		{"not ASCII", `{"event":"é😀","data":"` + "\u2028" + `"}`, wire.Message{Event: "é😀", Data: raw("\"\u2028\"")}},
		{"number of 23 digits", `{"event":"a","data":12345678901234567890123}`, wire.Message{Event: "a", Data: raw("12345678901234567890123")}},
		{
			"byte for byte", `{"event":"a","data":{ "b" : 1.0e+02,"a":"\u003c\/","a" : -0 }}`,
			wire.Message{Event: "a", Data: raw(`{ "b" : 1.0e+02,"a":"\u003c\/","a" : -0 }`)},
		},
		{"deepest", `{"event":"a","data":` + nested(wire.MaxDepth, "1") + `}`, wire.Message{Event: "a", Data: raw(nested(wire.MaxDepth, "1"))}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := wire.DecodeMessage([]byte(tt.text))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error("want - got +\n", diff)
			}
			// No prefix is valid JSON, and none causes a panic.
			text := strings.TrimRight(tt.text, " \n")
			for i := range len(text) {
				if _, err := wire.DecodeMessage([]byte(text[:i])); !errors.Is(err, wire.ErrFormat) {
					t.Fatalf("%q: error %v, want ErrFormat", text[:i], err)
				}
			}
		})
	}
}

// nested returns inner within n arrays and objects.
func nested(n int, inner string) string {
	open, end := strings.Repeat(`[{"x":`, n/2), strings.Repeat("}]", n/2)
	if n%2 == 1 {
		open, end = open+"[", "]"+end
	}
	return open + inner + end
}

func TestDecodeMessageErrors(t *testing.T) {
	tests := []struct {
		name, text string
		want       error
	}{
		{"empty", "", wire.ErrFormat},
		{"blank", " \n", wire.ErrFormat},
		{"word", "hello", wire.ErrFormat},
		{"byte order mark", "\uFEFF" + `{"event":"a"}`, wire.ErrFormat},
		{"trailing garbage", `{"event":"a"}x`, wire.ErrFormat},
		{"two messages", `{"event":"a"}{"event":"b"}`, wire.ErrFormat},
		{"trailing NUL", "{\"event\":\"a\"}\x00", wire.ErrFormat},
		{"trailing comma", `{"event":"a",}`, wire.ErrFormat},
		{"trailing comma in an array", `{"event":"a","data":[1,]}`, wire.ErrFormat},
		{"no colon", `{"event" "a"}`, wire.ErrFormat},
		{"no comma", `{"event":"a" "data":1}`, wire.ErrFormat},
		{"no value", `{"event":}`, wire.ErrFormat},
		{"key without quotes", `{event:"a"}`, wire.ErrFormat},
		{"single quotes", `{'event':'a'}`, wire.ErrFormat},
		{"comment", `{"event":"a"/**/}`, wire.ErrFormat},
		{"leading zero", `{"event":"a","data":01}`, wire.ErrFormat},
		{"plus", `{"event":"a","data":+1}`, wire.ErrFormat},
		{"lone minus", `{"event":"a","data":-}`, wire.ErrFormat},
		{"trailing decimal point", `{"event":"a","data":1.}`, wire.ErrFormat},
		{"leading decimal point", `{"event":"a","data":.1}`, wire.ErrFormat},
		{"exponent without digits", `{"event":"a","data":1e}`, wire.ErrFormat},
		{"signed exponent without digits", `{"event":"a","data":1e+}`, wire.ErrFormat},
		{"NaN", `{"event":"a","data":NaN}`, wire.ErrFormat},
		{"wrong literal", `{"event":"a","data":nul}`, wire.ErrFormat},
		{"long literal", `{"event":"a","data":truee}`, wire.ErrFormat},
		{"bad escape", `{"event":"\x"}`, wire.ErrFormat},
		{"short escape", `{"event":"\u12"}`, wire.ErrFormat},
		{"escape with a non-hex digit", `{"event":"\u12g4"}`, wire.ErrFormat},
		{"newline in a string", "{\"event\":\"a\nb\"}", wire.ErrFormat},
		{"invalid UTF-8 in a value", "{\"event\":\"a\",\"data\":\"\xff\"}", wire.ErrFormat},
		{"invalid UTF-8 in a key", "{\"event\":\"a\",\"\xc3\":1}", wire.ErrFormat},
		{"surrogate in UTF-8", "{\"event\":\"\xed\xa0\x80\"}", wire.ErrFormat},
		{"overlong UTF-8", "{\"event\":\"\xc0\xaf\"}", wire.ErrFormat},
		{"too deep", `{"event":"a","data":` + nested(wire.MaxDepth+1, "") + `}`, wire.ErrFormat},
		{"far too deep", `{"event":"a","data":` + strings.Repeat("[", 1<<20), wire.ErrFormat},
		{"too deep elsewhere", `{"event":"a","x":` + nested(wire.MaxDepth+1, "1") + `}`, wire.ErrFormat},
		{"broken after the event", `{"event":"a","data":{"x":tru}}`, wire.ErrFormat},
		{"broken array", `[1`, wire.ErrFormat},

		{"null", "null", wire.ErrShape},
		{"number", "5", wire.ErrShape},
		{"string", `"event"`, wire.ErrShape},
		{"array", `[{"event":"a"}]`, wire.ErrShape},
		{"no fields", "{}", wire.ErrShape},
		{"no event", `{"data":1}`, wire.ErrShape},
		{"empty event", `{"event":""}`, wire.ErrShape},
		{"number for event", `{"event":5}`, wire.ErrShape},
		{"null for event", `{"event":null}`, wire.ErrShape},
		{"object for event", `{"event":{"event":"a"}}`, wire.ErrShape},
		{"last event not a string", `{"event":"a","event":5}`, wire.ErrShape},
		{"last event empty", `{"event":"a","event":""}`, wire.ErrShape},
		{"event in another case", `{"Event":"a"}`, wire.ErrShape},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m, err := wire.DecodeMessage([]byte(tt.text))
			if !errors.Is(err, tt.want) {
				t.Errorf("got %+v, %v, want %v", m, err, tt.want)
			}
			if m.Event != "" || m.Data != nil || m.ID != "" {
				t.Errorf("got %+v in addition to the error", m)
			}
		})
	}
}

func TestDecodeMessageSharesMemory(t *testing.T) {
	text := []byte(`{"event":"a","data":[1]}`)
	m, err := wire.DecodeMessage(text)
	if err != nil {
		t.Fatal(err)
	}
	text[21] = '2'
	if string(m.Data) != "[2]" {
		t.Errorf("data %s does not share memory with the text", m.Data)
	}
}

func TestAppendMessage(t *testing.T) {
	tests := []struct {
		name string
		m    wire.Message
		want string
	}{
		{"event", wire.Message{Event: "a"}, `{"event":"a"}`},
		{"data", wire.Message{Event: "a", Data: raw(` {"x":1.0}`)}, `{"event":"a","data": {"x":1.0}}`},
		{"null", wire.Message{Event: "a", Data: raw("null")}, `{"event":"a","data":null}`},
		{"id", wire.Message{Event: "a", ID: "7"}, `{"event":"a","id":"7"}`},
		{"all", wire.Message{Event: "a", Data: raw("1"), ID: "7"}, `{"event":"a","data":1,"id":"7"}`},
		{"room", wire.Message{Event: "a", Room: "r"}, `{"event":"a","room":"r"}`},
		{"from", wire.Message{Event: "a", From: wire.Sender{ID: "c"}}, `{"event":"a","from":{"id":"c"}}`},
		{
			"protocol 2",
			wire.Message{Event: "a", Data: raw("1"), Room: "r", From: wire.Sender{ID: "c", UserID: "u"}, ID: "7"},
			`{"event":"a","data":1,"room":"r","from":{"id":"c","userId":"u"},"id":"7"}`,
		},
		{"markup", wire.Message{Event: "<a>&\u2028\u2029é\x7f"}, "{\"event\":\"<a>&\u2028\u2029é\x7f\"}"},
		{
			"escapes",
			wire.Message{Event: "\"\\/\b\f\n\r\t\x00\x1f", ID: "\x0b\x1b"},
			`{"event":"\"\\/\b\f\n\r\t\u0000\u001f","id":"\u000b\u001b"}`,
		},
		{"invalid UTF-8", wire.Message{Event: "a\xffb\xed\xa0\x80"}, "{\"event\":\"a\uFFFDb\uFFFD\uFFFD\uFFFD\"}"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := string(wire.AppendMessage(nil, tt.m)); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
			if got := string(wire.AppendMessage([]byte("before"), tt.m)); got != "before"+tt.want {
				t.Errorf("appended: %s", got)
			}
			size := wire.MessageSize(tt.m)
			if escaped := strings.Contains(tt.want, `\`) || !utf8.ValidString(tt.m.Event); size > len(tt.want) || !escaped && size != len(tt.want) {
				t.Errorf("MessageSize = %d, of %d bytes", size, len(tt.want))
			}
		})
	}
}

func TestMessageRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		data := anyData().Draw(t, "data")
		if err := wire.Valid(data); data != nil && err != nil {
			t.Fatalf("Valid(%s): %v", data, err)
		}
		m := wire.Message{
			Event: rapid.StringN(1, -1, -1).Draw(t, "event"),
			Data:  data,
			ID:    rapid.String().Draw(t, "id"),
		}
		text := wire.AppendMessage(nil, m)
		got, err := wire.DecodeMessage(text)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if diff := cmp.Diff(m, got); diff != "" {
			t.Fatalf("%s: want - got +\n%s", text, diff)
		}
		if !json.Valid(text) {
			t.Fatalf("%s is not valid JSON", text)
		}
	})
}

// anyData returns random data, sometimes absent, up to the maximum depth.
func anyData() *rapid.Generator[json.RawMessage] {
	return rapid.Custom(func(t *rapid.T) json.RawMessage {
		leaf := rapid.SampledFrom([]string{"", "null", "1", "-0.5e+7", `"\u2028<"`, "\"\u2028\"", "{}", "[]", `{"event":"x"}`}).Draw(t, "leaf")
		if leaf == "" {
			return nil
		}
		deepest := wire.MaxDepth
		if strings.HasSuffix(leaf, "}") || strings.HasSuffix(leaf, "]") {
			deepest--
		}
		depth := rapid.OneOf(rapid.IntRange(0, 5), rapid.IntRange(deepest-2, deepest)).Draw(t, "depth")
		return raw(nested(depth, leaf))
	})
}

func TestMessageDecode(t *testing.T) {
	var v struct{ Text string }
	if err := (wire.Message{Event: "a", Data: raw(`{"text":"x"}`)}).Decode(&v); err != nil || v.Text != "x" {
		t.Errorf("got %+v, %v", v, err)
	}
	var order struct {
		Lines []struct{ Quantity int8 }
		Due   time.Time
	}
	for _, tt := range []struct {
		data   json.RawMessage
		reason string
	}{
		{nil, "The message needs data"},
		{raw(`"secret"`), "The data must not be of type string"},
		{raw(`{"Lines":[{"Quantity":"secret"}]}`), "The field Lines.Quantity must not be of type string"},
		{raw(`{"Lines":[{"Quantity":123456789}]}`), "The field Lines.Quantity must not be of type number"},
		{raw(`{"Due":"secret"}`), "The data are invalid"},
	} {
		err := (wire.Message{Event: "order", Data: tt.data}).Decode(&order)
		bad, ok := errors.AsType[*wire.DataError](err)
		if !ok || bad.Reason() != tt.reason {
			t.Errorf("%s: error %v, want the reason %q", tt.data, err, tt.reason)
			continue
		}
		if (errors.Unwrap(bad) == nil) != (tt.data == nil) {
			t.Errorf("%s: the cause is %v", tt.data, errors.Unwrap(bad))
		}
		if !strings.Contains(err.Error(), "order") || strings.Contains(err.Error(), "123456789") {
			t.Errorf("error %q, want one that names the event and not the data", err)
		}
	}
}

type marshaler struct {
	text string
	err  error
}

func (m marshaler) MarshalJSON() ([]byte, error) { return []byte(m.text), m.err }

func TestEncodeData(t *testing.T) {
	type notice struct {
		Text string         `json:"text"`
		More map[string]any `json:"more,omitempty"`
		Raw  json.RawMessage
	}
	const markup = "<b>&\u2028\u2029"
	var absent *notice
	tests := []struct {
		name string
		v    any
		want string
	}{
		{"nil pointer", absent, "null"},
		{"null", raw("null"), "null"},
		{"string", markup + "é\x7f", `"` + markup + "é\x7f\""},
		{"controls", "\"\\/\b\f\n\r\t\x00\x1f", `"\"\\/\b\f\n\r\t\u0000\u001f"`},
		{"backslash before u2028", `\u2028 \\u2029 \ufffd`, `"\\u2028 \\\\u2029 \\ufffd"`},
		{"both", "\\u2028\u2028\\\u2028", "\"\\\\u2028\u2028\\\\\u2028\""},
		{"not UTF-8", "a\xff", "\"a\uFFFD\""},
		{"bool", true, "true"},
		{"int", int64(math.MaxInt64), "9223372036854775807"},
		{"floats", []float64{1, 0.1, 1e21, 1e-7, 123456789012345680000}, "[1,0.1,1e+21,1e-7,123456789012345680000]"},
		{
			"struct",
			notice{Text: markup, More: map[string]any{markup: []any{markup}}, Raw: raw(`{"a": "` + markup + `"}`)},
			`{"text":"` + markup + `","more":{"` + markup + `":["` + markup + `"]},"Raw":{"a":"` + markup + `"}}`,
		},
		{"Marshaler", marshaler{text: ` {"a": 12345678901234567890123, "b": "` + markup + `"}`}, `{"a":12345678901234567890123,"b":"` + markup + `"}`},
		{"json.Number", json.Number("12345678901234567890123"), "12345678901234567890123"},
		{"deepest", marshaler{text: nested(wire.MaxDepth, "1")}, nested(wire.MaxDepth, "1")},
		{"raw", raw(` { "a":"\u003c\u2028\/" , "a":1.0}` + "\n"), ` { "a":"\u003c\u2028\/" , "a":1.0}` + "\n"},
		{"raw deepest", raw(nested(wire.MaxDepth, "1")), nested(wire.MaxDepth, "1")},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := wire.EncodeData(tt.v)
			if err != nil || string(got) != tt.want {
				t.Errorf("got  %s, %v\nwant %s", got, err, tt.want)
			}
		})
	}
	for _, v := range []any{nil, json.RawMessage(nil)} {
		if got, err := wire.EncodeData(v); got != nil || err != nil {
			t.Errorf("EncodeData(%#v) = %q, %v, want absent data", v, got, err)
		}
	}
	text := raw("[1]")
	if got, err := wire.EncodeData(text); err != nil || &got[0] != &text[0] {
		t.Errorf("a raw message is copied, or %v", err)
	}
}

func TestEncodeDataErrors(t *testing.T) {
	refused := errors.New("refused")
	for _, tt := range []struct {
		name string
		v    any
		want error
	}{
		{"channel", make(chan int), nil},
		{"NaN", math.NaN(), nil},
		{"Marshaler's", marshaler{err: refused}, refused},
		{"Marshaler with invalid JSON", marshaler{text: "{"}, nil},
		{"Marshaler with invalid UTF-8", marshaler{text: "\"\xff\""}, wire.ErrFormat},
		{"Marshaler too deep", marshaler{text: nested(wire.MaxDepth+1, "1")}, wire.ErrFormat},
		{"raw empty", raw(""), wire.ErrFormat},
		{"raw broken", raw("{"), wire.ErrFormat},
		{"raw twice", raw("1 2"), wire.ErrFormat},
		{"raw with invalid UTF-8", raw("\"\xff\""), wire.ErrFormat},
		{"raw too deep", raw(nested(wire.MaxDepth+1, "")), wire.ErrFormat},
		{"raw inside a map", map[string]any{"a": raw("\"\xff\"")}, wire.ErrFormat},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := wire.EncodeData(tt.v)
			if err == nil || got != nil || tt.want != nil && !errors.Is(err, tt.want) {
				t.Errorf("got %s, %v, want the error %v", got, err, tt.want)
			}
		})
	}
}

func TestDecodeAuthentication(t *testing.T) {
	all := wire.Authentication{Type: "bearer", Token: "t", PublicKey: "k"}
	for data, want := range map[string]wire.Authentication{ // all with protocol 1
		`{"type":"bearer","token":"t","publicKey":"k"}`:                             all,
		`{"token":"x","more":[1],"publicKey":"k","token":"\u0074","type":"bearer"}`: all,
		`{"Token":"t","TYPE":"bearer"}`:                                             {},
		`{"type":1,"token":null,"publicKey":["k"]}`:                                 {},
		`{"token":"t","token":5}`:                                                   {},
		`"token"`:                                                                   {},
		`null`:                                                                      {},
		``:                                                                          {},
		`{"token":"t"`:                                                              {},
	} {
		want.Protocol = 1
		if got := wire.DecodeAuthentication([]byte(data)); got != want {
			t.Errorf("%s: %+v, want %+v", data, got, want)
		}
	}
}

// Encode returns the same text as encoding/json.
func TestEncodeConnected(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text, number := rapid.String(), rapid.IntRange(0, 1<<30)
		d := wire.ConnectedData{
			ID: text.Draw(t, "id"), UserID: text.Draw(t, "user"), Time: text.Draw(t, "time"),
			ServerPublicKey: text.Draw(t, "key"), Salt: text.Draw(t, "salt"), Protocol: number.Draw(t, "protocol"),
			Expires: text.Draw(t, "expires"), Heartbeat: int64(number.Draw(t, "heartbeat")),
			MaxPayload: number.Draw(t, "payload"), Server: text.Draw(t, "server"),
		}
		want, err := wire.EncodeData(d)
		if got := d.Encode(); err != nil || string(got) != string(want) {
			t.Fatalf("got %s, want %s, %v", got, want, err)
		}
	})
}

func TestFormatTime(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		at := time.Unix(rapid.Int64Range(-1<<37, 1<<39).Draw(t, "seconds"), rapid.Int64Range(0, 999_999_999).Draw(t, "nanoseconds"))
		if got, want := wire.FormatTime(at), at.UTC().Format(wire.TimeFormat); got != want {
			t.Fatalf("got %s, want %s", got, want)
		}
	})
}

func TestDataRoom(t *testing.T) {
	for data, want := range map[string]string{
		"":                                 "",
		`{}`:                               "",
		`{"text":"hi","room":"lobby"}`:     "lobby",
		` { "r\u006fom" : "a\u0062\/c" } `: "ab/c",
		`{"room":"a\ud83d"}`:               "a\uFFFD",
		`{"room":"a","room":"b"}`:          "b",
		`{"room":"a","room":null}`:         "",
		`{"room":7}`:                       "",
		`{"room":["a"]}`:                   "",
		`{"Room":"a","data":{"room":"b"}}`: "",
		`["room"]`:                         "",
		`"room"`:                           "",
		`null`:                             "",
	} {
		if got := wire.DataRoom(raw(data)); got != want {
			t.Errorf("%s names %q, want %q", data, got, want)
		}
	}
}
