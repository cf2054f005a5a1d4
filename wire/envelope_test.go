package wire_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/ignis-go/ignis/wire"
)

func TestAppendEnvelope(t *testing.T) {
	tests := []struct {
		name    string
		e       wire.Envelope
		want    string
		channel string
	}{
		{
			"client",
			wire.Envelope{ServerID: "s1", To: wire.ToClient("c1"), Event: "a", Data: raw(`{"x": 1}`)},
			`{"serverId":"s1","type":"client","target":"c1","event":"a","data":{"x": 1}}`, "ws:client:c1",
		},
		{
			"user",
			wire.Envelope{ServerID: wire.EmitterID, To: wire.ToUser("<42>"), Event: "report:ready"},
			`{"serverId":"emitter","type":"user","target":"<42>","event":"report:ready"}`, "ws:user:<42>",
		},
		{
			"room",
			wire.Envelope{ServerID: "s1", To: wire.ToRoom(`a"b`), Event: "a", Data: raw("null"), Exclude: []string{"c1", `"`}},
			`{"serverId":"s1","type":"room","target":"a\"b","event":"a","data":null,"exclude":["c1","\""]}`, `ws:room:a"b`,
		},
		{
			"broadcast",
			wire.Envelope{ServerID: "s1", To: wire.Address{Type: wire.TypeBroadcast, Name: "unused"}, Event: "a", Data: raw("1"), Exclude: []string{}},
			`{"serverId":"s1","type":"broadcast","event":"a","data":1}`, "ws:broadcast",
		},
		{
			"empty target",
			wire.Envelope{ServerID: "s1", To: wire.ToRoom(""), Event: "a"},
			`{"serverId":"s1","type":"room","target":"","event":"a"}`, "ws:room:",
		},
		{
			"extensions come last",
			wire.Envelope{
				ServerID: "s1", To: wire.ToRoom("r"), Event: "a", Data: raw("1"), Exclude: []string{"c"},
				From: wire.Sender{ID: "c1", UserID: "ann"}, Key: "AAPL", Traceparent: traceparent,
			},
			`{"serverId":"s1","type":"room","target":"r","event":"a","data":1,"exclude":["c"],"from":{"id":"c1","userId":"ann"},"key":"AAPL","traceparent":"` + traceparent + `"}`, "ws:room:r",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := string(wire.AppendEnvelope([]byte("x"), &tt.e)); got != "x"+tt.want {
				t.Errorf("got  %s\nwant x%s", got, tt.want)
			}
			if got := tt.e.To.Channel(); got != tt.channel {
				t.Errorf("Channel = %s, want %s", got, tt.channel)
			}
			got, err := wire.DecodeEnvelope([]byte(tt.want))
			if err != nil {
				t.Fatal(err)
			}
			want := tt.e
			if want.To.Type == wire.TypeBroadcast {
				want.To.Name = ""
			}
			if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
				t.Error("want - got +\n", diff)
			}
			for i := range len(tt.want) {
				if _, err := wire.DecodeEnvelope([]byte(tt.want[:i])); !errors.Is(err, wire.ErrFormat) {
					t.Fatalf("%q: error %v, want ErrFormat", tt.want[:i], err)
				}
			}
		})
	}
}

// fullEnvelope returns an envelope whose fields are all set, even those added later.
func fullEnvelope(t *testing.T) *wire.Envelope {
	t.Helper()
	e := &wire.Envelope{
		ServerID: "s1", To: wire.ToRoom("r"), Event: "a", Data: raw("1"), Exclude: []string{"c"},
		From: wire.Sender{ID: "c1", UserID: "ann"}, Key: "AAPL", Traceparent: traceparent,
	}
	v := reflect.ValueOf(*e)
	for i := range v.NumField() {
		if v.Field(i).IsZero() {
			t.Fatalf("fullEnvelope does not set %s", v.Type().Field(i).Name)
		}
	}
	return e
}

