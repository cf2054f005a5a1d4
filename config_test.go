package ignis_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"math"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gobwas/ws"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/wire"
)

func TestBadConfig(t *testing.T) {
	for name, cfg := range map[string]ignis.Config{
		"Authenticate": {},
		"DefaultRooms": {Authenticate: anyone, DefaultRooms: []string{"a", ""}},
		"Encryption":   {Authenticate: anyone, Encryption: 3},
	} {
		bad(t, name, cfg)
	}
	for name := range documentedDefaults(t) {
		cfg := ignis.Config{Authenticate: anyone}
		reflect.ValueOf(&cfg).Elem().FieldByName(name).SetInt(-1)
		if !negative(t)[name] {
			bad(t, name, cfg)
		}
	}
}

// negative returns the fields of Config for which negative values are valid, according to their
// comments.
func negative(t *testing.T) map[string]bool {
	t.Helper()
	fields := make(map[string]bool)
	for _, m := range regexp.MustCompile(`(?m)Negative:[^\n]*(?:\n\t// [^\n]*)*\n\t(\w+) `).FindAllStringSubmatch(source(t, "config.go"), -1) {
		fields[m[1]] = true
	}
	if !fields["IdleTimeout"] {
		t.Error("no field is documented to accept negative values")
	}
	return fields
}

// bad checks that New returns an error that names the field.
func bad(t *testing.T, field string, cfg ignis.Config) {
	t.Helper()
	if s, err := ignis.New(cfg); s != nil || err == nil || !strings.Contains(err.Error(), "Config."+field+" ") {
		t.Errorf("%s: error %v does not name it", field, err)
	}
}

// Zero values become the defaults that the comments in Config state.
func TestDefaultsAreAsDocumented(t *testing.T) {
	cfg, err := ignis.WithDefaults(ignis.Config{Authenticate: anyone})
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range documentedDefaults(t) {
		if got := reflect.ValueOf(cfg).FieldByName(name).Int(); got != want {
			t.Errorf("%s is %d, and documented as %d", name, got, want)
		}
	}
}

// documentedDefaults returns the defaults that the comments in Config state for numbers and
// durations, such as "0: 128 KiB.".
func documentedDefaults(t *testing.T) map[string]int64 {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "config.go", nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	pattern := regexp.MustCompile(`\b0: (no limit|no delay|30 s or less|\d+ ?(?:KiB|MiB|s)?)\.`)
	defaults := make(map[string]int64)
	ast.Inspect(file, func(n ast.Node) bool {
		f, ok := n.(*ast.Field)
		if !ok || len(f.Names) != 1 {
			return true
		}
		field, ok := reflect.TypeFor[ignis.Config]().FieldByName(f.Names[0].Name)
		if !ok || field.Type.Kind() != reflect.Int && field.Type != reflect.TypeFor[time.Duration]() {
			return true
		}
		found := pattern.FindStringSubmatch(strings.Join(strings.Fields(f.Doc.Text()), " "))
		if found == nil {
			t.Errorf("the comment of %s does not say what 0 means", field.Name)
			return true
		}
		defaults[field.Name], _ = parseDefault(found[1])
		return true
	})
	if len(defaults) < 19 {
		t.Errorf("%d defaults are documented", len(defaults))
	}
	return defaults
}

// parseDefault parses a documented default, such as "128 KiB", "5 s" or "no limit".
func parseDefault(text string) (n int64, ok bool) {
	if text == "no limit" {
		return math.MaxInt, true
	}
	switch text {
	case "no delay", "off", "30 s or less", "auto": // the last two depend on the number of clients
		return 0, true
	}
	digits, unit, _ := strings.Cut(text, " ")
	factor, ok := map[string]int64{"": 1, "KiB": 1 << 10, "MiB": 1 << 20, "s": int64(time.Second)}[unit]
	n, err := strconv.ParseInt(digits, 10, 64)
	return n * factor, ok && err == nil
}

