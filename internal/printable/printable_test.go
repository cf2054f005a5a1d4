package printable_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/ignis-go/ignis/internal/printable"
)

// acting contains characters that have an effect on a terminal or on adjacent text.
var acting = []rune{
	0, 0x07, 0x1b, 0x7f, 0x80, 0x85, 0x9b, 0x9f, 0xad, 0x061c, 0x200b, 0x200e, 0x200f, 0x2028, 0x2029,
	0x202a, 0x202b, 0x202c, 0x202d, 0x202e, 0x2060, 0x2066, 0x2067, 0x2068, 0x2069, 0xfeff, 0xfff9, 0xe0001, 0xe0061,
}

func TestText(t *testing.T) {
	for in, want := range map[string]string{
		"":                                     "",
		"plain 漢 👩‍💻":                          "plain 漢 👩‍💻",
		"a\x1b[2Jb":                            `a\u001b[2Jb`,
		"a\nb\r\tc":                            `a\nb\r\tc`,
		"\u202eevil":                           `\u202eevil`,
		"\u009b31m":                            `\u009b31m`,
		"\xff\xfe":                             `\xff\xfe`,
		"a\U000e0061":                          `a\udb40\udc61`,
		"0123456789":                           "0123456789",
		"0123456789abcdefghijklmnopqrstuvwxyz": "0123456789abcdefghijklmn… (36 bytes)",
		"漢字漢字漢字漢字漢字":                           "漢字漢字漢字漢字… (30 bytes)",
	} {
		if got := printable.Text(in, 24); got != want {
			t.Errorf("%q became %q, want %q", in, got, want)
		}
	}
	for _, r := range acting {
		if got := printable.Text(string(r), 24); strings.ContainsRune(got, r) {
			t.Errorf("%U is not escaped", r)
		}
	}
	if got := printable.Text(strings.Repeat("\x00", 100_000), 100); len(got) > 130 {
		t.Errorf("with a limit of 100 bytes, the result has %d", len(got))
	}
}

func TestJSON(t *testing.T) {
	for _, r := range acting {
		if r < ' ' {
			continue // not allowed in JSON
		}
		in := fmt.Sprintf("{\"a%cb\": [\"%c\", \"x\\\\%c\"],\n\t\"é\":\"👩‍💻\"}", r, r, r)
		out := printable.JSON([]byte(in))
		if strings.ContainsRune(string(out), r) {
			t.Errorf("%U is not escaped: %q", r, out)
		}
		var before, after any
		if err := json.Unmarshal([]byte(in), &before); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(out, &after); err != nil || !reflect.DeepEqual(before, after) {
			t.Errorf("%U: the meaning changed: %q became %q: %v", r, in, out, err)
		}
	}
	same := []byte(`{"é":"👩‍💻"}`)
	if got := printable.JSON(same); &got[0] != &same[0] {
		t.Error("a text without such characters was copied")
	}
}

func FuzzText(f *testing.F) {
	f.Add("a\x1b\xff\u202e", 3)
	f.Fuzz(func(t *testing.T, s string, limit int) {
		limit = max(0, min(limit, 1<<10))
		got := printable.Text(s, limit)
		if len(got) > limit+40 || !utf8.ValidString(got) || strings.ContainsFunc(got, printable.Acts) {
			t.Errorf("%q in %d became %q", s, limit, got)
		}
	})
}
