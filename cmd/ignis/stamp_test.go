package main

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/ignis-go/ignis/wire"
)

func TestStamp(t *testing.T) {
	for _, test := range []struct{ data, room, want string }{
		{`{"room":"a"}`, "a", `{"room":"a","from":{"id":"c1","userId":"ann"}}`},
		{`{}`, "", `{"from":{"id":"c1","userId":"ann"}}`},
		{`{"from":1,"room":"a"}`, "a", `{"room":"a","from":{"id":"c1","userId":"ann"}}`},
		{`{"room":"a","from":{"from":2},"x":{"from":3}}`, "a", `{"room":"a","x":{"from":3},"from":{"id":"c1","userId":"ann"}}`},
		{`{"room":"a","room":"b"}`, "b", `{"room":"a","room":"b","from":{"id":"c1","userId":"ann"}}`},
		{`{"r\u006fom":"a","From":1}`, "a", `{"r\u006fom":"a","From":1,"from":{"id":"c1","userId":"ann"}}`},
		{`{"room":"a" , "n" : 1.50e400 }`, "a", `{"room":"a","n":1.50e400,"from":{"id":"c1","userId":"ann"}}`},
		{`{"room":"\ud83d\ude00","s":"\ud800<>&"}`, "😀", `{"room":"\ud83d\ude00","s":"\ud800<>&","from":{"id":"c1","userId":"ann"}}`},
		{`[{"room":"a"}]`, "", ""},
		{`"room"`, "", ""},
		{``, "", ""},
	} {
		room, got, err := stamp(json.RawMessage(test.data), "c1", "ann")
		if err != nil || room != test.room || string(got) != test.want {
			t.Errorf("%s: %q %s %v", test.data, room, got, err)
		}
	}
}

// Nothing is made of an object that is broken.
func TestStampOfNoJSON(t *testing.T) {
	for _, data := range []string{`{x`, `{"a"`, `{"a":`, `{"a" 1}`, `{"a":}`, `{"a":1 2}`, `{1:2}`, `{"a":1,"b`, `{"room":"a","b":[}`} {
		if room, got, err := stamp(json.RawMessage(data), "c1", "ann"); err == nil || room != "" || got != nil {
			t.Errorf("%s: %q %s", data, room, got)
		}
	}
}

// Whatever a client writes, receivers read the server's word on who it was.
func FuzzStamp(f *testing.F) {
	for _, seed := range []string{`{"room":"a","from":{"id":"x"}}`, `{"fr\u006fm":1,"from":2}`, ` { "a" : [ 1 , {} ] , "room" : "r" } `, `[]`, `1`} {
		f.Add([]byte(seed), "ann")
	}
	f.Fuzz(func(t *testing.T, data []byte, user string) {
		data = bytes.TrimSpace(data)
		if wire.Valid(data) != nil {
			return // dispatch lets nothing else through
		}
		room, out, err := stamp(data, "c1", user)
		if err != nil {
			t.Fatalf("%s: %v", data, err)
		}
		if data[0] != '{' {
			if room != "" || out != nil {
				t.Fatalf("%s: %q %s", data, room, out)
			}
			return
		}
		if err := wire.Valid(out); err != nil {
			t.Fatalf("%s became %s: %v", data, out, err)
		}
		var before, after map[string]json.RawMessage
		if err := json.Unmarshal(data, &before); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(out, &after); err != nil {
			t.Fatal(err)
		}
		var from sender
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