// No field of an envelope is lost on the way.
func TestEveryFieldOfAnEnvelope(t *testing.T) {
	want := fullEnvelope(t)
	got, err := wire.DecodeEnvelope(wire.AppendEnvelope(nil, want))
	if diff := cmp.Diff(*want, got); err != nil || diff != "" {
		t.Error(err, "want - got +\n", diff)
	}
}

func TestDecodeEnvelope(t *testing.T) {
	const head = `"serverId":"s","event":"e"`
	tests := []struct {
		name, text string
		want       wire.Envelope
	}{
		{"least", `{` + head + `}`, wire.Envelope{ServerID: "s", Event: "e"}},
		{"unknown type", `{` + head + `,"type":"galaxy","target":"x"}`, wire.Envelope{ServerID: "s", Event: "e", To: wire.Address{Type: "galaxy", Name: "x"}}},
		{"type and target not strings", `{` + head + `,"type":1,"target":{}}`, wire.Envelope{ServerID: "s", Event: "e"}},
		{"escapes", `{"\u0073erverId":"\u0073","event":"\n","type":"\u0072oom","target":"\u2028"}`, wire.Envelope{ServerID: "s", Event: "\n", To: wire.ToRoom("\u2028")}},
		{"duplicate keys", `{` + head + `,"event":"f","data":1,"data":2,"exclude":["a"],"exclude":["b"]}`, wire.Envelope{ServerID: "s", Event: "f", Data: raw("2"), Exclude: []string{"b"}}},
		{"last exclude null", `{` + head + `,"exclude":["a"],"exclude":null}`, wire.Envelope{ServerID: "s", Event: "e"}},
		{"exclude", `{` + head + `,"exclude":[ "a" , "\u0062" ]}`, wire.Envelope{ServerID: "s", Event: "e", Exclude: []string{"a", "b"}}},
		{"empty exclude", `{` + head + `,"exclude":[]}`, wire.Envelope{ServerID: "s", Event: "e"}},
		{"exclude with other types", `{` + head + `,"exclude":[1,"a",null,["b"],{"c":"d"},"e"]}`, wire.Envelope{ServerID: "s", Event: "e", Exclude: []string{"a", "e"}}},
		{"exclude is a string", `{` + head + `,"exclude":"a"}`, wire.Envelope{ServerID: "s", Event: "e"}},
		{"exclude is an object", `{` + head + `,"exclude":{"a":1}}`, wire.Envelope{ServerID: "s", Event: "e"}},
		{"case of keys", `{` + head + `,"serverID":"x","SERVERID":"y","Type":"room","Exclude":5}`, wire.Envelope{ServerID: "s", Event: "e"}},
		{"byte for byte", `{` + head + `,"data": [ 12345678901234567890123 , "\u003c" ] }`, wire.Envelope{ServerID: "s", Event: "e", Data: raw(`[ 12345678901234567890123 , "\u003c" ]`)}},
		{"deepest", `{` + head + `,"data":` + nested(wire.MaxDepth, "1") + `}`, wire.Envelope{ServerID: "s", Event: "e", Data: raw(nested(wire.MaxDepth, "1"))}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := wire.DecodeEnvelope([]byte(tt.text))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error("want - got +\n", diff)
			}
		})
	}
}

