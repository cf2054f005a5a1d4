package strictjson

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestParse(t *testing.T) {
	f, err := Parse([]byte(` {"a":1,"A" : "x","n":null,"\u0062":[{"c":1,"c":2}]} `))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string][2]string{"a": {"1", "1"}, "A": {`"x"`, `"x"`}, "n": {"null", ""}, "b": {`[{"c":1,"c":2}]`, `[{"c":1,"c":2}]`}, "c": {}, "": {}} {
		if raw, value := string(f.Raw(name)), string(f.Value(name)); raw != want[0] || value != want[1] {
			t.Errorf("%s: %q and %q", name, raw, value)
		}
	}
	for _, text := range []string{"", "null", "[]", `"a"`, `{"a":1`, `{"a":1} {}`, "{\"a\":\"\xff\"}"} {
		if _, err := Parse([]byte(text)); !errors.Is(err, ErrNotObject) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestDuplicates(t *testing.T) {
	object := func(names ...string) []byte {
		for i, name := range names {
			names[i] = fmt.Sprintf(`"%s":null`, name)
		}
		return []byte("{" + strings.Join(names, ",") + "}")
	}
	var names []string
	for i := range 2 * many {
		names = append(names, fmt.Sprint("n", i))
	}
	if f, err := Parse(object(slices.Clone(names)...)); err != nil || len(f) != 2*many {
		t.Fatalf("%d fields, %v", len(f), err)
	}
	for _, at := range []int{1, many - 1, many, many + 1, 2*many - 1} {
		for _, again := range []int{0, at - 1} {
			list := slices.Clone(names)
			list[at] = strings.Replace(names[again], "n", `\u006e`, 1)
			_, err := Parse(object(list...))
			if e, ok := errors.AsType[*DuplicateError](err); !ok || e.Name != names[again] {
				t.Errorf("%d is %d: %v", at, again, err)
			}
		}
	}
}

func TestText(t *testing.T) {
	for value, want := range map[string]string{
		`"a"`: "a", `""`: "", `"\u00e4\ud83d\ude00"`: "ä😀", `"ä"`: "ä", `"\n\""`: "\n\"",
		`"\ud83d"`: "-", `"\ude00\ud83d"`: "-", `"�"`: "-", `"\ufffd"`: "-", `1`: "-", `null`: "-", ``: "-", `["a"]`: "-",
	} {
		if got, ok := Text([]byte(value)); ok != (want != "-") || ok && got != want {
			t.Errorf("%s: %q, %v", value, got, ok)
		}
	}
	for value, want := range map[string][]string{`[]`: {}, `[ "a" , "\u0062" ]`: {"a", "b"}, `["a",1]`: nil, `["\ud83d"]`: nil, `"a"`: nil, `null`: nil, ``: nil} {
		if got, ok := Texts([]byte(value)); ok != (want != nil) || ok && !slices.Equal(got, want) {
			t.Errorf("%s: %q, %v", value, got, ok)
		}
	}
}

func TestID(t *testing.T) {
	for value, want := range map[string]string{
		`"a"`: "a", `"1.5"`: "1.5", `""`: "", `42`: "42", `0`: "0", `-1`: "-1",
		`18446744073709551615`: "18446744073709551615", `-9223372036854775808`: "-9223372036854775808",
		`18446744073709551616`: "-", `-9223372036854775809`: "-", `-0`: "-", `1.0`: "-", `1e3`: "-", `1E3`: "-", `true`: "-", `null`: "-", `[]`: "-", `{}`: "-", ``: "-", `"\ud83d"`: "-",
	} {
		if got, ok := ID([]byte(value)); ok != (want != "-") || ok && got != want {
			t.Errorf("%s: %q, %v", value, got, ok)
		}
	}
}

func TestSeconds(t *testing.T) {
	for value, want := range map[string]time.Time{
		`0`: time.Unix(0, 0), `1896080707.5`: time.Unix(1896080707, 5e8), `1e3`: time.Unix(1000, 0), `253402300799`: time.Unix(lastSecond, 0),
		`-1`: {}, `253402300800`: {}, `1e999`: {}, `9223372036854775808`: {}, `"1"`: {}, `null`: {}, ``: {},
	} {
		if got, ok := Seconds([]byte(value)); ok != !want.IsZero() || !got.Equal(want) {
			t.Errorf("%s: %v, %v", value, got, ok)
		}
	}
}
