package wire_test

import (
	"strings"
	"testing"

	"github.com/ignis-go/ignis/wire"
)

const traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

// malformedTraceparents are texts that are not a traceparent.
var malformedTraceparents = []string{
	"",
	"x",
	traceparent[1:],
	traceparent + "-00",
	traceparent + " ",
	strings.ToUpper(traceparent),
	strings.ReplaceAll(traceparent, "-", "_"),
	"ff" + traceparent[2:],
	"0g" + traceparent[2:],
	"00-00000000000000000000000000000000-00f067aa0ba902b7-01",
	"00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
	"00-4bf92f3577b34da6a3ce929d0e0e473/-00f067aa0ba902b7-01",
	"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b:-01",
	"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0G",
	"00-4bf92f3577b34da6a3ce929d0e0e4736000f067aa0ba902b7-01",
	"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7001",
	"00004bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-1",
}

func TestValidTraceparent(t *testing.T) {
	for _, s := range []string{traceparent, traceparent[:53] + "00", "01" + traceparent[2:], "fe" + traceparent[2:]} {
		if !wire.ValidTraceparent(s) {
			t.Errorf("%q is not valid", s)
		}
	}
	for _, s := range malformedTraceparents {
		if wire.ValidTraceparent(s) {
			t.Errorf("%q is valid", s)
		}
	}
}

// A malformed traceparent does not make an envelope invalid.
func TestMalformedTraceparentIsIgnored(t *testing.T) {
	want := wire.Envelope{ServerID: "s", To: wire.ToRoom("r"), Event: "e"}
	values := []string{"1", "null", "{}", `["` + traceparent + `"]`, `"` + strings.Repeat("0", 1<<16) + `"`}
	for _, s := range malformedTraceparents {
		values = append(values, `"`+s+`"`)
	}
	var d wire.EnvelopeDecoder // remembers what it has decoded
	for _, value := range values {
		head := `{"serverId":"s","type":"room","target":"r","event":"e"`
		e, err := d.Decode([]byte(head + `,"traceparent":"` + traceparent + `"}`))
		if err != nil || e.Traceparent != traceparent {
			t.Fatalf("decoded %+v, %v", e, err)
		}
		e, err = d.Decode([]byte(head + `,"traceparent":` + value + `}`))
		if err != nil || e.Traceparent != "" || e.ServerID != want.ServerID || e.To != want.To || e.Event != want.Event {
			t.Errorf("%.100s: decoded %+v, %v", value, e, err)
		}
	}
}
