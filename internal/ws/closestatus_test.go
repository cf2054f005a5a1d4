package ws

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"testing"
)

func TestCloseStatus(t *testing.T) {
	body := func(code uint16, reason string) string {
		return string(binary.BigEndian.AppendUint16(nil, code)) + reason
	}
	tests := []struct {
		payload string
		code    uint16 // returned to the caller
		reason  string
		refused uint16 // close code of the violation, if any
	}{
		{payload: "", code: 1005},
		{payload: "\x03", refused: 1002},
		{payload: body(1000, ""), code: 1000},
		{payload: body(1001, "going away"), code: 1001, reason: "going away"},
		{payload: body(1000, strings.Repeat("é", 61)), code: 1000, reason: strings.Repeat("é", 61)},
		{payload: body(1000, "\xff"), refused: 1007},
		{payload: body(0, ""), refused: 1002},
		{payload: body(999, ""), refused: 1002},
		{payload: body(1002, ""), code: 1002},
		{payload: body(1003, ""), code: 1003},
		{payload: body(1004, ""), refused: 1002},
		{payload: body(1005, ""), refused: 1002},
		{payload: body(1006, ""), refused: 1002},
		{payload: body(1007, ""), code: 1007},
		{payload: body(1011, ""), code: 1011},
		{payload: body(1014, ""), code: 1014},
		{payload: body(1015, ""), refused: 1002},
		{payload: body(1016, ""), refused: 1002},
		{payload: body(2999, ""), refused: 1002},
		{payload: body(3000, ""), code: 3000},
		{payload: body(4999, ""), code: 4999},
		{payload: body(5000, ""), refused: 1002},
		{payload: body(65535, ""), refused: 1002},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprintf("%.8q", tt.payload), func(t *testing.T) {
			code, reason, err := closeStatus([]byte(tt.payload))
			var v *violation
			if errors.As(err, &v) {
				if v.code != tt.refused {
					t.Errorf("refused with %d, want %d", v.code, tt.refused)
				}
				return
			}
			if tt.refused != 0 || code != tt.code || reason != tt.reason {
				t.Errorf("got %d %q, want %d %q (refused with %d)", code, reason, tt.code, tt.reason, tt.refused)
			}
		})
	}
}
