package configfile

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestSettings(t *testing.T) {
	s, origins, problems := decode(t, all, nil)
	if problems != nil {
		t.Fatal(problems)
	}
	s.Password, s.URL = "s3cr3t", "redis://user:s3cr3t@host:1/2?sentinel_password=s3cr3t"
	list := model(t).Settings(&s, func(k *Key) (source, from string) {
		if _, ok := origins[k.Path]; ok {
			return "file", "f.yaml:1"
		}
		return "variable", k.Variable
	})
	text := WriteSettings(list)
	asJSON, err := json.Marshal(list)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(text, "s3") || strings.Contains(string(asJSON), "s3") {
		t.Errorf("a secret is shown:\n%s\n%s", text, asJSON)
	}
	for _, want := range []string{
		"path: /socket                                 # f.yaml:1\n", `mode: "off"`, "limits:\n  rooms: 5  ", "  size: 8K ",
		"  quiet: true ", "rooms: [a, b]", `  - {at: ":2", tls: true}`, `  # url: redis://(hidden)@host:1/2?(hidden)`,
		"  # secret: (hidden)                          # variable APP_SECRET\n",
		`  - {match: lobby, join: anyone, send: {events: [say, typing], password: "(hidden)"}}`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	if !strings.Contains(string(asJSON), `{"key":"limits.size","value":"8K","source":"file","from":"f.yaml:1"}`) {
		t.Errorf("%s", asJSON)
	}
}

func TestHideInURL(t *testing.T) {
	for text, want := range map[string]string{
		"redis://h:1/2":         "redis://h:1/2",
		"redis://u:p@h":         "redis://(hidden)@h",
		"redis://p@ss@h/1":      "redis://(hidden)@h/1",
		"redis://u:p/x@h":       "redis://(hidden)@h",
		"u:p@h":                 "(hidden)@h",
		"https://h/x?key=s":     "https://h/x?(hidden)",
		"https://h/x#s":         "https://h/x?(hidden)",
		"https://u:a?b@h/x?c=d": "https://(hidden)@h/x?(hidden)",
		"://":                   "(hidden)",
		"a b":                   "a b",
	} {
		if got := hideInURL(text); got != want {
			t.Errorf("%s is shown as %s, want %s", text, got, want)
		}
	}
}

func TestChanged(t *testing.T) {
	m := model(t)
	a, _, _ := decode(t, all, nil)
	b, _, _ := decode(t, strings.Replace(all, "rooms: 5", "rooms: 6", 1)+"  - match: new\n", nil)
	var got []string
	for _, k := range m.Changed(&a, &b) {
		got = append(got, k.Path)
		m.Field(k, &b).Set(m.Field(k, &a))
	}
	if strings.Join(got, " ") != "limits.rooms rules" || len(m.Changed(&a, &b)) != 0 {
		t.Errorf("changed: %v", got)
	}
	for _, k := range m.Keys() {
		if k.Replaces(k) || k.Path == "redis.url" && !k.Replaces(m.Keys()[indexOf(m, "redis.url_file")]) {
			t.Errorf("%s", k.Path)
		}
	}
}

func indexOf(m *Model, path string) int {
	for i, k := range m.Keys() {
		if k.Path == path {
			return i
		}
	}
	return -1
}
