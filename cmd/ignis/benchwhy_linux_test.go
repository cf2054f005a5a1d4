package main

import (
	"strings"
	"testing"

	"github.com/ignis-go/ignis/internal/herd"
	"github.com/ignis-go/ignis/wire"
)

// The hint for a close code of the protocol does not blame the application or a proxy.
func TestEveryCloseCodeHasAHint(t *testing.T) {
	other := lossHint(herd.Reason{Code: 4999}, false)
	if !strings.Contains(other, "application") {
		t.Errorf("the hint for 4999 is %q", other)
	}
	for _, c := range wire.CloseCodes() {
		if hint := lossHint(herd.Reason{Code: c.Code}, false); hint == "" || hint == other {
			t.Errorf("the hint for the close code %d is %q", c.Code, hint)
		}
	}
}
