package wire_test

import (
	"strings"
	"testing"

	"github.com/ignis-go/ignis/wire"
)

// Keys with escapes cost about as much as others. A message may have thousands of them,
// and is decoded on goroutines that read from many clients.
func TestKeysWithEscapesAreCheap(t *testing.T) {
	text := []byte(`{` + strings.Repeat(`"\n":0,`, 10_000) + `"\u0065vent":"x"}`)
	allocs := testing.AllocsPerRun(5, func() {
		if m, err := wire.DecodeMessage(text); err != nil || m.Event != "x" {
			t.Fatalf("%+v, %v", m, err)
		}
	})
	if allocs > 100 {
		t.Errorf("%v allocations for 10,000 keys", allocs)
	}
}
