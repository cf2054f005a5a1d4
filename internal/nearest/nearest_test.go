package nearest

import (
	"strings"
	"testing"
)

func TestOf(t *testing.T) {
	candidates := []string{"match", "join", "send", "of", "MAX_ROOMS", "redis.url_file"}
	for name, want := range map[string]string{
		"mach": "match", "Match": "match", "jion": "join", "off": "of", "sned": "send", "max-room": "MAX_ROOMS",
		"redis.url-file": "redis.url_file", "": "", "x": "", "something": "", "mmmm": "",
		strings.Repeat("m", longest+1): "",
	} {
		if got := Of(name, candidates); got != want {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
	}
	if got := Of("b", []string{"a", "c"}); got != "a" {
		t.Errorf("of two that are equally near: %q", got)
	}
}

func TestDistance(t *testing.T) {
	for _, test := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"a", "", 1}, {"", "ab", 2}, {"abc", "abc", 0}, {"abc", "axc", 1}, {"abcd", "acbd", 1}, {"abcd", "badc", 2}, {"kitten", "sitting", 3}} {
		if got, back := distance(test.a, test.b), distance(test.b, test.a); got != test.want || back != got {
			t.Errorf("%q and %q: %d and %d, want %d", test.a, test.b, got, back, test.want)
		}
	}
}
