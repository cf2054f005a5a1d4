package configfile

import (
	"strings"
	"testing"

	"github.com/ignis-go/ignis/internal/schematest"
)

func parsed(t *testing.T, text []byte) *schematest.Schema {
	t.Helper()
	s, err := schematest.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// The JSON Schema accepts what the decoder accepts, and refuses what it refuses, except
// what a schema cannot express.
func TestSchemaAgrees(t *testing.T) {
	schema := parsed(t, model(t).Schema("sample"))
	for _, text := range []string{
		all, "rooms: a", "listen: ':1'", "limits:", "rooms: []", "{}", "rules: [{match: a, send: {events: [x]}}]",
		"redis: {url: x}", "path: off", "path: 2020-01-01",
	} {
		if _, _, problems := decode(t, text, nil); problems != nil {
			t.Errorf("the decoder refuses %q: %v", text, problems)
		}
		if err := schema.ValidateYAML(text); err != nil {
			t.Errorf("the schema refuses %q: %v", text, err)
		}
	}
	for name, r := range refused {
		if !r.schema {
			continue
		}
		if schema.ValidateYAML(r.text) == nil {
			t.Errorf("%s: the schema accepts %q", name, r.text)
		}
	}
}

// Each key of the model is in the schema.
func TestSchemaIsComplete(t *testing.T) {
	m := model(t)
	schema := string(m.Schema("sample"))
	for _, k := range m.Keys() {
		last := k.Path[strings.LastIndex(k.Path, ".")+1:]
		if strings.Contains(schema, `"`+last+`": {`) != k.InFile() {
			t.Errorf("%s: in the schema: %v", k.Path, !k.InFile())
		}
	}
	if !strings.Contains(m.Reference(), "| `limits.rooms` | `128` | `--rooms` | `APP_ROOMS` | changes | Rooms (128). |\n") {
		t.Error(m.Reference())
	}
	if !strings.Contains(m.Reference(), "Keys of `rules[].send`:") {
		t.Error(m.Reference())
	}
}
