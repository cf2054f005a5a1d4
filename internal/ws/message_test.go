package ws

import (
	"bytes"
	"strings"
	"testing"

	"github.com/gobwas/ws"
)

func TestMessageRoundTrip(t *testing.T) {
	for _, n := range []int{0, 1, 125, 126, 127, 65535, 65536, 200_000} {
		s := strings.Repeat("z", n)
		for _, m := range []*Message{text(s), Text(0, func(b []byte) []byte { return append(b, s...) }), text(s).Clear()} {
			f, err := readFrame(bytes.NewReader(m.frame))
			if err != nil || f != (got{ws.OpText, s}) {
				t.Errorf("%d bytes: %v of %d, %v", n, f.Op, len(f.Payload), err)
			}
			if string(m.Payload()) != s || m.Size() != len(m.frame) {
				t.Errorf("%d bytes: payload or size is wrong", n)
			}
		}
		if got := appendText([]byte("."), []byte(s)); string(got[1:]) != string(text(s).frame) {
			t.Errorf("%d bytes: appendText and Text differ", n)
		}
	}
}

func TestCutReason(t *testing.T) {
	for _, tt := range []struct {
		s    string
		n    int
		want string
	}{
		{"", 3, ""}, {"abc", 3, "abc"}, {"abcd", 3, "abc"}, {"abé", 3, "ab"}, {"é", 1, ""}, {"\xffa", 10, "\uFFFDa"},
	} {
		if got := cut(tt.s, tt.n); got != tt.want {
			t.Errorf("cut(%q, %d) = %q", tt.s, tt.n, got)
		}
	}
}