func TestDecodeEnvelopeErrors(t *testing.T) {
	for _, tt := range []struct {
		text string
		want error
	}{
		{"", wire.ErrFormat},
		{"hello", wire.ErrFormat},
		{`{"serverId":"s","event":"e"} x`, wire.ErrFormat},
		{"{\"serverId\":\"s\",\"event\":\"e\",\"data\":\"\xff\"}", wire.ErrFormat},
		{`{"serverId":"s","event":"e","data":` + nested(wire.MaxDepth+1, "1") + `}`, wire.ErrFormat},
		{"null", wire.ErrShape},
		{`["serverId","event"]`, wire.ErrShape},
		{"{}", wire.ErrShape},
		{`{"serverId":"s"}`, wire.ErrShape},
		{`{"event":"e"}`, wire.ErrShape},
		{`{"serverId":"","event":"e"}`, wire.ErrShape},
		{`{"serverId":"s","event":""}`, wire.ErrShape},
		{`{"serverId":5,"event":"e"}`, wire.ErrShape},
		{`{"serverId":"s","event":["e"]}`, wire.ErrShape},
	} {
		if e, err := wire.DecodeEnvelope([]byte(tt.text)); !errors.Is(err, tt.want) || e.ServerID != "" || e.Data != nil {
			t.Errorf("%.80s: got %+v, %v, want the error %v", tt.text, e, err, tt.want)
		}
	}
}

func TestEnvelopeRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.StringN(1, -1, -1)
		e := wire.Envelope{
			ServerID:    name.Draw(t, "server"),
			To:          wire.Address{Type: rapid.SampledFrom([]wire.Type{wire.TypeClient, wire.TypeUser, wire.TypeRoom, wire.TypeBroadcast}).Draw(t, "type")},
			Event:       name.Draw(t, "event"),
			Data:        anyData().Draw(t, "data"),
			Exclude:     rapid.SliceOfN(rapid.String(), 0, 3).Draw(t, "exclude"),
			From:        wire.Sender{ID: rapid.String().Draw(t, "from"), UserID: rapid.String().Draw(t, "from user")},
			Key:         rapid.String().Draw(t, "key"),
			Traceparent: rapid.SampledFrom([]string{"", traceparent}).Draw(t, "traceparent"),
		}
		if e.To.Type != wire.TypeBroadcast {
			e.To.Name = rapid.String().Draw(t, "target")
		}
		text := wire.AppendEnvelope(nil, &e)
		if !json.Valid(text) {
			t.Fatalf("%s is not valid JSON", text)
		}
		got, err := wire.DecodeEnvelope(text)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if diff := cmp.Diff(e, got, cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("%s: want - got +\n%s", text, diff)
		}
	})
}

