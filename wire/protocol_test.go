package wire_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/ignis-go/ignis/wire"
)

var update = flag.Bool("update", false, "write protocol.json")

// protocol.json contains the tables of this package for programs in other languages and
// for the documentation.
func TestProtocolJSON(t *testing.T) {
	const file = "protocol.json"
	type closeCode struct {
		Code        uint16 `json:"code"`
		Reason      string `json:"reason"`
		Reconnect   bool   `json:"reconnect"`
		Credentials bool   `json:"credentials,omitempty"`
		AfterMillis int64  `json:"afterMillis,omitempty"`
		Hint        string `json:"hint"`
	}
	var tables struct {
		Events     []wire.SystemEvent `json:"events"`
		CloseCodes []closeCode        `json:"closeCodes"`
		ErrorCodes []wire.ErrorCode   `json:"errorCodes"`
	}
	tables.Events, tables.ErrorCodes = wire.SystemEvents(), wire.ErrorCodes()
	for _, c := range wire.CloseCodes() {
		tables.CloseCodes = append(tables.CloseCodes, closeCode{c.Code, c.Reason, c.Reconnect, c.Credentials, c.After.Milliseconds(), c.Hint})
	}
	want, err := json.MarshalIndent(tables, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	want = append(want, '\n')
	if *update {
		if err := os.WriteFile(file, want, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := os.ReadFile(file); err != nil || !slices.Equal(got, want) {
		t.Errorf("%s differs from the tables (%v): go test ./wire -run ProtocolJSON -update", file, err)
	}
}

// docs/protocol.md has the table of close codes, the name of every event and error code,
// and an envelope with every key, in order.
func TestProtocolDocs(t *testing.T) {
	const file = "../docs/protocol.md"
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	text := string(b)
	if *update {
		before, rest, _ := strings.Cut(text, "## Close codes\n")
		_, after, _ := strings.Cut(rest, "\n## ")
		text = before + "## Close codes\n" + closeTable() + "\n## " + after
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if !strings.Contains(text, closeTable()) {
		t.Errorf("%s differs from the table of close codes: go test ./wire -run ProtocolDocs -update", file)
	}
	for _, c := range wire.ErrorCodes() {
		if !strings.Contains(text, "`"+string(c)+"`") {
			t.Errorf("the error code %s is missing", c)
		}
	}
	for _, e := range wire.SystemEvents() {
		if !strings.Contains(text, "`"+e.Name+"`") && !strings.Contains(text, `{"event":"`+e.Name+`"`) {
			t.Errorf("the event %s is missing", e.Name)
		}
	}
	keys := func(envelope string) (keys []string) {
		_ = wire.EachField([]byte(strings.ReplaceAll(envelope, "{...}", "1")), func(key, _ []byte) { keys = append(keys, string(key)) })
		return keys
	}
	documented := text[strings.Index(text, `{"serverId"`):]
	documented, _, _ = strings.Cut(documented, "\n")
	if got, want := keys(documented), keys(string(wire.AppendEnvelope(nil, fullEnvelope(t)))); !slices.Equal(got, want) {
		t.Errorf("the keys of the envelope are %v, want %v", got, want)
	}
}

// closeTable returns the table of close codes in Markdown.
func closeTable() string {
	var b strings.Builder
	b.WriteString("\n| code | reason | reconnect? | explanation |\n|---|---|---|---|\n")
	for _, c := range wire.CloseCodes() {
		reconnect := "no"
		if c.Reconnect {
			reconnect = "yes"
		}
		switch {
		case c.Credentials && c.Reconnect:
			reconnect = "yes, with new credentials"
		case c.Credentials:
			reconnect = "only with other credentials"
		case c.After > 0:
			reconnect = fmt.Sprintf("yes, after at least %.0f s", c.After.Seconds())
		}
		fmt.Fprintf(&b, "| %d | %s | %s | %s |\n", c.Code, c.Reason, reconnect, c.Hint)
	}
	return b.String()
}

// The tables contain every constant. One that is missing would compile, but clients and the
// documentation would not know it.
func TestTablesAreComplete(t *testing.T) {
	var events, closes, codes []string
	for _, e := range wire.SystemEvents() {
		events = append(events, strconv.Quote(e.Name))
	}
	for _, c := range wire.CloseCodes() {
		closes = append(closes, strconv.Itoa(int(c.Code)))
	}
	for _, c := range wire.ErrorCodes() {
		codes = append(codes, strconv.Quote(string(c)))
	}
	for _, table := range []struct {
		file, prefix string
		has          []string
	}{
		{"events.go", "Event", events},
		{"close.go", "Close", closes},
		{"answer.go", "Code", codes},
	} {
		if got := constants(t, table.file, table.prefix); !slices.Equal(slices.Sorted(slices.Values(got)), slices.Sorted(slices.Values(table.has))) {
			t.Errorf("the constants %s* of %s are %v, and the table has %v", table.prefix, table.file, got, table.has)
		}
	}
}

// constants returns the values of the constants in a file whose names begin with prefix.
func constants(t *testing.T, file, prefix string) (values []string) {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(parsed, func(n ast.Node) bool {
		if spec, ok := n.(*ast.ValueSpec); ok && strings.HasPrefix(spec.Names[0].Name, prefix) && len(spec.Values) == 1 {
			if value, ok := spec.Values[0].(*ast.BasicLit); ok {
				values = append(values, value.Value)
			}
		}
		return true
	})
	return values
}

// The tables are looked up by binary search and by name.
func TestTables(t *testing.T) {
	var last uint16
	for _, c := range wire.CloseCodes() {
		if got, ok := wire.LookupClose(c.Code); !ok || got != c || c.Code <= last || c.Reason == "" || c.Hint == "" {
			t.Errorf("close code %d: %+v, %v", c.Code, got, ok)
		}
		last = c.Code
	}
	if c, ok := wire.LookupClose(4000); ok || c != (wire.CloseCode{}) {
		t.Errorf("4000 is %+v", c)
	}
	for _, e := range wire.SystemEvents() {
		if got, ok := wire.LookupEvent(e.Name, e.Protocol); !ok || got != e {
			t.Errorf("event %s: %+v, %v", e.Name, got, ok)
		}
		if _, ok := wire.LookupEvent(e.Name, e.Protocol-1); ok {
			t.Errorf("event %s belongs to protocol %d", e.Name, e.Protocol-1)
		}
	}
}

func TestDecodeAuthenticationOfProtocol2(t *testing.T) {
	for data, want := range map[string]wire.Authentication{
		`{}`:                                {Protocol: 1},
		`null`:                              {Protocol: 1},
		`{"protocol":2}`:                    {Protocol: 2},
		`{"protocol":3}`:                    {Protocol: 3},
		`{"protocol":1}`:                    {Protocol: 1},
		`{"protocol":0}`:                    {Protocol: 1},
		`{"protocol":-2}`:                   {Protocol: 1},
		`{"protocol":2.0}`:                  {Protocol: 1},
		`{"protocol":"2"}`:                  {Protocol: 1},
		`{"protocol":1e99}`:                 {Protocol: 1},
		`{"protocol":99999999999999999999}`: {Protocol: 1},
		`{"client":{"name":"web","version":"1.2"}}`:             {Protocol: 1, Software: "web/1.2"},
		`{"client":{"name":"web"}}`:                             {Protocol: 1, Software: "web"},
		`{"client":{"name":7,"version":true}}`:                  {Protocol: 1},
		`{"client":"web"}`:                                      {Protocol: 1},
		`{"client":{"name":"` + strings.Repeat("x", 65) + `"}}`: {Protocol: 1},
	} {
		if got := wire.DecodeAuthentication(raw(data)); got != want {
			t.Errorf("%s: %+v, want %+v", data, got, want)
		}
	}
}
