package main

import (
	"testing"

	"github.com/ignis-go/ignis/wire"
)

// Each close code that rejects a client has an explanation.
func TestEveryRejectionHasAHint(t *testing.T) {
	for _, c := range wire.CloseCodes() {
		if hint := closeHint(c.Code, false); c.Rejected && hint == "" {
			t.Errorf("the close code %d has no hint", c.Code)
		}
	}
}