// Durations are tested where they are used; these are the sizes.
func TestDefaults(t *testing.T) {
	if wire.DefaultPath != "/ws" || wire.DefaultMaxPayload != 131072 || wire.DefaultBackpressureLimit != 1<<20 ||
		wire.DefaultAuthTimeout != 5*time.Second || wire.DefaultIdleTimeout != 60*time.Second ||
		wire.DefaultHeartbeatInterval != 30*time.Second || wire.DefaultHeartbeatTimeout != 90*time.Second {
		t.Error("the defaults of package wire are not those of Ignis")
	}
	bubble(t, func(t *testing.T) {
		h := &heard{}
		n := startMem(t, ignis.Config{OnMessage: h.message})
		p := n.login("ann")
		frame := []byte(`{"event":"x","data":"` + strings.Repeat("a", 131072-len(`{"event":"x","data":""}`)) + `"}`)
		p.send(ws.OpText, frame)
		if p.only(); len(h.take()) != 1 {
			t.Error("a message of 128 KiB was refused")
		}
		p.bytes(encode(ws.NewTextFrame(append(frame, ' ')))[:8]) // the header is enough
		p.expect(fmt.Sprintf("<close 1009 message over %d bytes>", 131072), "<end>")
	})
}

// Up to 1 MiB may wait for a client that does not read. A pipe accepts nothing without a
// reader, and the message that the writer holds counts as waiting.
func TestBackpressureLimit(t *testing.T) {
	for _, drop := range []bool{false, true} {
		bubble(t, func(t *testing.T) {
			cfg := ignis.Config{}
			if drop {
				cfg.SlowPolicy = ignis.SlowDropNewest
			}
			n := startMem(t, cfg)
			stuck, other := n.raw(), n.login("other")
			stuck.text(authenticate)
			synctest.Wait()
			stuck.frame()                                                           // the connected event only
			data := strings.Repeat("a", 1<<16-4-128-len(`{"event":"x","data":""}`)) // 64 KiB including the header and the 128 bytes of overhead
			var want []string
			for range 16 {
				if err := n.SendLocal(ignis.ToEveryone(), "x", data); err != nil {
					t.Fatal(err)
				}
				want = append(want, `{"event":"x","data":"`+data+`"}`)
			}
			other.only(want...)
			if s := n.Stats(); s.Clients != 2 || s.Dropped["backpressure"] != 0 {
				t.Errorf("at the limit: %d clients, dropped %v", s.Clients, s.Dropped)
			}
			if c := n.ClientsOfUser(""); len(c) > 0 || !backpressured(n) {
				t.Error("no client is a SlowReader")
			}
			_ = n.SendLocal(ignis.ToEveryone(), "x", 1)
			other.only(line)
			s := n.Stats()
			if s.Dropped["backpressure"] != 1 || (s.Disconnects["backpressure"] == 1) == drop || s.Authenticated == 1 == drop {
				t.Errorf("over the limit: %+v", s)
			}
			if n.log.Count("reads too slowly") != 1 || !n.log.Has(fmt.Sprintf("cut_off=%v", !drop)) || n.log.Has("exceeds BackpressureLimit") {
				t.Errorf("log: %s", n.log)
			}
			stuck.pump()
			got := stuck.got()
			switch {
			case drop && len(got) != 16:
				t.Errorf("received %d messages", len(got))
			case !drop && (len(got) == 0 || got[len(got)-1] != "<end>"):
				t.Error("not cut off")
			}
			if drop {
				_ = n.SendLocal(ignis.ToEveryone(), "x", 1)
				stuck.only(line)
				if backpressured(n) {
					t.Error("the client is still a SlowReader")
				}
			}
		})
	}
}

func backpressured(n *node) bool {
	synctest.Wait()
	for _, c := range n.Clients() {
		if c.SlowReader {
			return true
		}
	}
	return false
}

// The maximum values mean no limit.
func TestLargestLimits(t *testing.T) {
	n := start(t, ignis.Config{
		BackpressureLimit: math.MaxInt, MaxRooms: math.MaxInt, MaxPayload: math.MaxInt, AuthTimeout: math.MaxInt64,
		ValidateRooms: allRooms,
	})
	p := n.login("ann")
	p.text(`{"event":"join","data":{"rooms":["a"]}}`)
	n.until("the client to be in the room", func() bool { return len(n.ClientsInRoom("a")) == 1 })
	for range 10 {
		if err := n.SendLocal(ignis.ToRoom("a"), "m", 1); err != nil {
			t.Error(err)
		}
		p.expect(`{"event":"m","data":1}`)
	}
}