func TestChannel(t *testing.T) {
	for want, got := range map[string]string{
		"ws:client:a:b": wire.ToClient("a:b").Channel(),
		"ws:user:u":     wire.ToUser("u").Channel(),
		"ws:room:*":     wire.ToRoom("*").Channel(),
		"ws:broadcast":  wire.Address{Type: wire.TypeBroadcast, Name: "x"}.Channel(),
	} {
		if got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	if got := (wire.Address{Type: "galaxy", Name: "x"}).Channel(); got != wire.ChannelBroadcast {
		t.Errorf("unknown type: %s", got)
	}
	if diff := cmp.Diff([]string{"ws:room:*", "ws:client:*", "ws:user:*"}, wire.Patterns()); diff != "" {
		t.Error("Patterns: want - got +\n", diff)
	}
	for _, p := range append(wire.Patterns(), wire.ChannelBroadcast) {
		if !strings.HasPrefix(p, wire.ReservedPrefix) {
			t.Errorf("%s does not start with the reserved prefix", p)
		}
	}
}

// Other implementations rely on the values of these constants.
func TestNumbers(t *testing.T) {
	for name, row := range map[string][2]any{
		"payload":            {wire.DefaultMaxPayload, 131072},
		"backpressure":       {wire.DefaultBackpressureLimit, 1048576},
		"auth timeout":       {wire.DefaultAuthTimeout.String(), "5s"},
		"auth factor":        {wire.AuthTimeoutFactor, 3},
		"heartbeat interval": {wire.DefaultHeartbeatInterval.String(), "30s"},
		"heartbeat timeout":  {wire.DefaultHeartbeatTimeout.String(), "1m30s"},
		"idle timeout":       {wire.DefaultIdleTimeout.String(), "1m0s"},
		"room name":          {wire.MaxRoomName, 256},
		"depth":              {wire.MaxDepth, 512},
		"going away":         {wire.CloseGoingAway, uint16(1001)},
		"auth timeout code":  {wire.CloseAuthTimeout, uint16(4001)},
		"heartbeat code":     {wire.CloseHeartbeatTimeout, uint16(4002)},
		"auth failed code":   {wire.CloseAuthFailed, uint16(4003)},
		"encryption code":    {wire.CloseEncryptionRequired, uint16(4004)},
	} {
		if row[0] != row[1] {
			t.Errorf("%s: %v, want %v", name, row[0], row[1])
		}
	}
}

func TestNames(t *testing.T) {
	directions := map[string]wire.Direction{
		"authenticate": wire.FromClient, "connected": wire.FromServer, "disconnect": wire.FromServer,
		"join": wire.FromClient, "leave": wire.FromClient, "error": wire.FromServer,
		"heartbeat": wire.FromClient, "encrypted": wire.FromBoth, "chat": "", "Error": "", "": "",
		"ack": "", "refresh": "", "expiring": "", "draining": "",
	}
	for event, want := range directions {
		if got, ok := wire.LookupEvent(event, 1); ok != (want != "") || ok && got.From != want {
			t.Errorf("LookupEvent(%q, 1) = %v, %v", event, got, ok)
		}
	}
	for _, event := range []string{"ack", "refresh", "expiring", "draining", "connected"} {
		if got, ok := wire.LookupEvent(event, 2); !ok || got.Name != event {
			t.Errorf("LookupEvent(%q, 2) = %v, %v", event, got, ok)
		}
	}
	reasons := map[uint16]string{
		1001: "Server shutting down", 4001: "Authentication timeout", 4002: "Heartbeat timeout",
		4003: "Authentication failed", 4004: "Encryption required", 1000: "", 4000: "", 4005: "Session expired",
	}
	for code, want := range reasons {
		if got := wire.CloseReason(code); got != want {
			t.Errorf("CloseReason(%d) = %q, want %q", code, got, want)
		}
	}
}

// A decoder that has decoded other envelopes returns what a new one does.
func TestEnvelopeDecoderReuse(t *testing.T) {
	long := strings.Repeat("x", 300)
	names := []string{`a`, `b`, `ab`, `a\n`, `a\\n`, `\u0061`, long, long + "y"}
	var texts []string
	for _, name := range names {
		for _, kind := range []string{"room", "user", "broadcast"} {
			texts = append(texts, fmt.Sprintf(`{"serverId":"%s","type":"%s","target":"%s","event":"%s","data":1}`, name, kind, name, name),
				fmt.Sprintf(`{"serverId":"s","type":"%s","target":"%s","event":"e"}`, kind, name),
				fmt.Sprintf(`{"serverId":"s","type":"%s","target":7,"event":"e"}`, kind), `{"serverId":"s","type":"room","event":"e"}`)
		}
	}
	texts = append(texts, `{"serverId":"","type":"room","event":"e"}`, `{"serverId":1,"event":"e"}`, `{}`)
	for _, first := range texts {
		for _, second := range texts {
			var d wire.EnvelopeDecoder
			_, _ = d.Decode([]byte(first))
			got, err := d.Decode([]byte(second))
			want, wantErr := wire.DecodeEnvelope([]byte(second))
			if diff := cmp.Diff(want, got); diff != "" || (err == nil) != (wantErr == nil) {
				t.Fatalf("%s after %s: %v %s", second, first, err, diff)
			}
		}
	}
}

func TestEnvelopeDecoderAllocates(t *testing.T) {
	text := wire.AppendEnvelope(nil, &benchEnvelope)
	var d wire.EnvelopeDecoder
	if n := testing.AllocsPerRun(100, func() { _, _ = d.Decode(text) }); n != 0 {
		t.Errorf("%v allocations for an envelope like the previous one", n)
	}
}
