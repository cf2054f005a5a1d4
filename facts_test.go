package ignis_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/bustest"
	"github.com/ignis-go/ignis/emitter"
	"github.com/ignis-go/ignis/wire"
)

// The tests in this file compare facts that the code has to state in more than one place,
// so that adding an event, a close code, a counter or a hook in only one of them fails.

// Each event that a client may send has a handler: the client receives one answer. Events
// that only servers send are refused.
func TestEverySystemEventIsAnswered(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n := startMem(t, ignis.Config{})
		for _, e := range wire.SystemEvents() {
			if e.Name == wire.EventEncrypted {
				continue // the ID of the inner message counts, and this client has no key
			}
			p := n.login2()
			p.text(`{"event":"` + e.Name + `","data":{"user":"ann","rooms":[]},"id":"1"}`)
			m, err := wire.DecodeMessage([]byte(p.next()))
			var refusal wire.ErrorData
			if err != nil || m.ID != "1" || m.Event == wire.EventError && m.Decode(&refusal) != nil {
				t.Errorf("%s: answered with %+v, %v", e.Name, m, err)
			}
			if invalid := refusal.Code == wire.CodeInvalid; invalid != (e.From == wire.FromServer) {
				t.Errorf("%s from a client: %q %s", e.Name, refusal.Code, refusal.Message)
			}
			p.only()
		}
	})
}

// A client that is not authenticated may send the events that the table allows, and no others.
func TestEveryEventBeforeAuthentication(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n := startMem(t, ignis.Config{})
		for _, e := range wire.SystemEvents() {
			p := n.connect()
			p.text(`{"event":"` + e.Name + `","data":{"user":"ann"}}`)
			refused := slices.Contains(p.got(), failure(wire.ErrorUnauthenticated))
			if refused == e.AllowUnauthenticated {
				t.Errorf("%s before authentication is refused: %v", e.Name, refused)
			}
		}
	})
}

// Each close code that the server itself uses has a cause.
func TestEveryCloseCodeHasACause(t *testing.T) {
	others := map[uint16]string{
		wire.CloseDisconnected:    "the application",
		wire.CloseTooManyMessages: "causes of the transport",
	}
	for _, c := range wire.CloseCodes() {
		_, known := ignis.RuleCauses[c.Code]
		if others[c.Code] == "" && !known {
			t.Errorf("ruleCauses has no cause for the close code %d (%s)", c.Code, c.Reason)
		}
	}
	for code := range ignis.RuleCauses {
		if _, ok := wire.LookupClose(code); !ok {
			t.Errorf("ruleCauses has the code %d, which is not one of the protocol's", code)
		}
	}
}

// Each cause of the transport is one of the server's.
func TestEveryTransportCauseIsMapped(t *testing.T) {
	for _, name := range constants(t, "internal/ws/conn.go", "Cause") {
		switch name {
		case "CauseNone", "CauseRule": // never the end; depends on the code
		default:
			if !regexp.MustCompile(`\sws\.` + name + `:\s`).MatchString(source(t, "causes.go")) {
				t.Errorf("transportCauses has no ws.%s", name)
			}
		}
	}
}

// Each error code has an HTTP status. 400 is the status of invalid, and of unknown codes.
func TestEveryErrorCodeHasAStatus(t *testing.T) {
	for _, code := range wire.ErrorCodes() {
		if status := ignis.Status(code); (status == http.StatusBadRequest) != (code == wire.CodeInvalid) {
			t.Errorf("%s: status %d", code, status)
		}
	}
}

// Each reason for refusing a room has a code.
func TestEveryRefusalHasACode(t *testing.T) {
	for _, name := range constants(t, "rooms.go", "refused") {
		if !regexp.MustCompile(`\s` + name + `:\s+wire\.Code`).MatchString(source(t, "rooms.go")) {
			t.Errorf("refusalCodes has no %s", name)
		}
	}
}

// Each text of the protocol's error events can be sent.
func TestEveryErrorTextHasAFrame(t *testing.T) {
	names := constants(t, "wire/names.go", "Error")
	if frames := ignis.ErrorFrames(); frames != len(names) {
		t.Errorf("newErrorFrames has %d texts, and wire/names.go has %d: %v", frames, len(names), names)
	}
}

