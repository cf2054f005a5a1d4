package ignis_test

import (
	"strings"
	"testing"

	"github.com/ignis-go/ignis"
)

// All instances must agree on client IDs, so the checksum must not change.
func TestFormOfClientIDs(t *testing.T) {
	const id = "6e7d0a1c-54b9-4f0e-9d3a-2b7c"
	for _, end := range []string{"00000000", "ffffffff"} {
		if ignis.IsClientID(id + end) {
			t.Errorf("%s is accepted as a client ID", id+end)
		}
	}
	good := id + "fd4c2d95"
	if !ignis.IsClientID(good) || !ignis.IsClientID(strings.ToUpper(good)) {
		t.Errorf("%s is not accepted as a client ID", good)
	}
	for i, digit := range good {
		other := "0"
		if digit == '0' {
			other = "1"
		}
		if bad := good[:i] + other + good[i+1:]; ignis.IsClientID(bad) {
			t.Errorf("%s is accepted as a client ID", bad)
		}
	}
	for _, bad := range []string{"", "a", good + "0", good[:35], "{" + good[1:], strings.ReplaceAll(good, "-", "")} {
		if ignis.IsClientID(bad) {
			t.Errorf("%s is accepted as a client ID", bad)
		}
	}
}
