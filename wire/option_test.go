package wire_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ignis-go/ignis/wire"
)

func TestCombineOptions(t *testing.T) {
	ann, bob := wire.Sender{ID: "1", UserID: "ann"}, wire.Sender{ID: "2"}
	for name, row := range map[string]struct {
		options []wire.SendOption
		want    wire.SendOption
	}{
		"none":                      {nil, wire.SendOption{}},
		"excluded IDs are combined": {[]wire.SendOption{wire.Except("a"), wire.Except(), wire.Except("b", "c")}, wire.SendOption{Exclude: []string{"a", "b", "c"}}},
		"the last one applies":      {[]wire.SendOption{wire.Key("k"), wire.From(ann), wire.Key("l"), wire.From(bob)}, wire.SendOption{Key: "l", From: bob}},
		"empty options have no effect": {
			[]wire.SendOption{wire.Key("k"), wire.From(ann), wire.Except("a"), {}, wire.Key(""), wire.From(wire.Sender{})},
			wire.SendOption{Exclude: []string{"a"}, Key: "k", From: ann},
		},
	} {
		if diff := cmp.Diff(row.want, wire.CombineOptions(row.options...)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	// The caller's slice is not modified.
	ids := append(make([]string, 0, 4), "a")
	wire.CombineOptions(wire.Except(ids...), wire.Except("b"))
	if got := ids[:2][1]; got != "" {
		t.Errorf("%q was written after the excluded IDs", got)
	}
}
