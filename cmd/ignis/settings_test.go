package main

import (
	"cmp"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"

	"github.com/ignis-go/ignis/internal/configfile"
	"github.com/ignis-go/ignis/internal/doctest"
	"github.com/ignis-go/ignis/internal/longtest"
	"github.com/ignis-go/ignis/internal/schematest"
)

func settingsModel(t *testing.T) *configfile.Model {
	t.Helper()
	m, err := modelOfSettings()
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// loaded returns the effective settings for arguments of ignis serve and the text of a
// file, or "" for no file.
func loaded(t *testing.T, file string, args ...string) (*effective, error) {
	t.Helper()
	return loader(t)(t, file, args...)
}

// loader returns a function like loaded that uses the same parser for all calls, which saves
// most of the time.
func loader(t *testing.T) func(t *testing.T, file string, args ...string) (*effective, error) {
	t.Helper()
	parser, err := newParser(&cli{}, &stdio{out: io.Discard, err: io.Discard})
	if err != nil {
		t.Fatal(err)
	}
	return func(t *testing.T, file string, args ...string) (*effective, error) {
		t.Helper()
		if file != "" {
			args = append(args, "--config", writeFile(t, "ignis.yaml", file))
		}
		command, err := parse(parser, append([]string{"serve"}, args...))
		if err != nil {
			t.Fatal(err)
		}
		serve, ok := selected(command).(*serveCmd)
		if !ok {
			t.Fatal("not the command serve")
		}
		s := serve.settings
		return loadSettings(&s, command)
	}
}

func writeFile(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// Every flag of ignis serve is a key of the file, and the model knows its name, its
// variable and its default.
func TestEveryFlagIsAKey(t *testing.T) {
	flags := make(map[string]*kong.Flag)
	for _, f := range serveNode(t).Flags {
		flags[f.Name] = f
	}
	for _, k := range settingsModel(t).Keys() {
		if k.Flag == "" {
			continue
		}
		f := flags[k.Flag]
		delete(flags, k.Flag)
		switch {
		case f == nil:
			t.Errorf("%s: there is no flag --%s", k.Path, k.Flag)
		case len(f.Envs) != 1 || f.Envs[0] != k.Variable:
			t.Errorf("%s: the variable of --%s is %v, not %s", k.Path, k.Flag, f.Envs, k.Variable)
		case f.Default != k.Default:
			t.Errorf("%s: the default of --%s is %q, not %q", k.Path, k.Flag, f.Default, k.Default)
		}
	}
	delete(flags, "config")
	delete(flags, "help")
	for name := range flags {
		t.Errorf("--%s is not a key of the file: give its field the tag key", name)
	}
}

// The names of keys follow one style, and no variable can be taken for one that Kubernetes
// sets.
func TestNamesOfKeys(t *testing.T) {
	for _, k := range settingsModel(t).Keys() {
		if strings.Trim(k.Path, "abcdefghijklmnopqrstuvwxyz0123456789_.") != "" {
			t.Errorf("the key %s is not in lower case with underscores", k.Path)
		}
		if strings.HasPrefix(k.Path, "limits.") && k.Flag != "" && strings.ReplaceAll(k.Flag, "-", "_") != strings.TrimPrefix(k.Path, "limits.") {
			t.Errorf("the limit %s has the flag --%s", k.Path, k.Flag)
		}
		if k.Help == "" {
			t.Errorf("%s has no help", k.Path)
		}
		if v := k.Variable; v != "" && configfile.CheckVariables(variablePrefix, []string{v + "=tcp://10.0.0.1:1"}, nil) == nil {
			t.Errorf("Kubernetes can set %s for a Service", v)
		}
	}
}

// values returns up to three different valid values of a key, as in a file.
func values(k *configfile.Key) []string {
	if len(k.Enum) > 0 {
		other := slices.DeleteFunc(slices.Clone(k.Enum), func(v string) bool { return v == k.Default })
		return []string{other[0], cmp.Or(k.Default, other[1%len(other)]), other[0]}
	}
	byPath := map[string][]string{
		"listen": {"127.0.0.1:1", ":2", "localhost:3"}, "api.listen": {"127.0.0.1:1", ":2", "localhost:3"}, "path": {"/a", "/b", "/c"}, "api.path": {"/a", "/b", "/c"}, "limits.slow_clients": {"latest", "drop-newest", "drop-oldest"},
		"allowed_origins": {"https://a.example", "https://b.example", "https://c.example"}, "proxies.trusted": {"10.0.0.0/8", "192.0.2.1", "fd00::/8"},
		"unix_mode": {`"600"`, `"660"`, `"0666"`}, "redis.url": {"redis://a", "redis://b", "redis://c"}, "limits.max_clients": {"5", "6", "auto"},
		"webhook.events": {"joined", "left", "connected"}, "tokens.expiry_leeway": {"1s", "2s", "3s"}, "webhook.event_max_age": {"1s", "2s", "3s"},
		"tokens.jwks":        {"https://a.example/jwks", "https://b.example/jwks", "https://c.example/jwks"},
		"limits.user_policy": {"close-oldest", "refuse-new", "close-oldest"}, "limits.memory_limit": {"1GiB", "off", "5MiB"}, "limits.byte_rate": {"1KiB", "off", "4"},
		"log.levels": {"redis=debug", "redis=warn,listen=error", "webhook=info"}, "metrics.listen": {"127.0.0.1:1", ":2", "localhost:3"},
		"tls.acme.domains": {"a.example", "b.example", "c.example"}, "tls.acme.http_listen": {"127.0.0.1:1", ":2", "localhost:3"},
	}
	if v := byPath[k.Path]; v != nil {
		return v
	}
	if k.Default != "" && strings.Trim(k.Default, "0123456789") == "" {
		return []string{"5", "6", "7"}
	}
	switch k.Path {
	case "limits.drain_delay", "limits.drain_window", "limits.max_connection_age":
		return []string{"1s", "2m", "off"}
	}
	if strings.HasSuffix(k.Default, "s") {
		return []string{"1s", "2m", "3h"}
	}
	if strings.HasSuffix(k.Default, "B") {
		return []string{"1KiB", "2MiB", "3"}
	}
	return []string{"a", "b", "c"}
}

// fileWith returns a file with one key.
func fileWith(path, value string) string {
	var b strings.Builder
	indent := ""
	for name := range strings.SplitSeq(path, ".") {
		fmt.Fprintf(&b, "%s%s:", indent, name)
		indent += "  "
		if strings.Count(indent, "  ") <= strings.Count(path, ".") {
			b.WriteByte('\n')
		}
	}
	return b.String() + " " + value + "\n"
}

// A flag takes precedence over a variable, a variable over the file, and the file over the
// default. It makes no difference which of them sets a value.
func TestPrecedence(t *testing.T) {
	longtest.Mark(t)
	m, load := settingsModel(t), loader(t)
	for _, k := range m.Keys() {
		if k.Flag == "" || !k.InFile() {
			continue
		}
		t.Run(k.Path, func(t *testing.T) {
			v := values(k)
			if reflect.TypeOf(m.Field(k, new(settings)).Interface()).Kind() == reflect.Bool {
				v = []string{"true", "false", "true"}
			}
			of := func(file, variable, flag bool) (any, origin) {
				t.Helper()
				text, args := "# empty\n", []string(nil)
				if file {
					text = fileWith(k.Path, v[0])
				}
				if variable {
					t.Setenv(k.Variable, strings.Trim(v[1], `"`))
				} else {
					t.Setenv(k.Variable, "") // restores it at the end of the test
					_ = os.Unsetenv(k.Variable)
				}
				if flag {
					args = []string{"--" + k.Flag + "=" + strings.Trim(v[2], `"`)}
				}
				e, err := load(t, text, args...)
				if err != nil {
					t.Fatal(err)
				}
				return m.Field(k, &e.settings).Interface(), e.origin(k)
			}
			byDefault, from := of(false, false, false)
			if from.source != "default" {
				t.Errorf("the default comes from %v", from)
			}
			byFile, from := of(true, false, false)
			if from.source != "file" || !strings.Contains(from.from, "ignis.yaml:") {
				t.Errorf("the file's value comes from %v", from)
			}
			byVariable, from := of(true, true, false)
			if from != (origin{"variable", k.Variable}) {
				t.Errorf("the variable's value comes from %v", from)
			}
			byFlag, from := of(true, true, true)
			if from != (origin{"flag", "--" + k.Flag}) {
				t.Errorf("the flag's value comes from %v", from)
			}
			if reflect.DeepEqual(byFile, byVariable) || reflect.DeepEqual(byVariable, byFlag) || reflect.DeepEqual(byFile, byDefault) {
				t.Errorf("default %v, file %v, variable %v, flag %v", byDefault, byFile, byVariable, byFlag)
			}
			if onlyFlag, _ := of(false, false, true); !reflect.DeepEqual(onlyFlag, byFlag) {
				t.Errorf("the flag alone: %v", onlyFlag)
			}
			if onlyVariable, _ := of(false, true, false); !reflect.DeepEqual(onlyVariable, byVariable) {
				t.Errorf("the variable alone: %v", onlyVariable)
			}
			// All three mean the same in the file.
			_ = os.Unsetenv(k.Variable)
			for i, want := range []any{byFile, byVariable, byFlag} {
				e, err := decodeSettings(m, fileWith(k.Path, v[i]))
				if err != nil {
					t.Fatal(err)
				}
				if got := m.Field(k, &e.settings).Interface(); !reflect.DeepEqual(got, want) {
					t.Errorf("%s in the file is %v, but as a flag or variable %v", v[i], got, want)
				}
			}
		})
	}
}

// A flag or variable replaces the alternatives of its key in the file, too.
func TestAlternatives(t *testing.T) {
	e, err := loaded(t, "redis: {url_file: /run/redis}\ntokens: {secret_file: /run/jwt}", "--redis", "redis://h")
	if err != nil || e.RedisFile != "" || e.Redis != "redis://h" || e.JWTSecretFile != "/run/jwt" {
		t.Errorf("got %q, %q, %v", e.Redis, e.RedisFile, err)
	}
	t.Setenv("IGNIS_JWT_SECRET", testKey)
	if e, err = loaded(t, "tokens: {secret_file: /run/jwt}"); err != nil || e.JWTSecretFile != "" || e.JWTSecret != testKey {
		t.Errorf("got %q, %v", e.JWTSecretFile, err)
	}
}

// Values that are wrong for a type. None of them is accepted by the decoder or the schema.
var wrongValues = map[string][]string{
	"integer": {"x", "''", "1.5", "true", "[]", "{a: 1}", "-1", "0", "~", "'5'"},
	"boolean": {"x", "1", "'true'", "[]", "~", "yes"},
	"string":  {"1.5", "[[]]", "{zzz: 1}", "~", "true"},
}

// The schema refuses what the decoder refuses, key by key, and accepts what it accepts.
func TestSchemaOfSettings(t *testing.T) {
	m := settingsModel(t)
	schema, err := schematest.Parse(m.Schema("x"))
	if err != nil {
		t.Fatal(err)
	}
	accepts := func(text string) bool { return schema.ValidateYAML(text) == nil }
	for _, k := range m.Keys() {
		kind := jsonKind(m, k)
		for _, v := range wrongValues[kind] {
			text := fileWith(k.Path, v)
			_, err := decodeSettings(m, text)
			if err == nil && !strings.Contains(k.Path, "prefix") {
				t.Errorf("the decoder accepts %s", text)
			}
			if (err == nil) != accepts(text) {
				t.Errorf("%s: the decoder says %v, the schema %v", text, err, accepts(text))
			}
		}
		if !k.InFile() || kind == "" {
			continue
		}
		v := values(k)
		if kind == "boolean" {
			v = []string{"true", "false"}
		}
		for _, v := range v {
			text := fileWith(k.Path, v)
			if _, err := decodeSettings(m, text); err != nil || !accepts(text) {
				t.Errorf("%s: the decoder says %v, the schema %v", text, err, accepts(text))
			}
		}
	}
}

// jsonKind returns which of wrongValues apply to a key, or "" for keys with structures.
func jsonKind(m *configfile.Model, k *configfile.Key) string {
	v := m.Field(k, new(settings))
	switch v.Interface().(type) {
	case count:
		return "integer"
	}
	switch v.Kind() {
	case reflect.Bool:
		return "boolean"
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Struct {
			return ""
		}
	}
	return "string"
}

var update = flag.Bool("update", false, "write the tables of the documentation")

// The configuration files in the documentation are valid.
func TestFilesInTheDocumentation(t *testing.T) {
	var text strings.Builder
	for _, name := range []string{"configuration", "tokens", "webhooks", "http-api", "logs"} {
		text.WriteString(doctest.Read(t, "docs/"+name+".md"))
	}
	schema, err := schematest.Parse(settingsModel(t).Schema("x"))
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, b := range doctest.Blocks(text.String(), "yaml") {
		n++
		e, err := loaded(t, b.Text)
		if err == nil {
			_, err = e.appConfig(slog.New(slog.DiscardHandler))
		}
		if err != nil || schema.ValidateYAML(b.Text) != nil {
			t.Errorf("%v, %v in\n%s", err, schema.ValidateYAML(b.Text), b.Text)
		}
	}
	if n < 5 {
		t.Errorf("%d files", n)
	}
}

// docs/configuration.md contains the table of all keys.
func TestConfigurationIsDocumented(t *testing.T) {
	const name = "../../docs/configuration.md"
	const begin, end = "<!-- keys: generated by go test ./cmd/ignis -run TestConfigurationIsDocumented -update -->\n", "<!-- end of keys -->\n"
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(text), begin)
	_, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("%s has no section between %q and %q", name, begin, end)
	}
	want := before + begin + "\n" + settingsModel(t).Reference() + "\n" + end + after
	if want == string(text) {
		return
	}
	if *update {
		if err := os.WriteFile(name, []byte(want), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	t.Errorf("%s does not list the keys as they are; run go test ./cmd/ignis -run TestConfigurationIsDocumented -update", name)
}
