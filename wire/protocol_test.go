package wire_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"slices"
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

// docs/protocol.md lists every close code with its reason, and every error code.
func TestProtocolDocs(t *testing.T) {
	text, err := os.ReadFile("../docs/protocol.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range wire.CloseCodes() {
		if row := fmt.Sprintf("| %d | %s | ", c.Code, c.Reason); !strings.Contains(string(text), row) {
			t.Errorf("there is no row %q", row)
		}
	}
	for _, c := range wire.ErrorCodes() {
		if !strings.Contains(string(text), "`"+string(c)+"`") {
			t.Errorf("the error code %s is missing", c)
		}
	}
	for _, e := range wire.SystemEvents() {
		if e.Name != wire.EventDisconnect && !strings.Contains(string(text), e.Name) {
			t.Errorf("the event %s is missing", e.Name)
		}
	}
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
