package ignis_test

import (
	"testing"

	"github.com/ignis-go/ignis"
)

// An idle client uses little memory. The allocator has size classes of 176, 192, 208 and
// 224 bytes. State that most clients do not need, or only for a while, is behind a
// pointer.
func TestClientIsSmall(t *testing.T) {
	if ignis.ClientSize > 224 {
		t.Errorf("a client takes %d bytes, want at most 224", ignis.ClientSize)
	}
}
