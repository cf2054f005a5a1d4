package wire_test

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/ignis-go/ignis/wire"
)

func TestStamp(t *testing.T) {
	const from = `"from":{"id":"c1","userId":"ann"}}`
	for data, want := range map[string]string{
		`{"a":1}`:                            `{"a":1,` + from,
		`{}`:                                 `{` + from,
		` { "a" : 1 } `:                      `{"a":1,` + from,
		`{"from":1,"a":2}`:                   `{"a":2,` + from,
		`{"fr\u006fm":1,"from":2}`:           `{` + from,
		`{"a":{"from":3},"From":1}`:          `{"a":{"from":3},"From":1,` + from,
		`{"a":1,"a":2}`:                      `{"a":1,"a":2,` + from,
		`{"n":1.50e400,"s":"\ud83d\ude00<"}`: `{"n":1.50e400,"s":"\ud83d\ude00<",` + from,
		`{"\"\n":1}`:                         `{"\"\n":1,` + from,
		`[{"a":1}]`:                          `[{"a":1}]`,
		`"a"`:                                `"a"`,
		`null`:                               `null`,
		``:                                   ``,
	} {
		if got := (wire.Sender{ID: "c1", UserID: "ann"}).Stamp(raw(data)); string(got) != want {
			t.Errorf("%s: got %s, want %s", data, got, want)
		}
	}
	if got := (wire.Sender{ID: "c1"}).Stamp(raw("{}")); string(got) != `{"from":{"id":"c1"}}` {
		t.Errorf("anonymous: %s", got)
	}
}

// Receivers see the sender that the server set, regardless of what a client sends.
func FuzzStamp(f *testing.F) {
	for _, seed := range []string{`{"room":"a","from":{"id":"x"}}`, `{"fr\u006fm":1,"from":2}`, ` { "a" : [ 1 , {} ] , "room" : "r" } `, `[]`, `1`} {
		f.Add([]byte(seed), "ann")
	}
	f.Fuzz(func(t *testing.T, data []byte, user string) {
		if wire.Valid(data) != nil {
			return // other data are not sent
		}
		out := wire.Sender{ID: "c1", UserID: user}.Stamp(data)
		if err := wire.Valid(out); err != nil {
			t.Fatalf("%s became %s: %v", data, out, err)
		}
		var before, after map[string]json.RawMessage
		if json.Unmarshal(data, &before) != nil || before == nil {
			if !bytes.Equal(out, data) {
				t.Fatalf("%s became %s", data, out)
			}
			return
		}
		if err := json.Unmarshal(out, &after); err != nil {
			t.Fatal(err)
		}
		var from wire.Sender
		if err := json.Unmarshal(after["from"], &from); err != nil || from.ID != "c1" {
			t.Fatalf("%s became %s", data, out)
		}
		delete(before, "from")
		delete(after, "from")
		if len(before) != len(after) {
			t.Fatalf("%s became %s", data, out)
		}
		for key, value := range before {
			if !bytes.Equal(value, after[key]) {
				t.Fatalf("%q: %s became %s", key, value, after[key])
			}
		}
	})
}