// Servers and emitters set every field of an envelope, so that a new one is not forgotten by
// either.
func TestEverySenderFillsTheEnvelope(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := newFakeBus()
		tracer := new(traces)
		n := startMem(t, ignis.Config{Bus: b, Tracer: tracer})
		e, err := emitter.New(bustest.Publisher{Bus: b}, emitter.Config{Traceparent: tracer.Inject})
		if err != nil {
			t.Fatal(err)
		}
		for name, s := range map[string]sender{"server": n.Server, "emitter": e} {
			options := []ignis.SendOption{ignis.Except("c"), ignis.Key("k"), wire.From(wire.Sender{ID: "c", UserID: "u"})}
			ctx := tracer.Extract(t.Context(), traceparent("7"))
			if err := s.Send(ctx, ignis.ToRoom("r"), "x", 1, options...); err != nil {
				t.Fatal(err)
			}
			_, envelope, _ := strings.Cut(strings.Join(b.take(), ""), " ")
			decoded, err := wire.DecodeEnvelope([]byte(envelope))
			if err != nil {
				t.Fatal(err)
			}
			v := reflect.ValueOf(decoded)
			for i := range v.NumField() {
				if v.Field(i).IsZero() {
					t.Errorf("the %s does not set %s: %s", name, v.Type().Field(i).Name, envelope)
				}
			}
		}
	})
}

// Stats reports each counter in one field, and has no field that is never set.
func TestStatsReportsEveryCounter(t *testing.T) {
	s, err := ignis.New(ignis.Config{Authenticate: anyone})
	if err != nil {
		t.Fatal(err)
	}
	counters := ignis.FillCounters(s) // with different values
	fields := make(map[uint64][]string)
	stats := reflect.ValueOf(s.Stats())
	for i := range stats.NumField() {
		name, v := stats.Type().Field(i).Name, stats.Field(i)
		switch v.Kind() {
		case reflect.Uint64:
			fields[v.Uint()] = append(fields[v.Uint()], name)
		case reflect.Map:
			for _, key := range v.MapKeys() {
				n := v.MapIndex(key).Uint()
				fields[n] = append(fields[n], name+"."+key.String())
			}
		}
	}
	for counter, n := range counters {
		if len(fields[n]) != 1 {
			t.Errorf("the counter %s is reported as %v", counter, fields[n])
		}
	}
	if unset := fields[0]; !slices.Equal(unset, []string{"BusLost"}) { // the bus counts these
		t.Errorf("Stats does not set %v", unset)
	}
}

// Each hook is called somewhere, under its own name.
func TestEveryHookIsCalled(t *testing.T) {
	called := make(map[string]bool)
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		for _, m := range regexp.MustCompile(`hook\(s, "(\w+)", (?:s\.cfg\.Hooks\.(\w+)|f),`).FindAllStringSubmatch(source(t, file), -1) {
			called[m[1]] = true
			if m[2] != "" && m[2] != m[1] {
				t.Errorf("%s calls the hook %s as %s", file, m[2], m[1])
			}
		}
	}
	var hooks []string
	for _, f := range reflect.VisibleFields(reflect.TypeFor[ignis.Hooks]()) {
		hooks = append(hooks, f.Name)
	}
	if names := slices.Sorted(maps.Keys(called)); !slices.Equal(names, slices.Sorted(slices.Values(hooks))) {
		t.Errorf("called are %v, and Hooks has %v", names, hooks)
	}
}

// constants returns the names of the constants in a file that begin with prefix.
func constants(t *testing.T, file, prefix string) (names []string) {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, decl := range parsed.Decls {
		if d, ok := decl.(*ast.GenDecl); ok && d.Tok == token.CONST {
			for _, spec := range d.Specs {
				for _, name := range spec.(*ast.ValueSpec).Names {
					if strings.HasPrefix(name.Name, prefix) {
						names = append(names, name.Name)
					}
				}
			}
		}
	}
	if len(names) == 0 {
		t.Fatalf("%s has no constants %s*", file, strconv.Quote(prefix))
	}
	return names
}

// source returns the text of a file.
func source(t *testing.T, file string) string {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
