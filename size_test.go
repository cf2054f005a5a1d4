package ignis_test

import (
	"testing"

	"github.com/ignis-go/ignis"
)

// A client at rest costs little. Memory comes in sizes: 176 bytes, 192, 208, 224. What
// most clients do not need, or only for a while, hangs on a pointer.
func TestClientIsSmall(t *testing.T) {
	if ignis.ClientSize > 224 {
		t.Errorf("a client takes %d bytes, want at most 224", ignis.ClientSize)
	}
}
