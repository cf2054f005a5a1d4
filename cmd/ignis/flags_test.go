package main

import (
	"log/slog"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/internal/doctest"
)

// parseServe returns the command for these arguments of ignis serve.
func parseServe(t *testing.T, args ...string) *serveCmd {
	t.Helper()
	parser, err := newParser(&cli{}, &stdio{})
	if err != nil {
		t.Fatal(err)
	}
	command, err := parse(parser, append([]string{"serve"}, args...))
	if err != nil {
		t.Fatal(err)
	}
	return command.Selected().Target.Addr().Interface().(*serveCmd)
}

// documentedFlag is a row of docs/limits.md about a limit that has a field and a flag.
type documentedFlag struct{ field, flag, value string }

// documentedFlags returns the rows of docs/limits.md about fields of ignis.Config.
func documentedFlags(t *testing.T) (rows []documentedFlag) {
	t.Helper()
	text := doctest.Read(t, "docs/limits.md")
	for _, m := range regexp.MustCompile("(?m)^\\|[^|]*\\| `(\\w+)`[^|]*\\| `(--[a-z-]+)`[^|]*\\| ([^|;]+?)(?:;[^|]*)? \\|").FindAllStringSubmatch(text, -1) {
		rows = append(rows, documentedFlag{m[1], m[2], strings.ReplaceAll(m[3], " ", "")})
	}
	return rows
}

// Each limit with a flag has the default that docs/limits.md states, and the flag sets
// that field of the configuration. The root package tests that the default is the
// library's.
func TestLimitFlags(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	documented := make(map[string]bool)
	var asDocumented, different []string // all flags, with their defaults and with other values
	for _, row := range documentedFlags(t) {
		documented[row.flag] = true
		other := regexp.MustCompile(`^\d+`).ReplaceAllString(row.value, "3")
		if row.value == "off" || row.value == "auto" {
			other = "3s"
		}
		asDocumented = append(asDocumented, row.flag, row.value)
		different = append(different, row.flag, other)
	}
	defaults := reflect.ValueOf(parseServe(t).limits(log))
	explicit := reflect.ValueOf(parseServe(t, asDocumented...).limits(log))
	others := reflect.ValueOf(parseServe(t, different...).limits(log))
	for _, row := range documentedFlags(t) {
		if !defaults.FieldByName(row.field).IsValid() {
			t.Fatalf("%s: ignis.Config has no field %s", row.flag, row.field)
		}
		byDefault := defaults.FieldByName(row.field).Interface()
		if byDefault != explicit.FieldByName(row.field).Interface() {
			t.Errorf("%s: the default is %v, and docs/limits.md states %s", row.flag, byDefault, row.value)
		}
		if byDefault == others.FieldByName(row.field).Interface() {
			t.Errorf("%s does not set Config.%s", row.flag, row.field)
		}
	}
	m := settingsModel(t)
	for _, k := range m.Keys() {
		if k.Flag == "" {
			continue
		}
		switch m.Field(k, new(settings)).Interface().(type) {
		case count, countOrOff, byteSize, byteSizeOrOff, period, periodOrOff, periodOrAuto:
			if !documented["--"+k.Flag] && !slices.Contains(ofListeners, k.Flag) {
				t.Errorf("docs/limits.md has no row with the flag --%s and the field of ignis.Config that it sets", k.Flag)
			}
		}
	}
}

// The settings that change limits of a running server are those that SetLimits replaces.
func TestLiveLimits(t *testing.T) {
	text, err := os.ReadFile("../../tuning.go")
	if err != nil {
		t.Fatal(err)
	}
	fields := make(map[string]string)
	for _, row := range documentedFlags(t) {
		fields[row.flag] = row.field
	}
	for _, k := range settingsModel(t).Keys() {
		if field := fields["--"+k.Flag]; field != "" && strings.Contains(string(text), "from."+field+",") != k.Live && strings.Contains(string(text), "from."+field+"\n") != k.Live {
			t.Errorf("%s: changes while the server runs: %v; ignis.Server.SetLimits replaces Config.%s: %v", k.Path, k.Live, field, !k.Live)
		}
	}
}

// ofListeners are the limits that are not fields of ignis.Config.
var ofListeners = []string{"max-handshakes", "handshake-timeout"}

// The flags with a choice accept every value that the library knows.
func TestChoices(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	for p := ignis.SlowDisconnect; !strings.HasPrefix(p.String(), "SlowPolicy("); p++ {
		if got := parseServe(t, "--slow-clients", p.String()).limits(log).SlowPolicy; got != p {
			t.Errorf("--slow-clients %v selects %v", p, got)
		}
	}
	for e := ignis.EncryptionOff; !strings.HasPrefix(e.String(), "Encryption("); e++ {
		if got := parseServe(t, "--encryption", e.String()).limits(log).Encryption; got != e {
			t.Errorf("--encryption %v selects %v", e, got)
		}
	}
}
