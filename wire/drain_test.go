package wire_test

import (
	"strings"
	"testing"
	"time"

	"github.com/ignis-go/ignis/wire"
)

func TestDrainInCommands(t *testing.T) {
	d := wire.Drain{ServerID: "a\"b"}
	e := d.Encode("7")
	if want := `{"version":1,"command":"drain","id":"7","data":{"server":"a\"b"}}`; string(e.Text) != want || !e.Until.IsZero() {
		t.Errorf("encoded as %s until %v", e.Text, e.Until)
	}
	c, err := wire.DecodeCommand(e.Text)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := c.Drain(); err != nil || got != d {
		t.Errorf("decoded as %+v, %v", got, err)
	}
	for _, id := range []string{"", "\xff", strings.Repeat("x", wire.MaxServerID+1)} {
		if err := (wire.Drain{ServerID: id}).Check(); err == nil {
			t.Errorf("%q is valid", id)
		}
	}
}

func TestDrainingData(t *testing.T) {
	for _, row := range []struct {
		after time.Duration
		want  string
	}{{1830 * time.Millisecond, `{"retryAfter":1830}`}, {1, `{"retryAfter":0}`}, {-time.Hour, `{"retryAfter":0}`}} {
		data := wire.Draining{RetryAfter: row.after}.Encode()
		if string(data) != row.want {
			t.Errorf("%v is encoded as %s", row.after, data)
		}
		if d, ok := wire.DecodeDraining(data); !ok || d.RetryAfter != max(row.after, 0).Truncate(time.Millisecond) {
			t.Errorf("%s is decoded as %v, %v", data, d.RetryAfter, ok)
		}
	}
	for _, data := range []string{``, `{}`, `5`, `{"retryAfter":-1}`, `{"retryAfter":"1"}`, `{"retryAfter":1e300}`, `{"retryAfter":NaN}`} {
		if d, ok := wire.DecodeDraining([]byte(data)); ok {
			t.Errorf("%s is decoded as %v", data, d.RetryAfter)
		}
	}
}
