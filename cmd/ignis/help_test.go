package main

import (
	"strings"
	"testing"
)

// The help of each command explains it.
func TestHelp(t *testing.T) {
	t.Parallel()
	for command, want := range map[string][]string{
		"serve":        {"A token is a JWT, signed with a secret or a private key", "/readyz while it can take traffic"},
		"config":       {"ignis serve takes its settings from flags", "ignis config schema"},
		"access check": {"which rule decided", "ignis access check --config"},
		"doctor":       {"as the same user, and on the machine", "Exit codes: 0 no check failed", "ignis doctor --config"},
		"completion":   {"It asks the program that is being typed", "source <(ignis completion bash)"},
		"man":          {"one for each command, such as ignis-serve.1", "ignis man --out ~/"},
		"sdktest":      {"sdk/SPEC.md contains the rules", "Exit codes: 0 no case failed", "ignis sdktest -- node driver.mjs"},
		"docs":         {"It needs no network and no server", "ignis docs --out public"},
		"emit":         {"The event reaches the clients that are connected at that moment", "ignis emit "},
		"listen":       {"Exit codes: 0 ended by a signal", "ignis listen "},
		"bench":        {"An interrupt ends the measurement early", "wss:// is not supported", "ignis bench "},
		"cron next":    {"A note next to a time explains how a clock change affects it", patternHelp, "ignis cron next '"},
		"cron explain": {patternHelp, "ignis cron explain '"},
		"cron run":     {"Run it in as many processes", cronFileHelp},
		"cron check":   {cronFileHelp},
	} {
		t.Run(command, func(t *testing.T) {
			t.Parallel()
			p := start(t, nil, append(strings.Fields(command), "--help")...)
			code := p.wait()
			text := strings.Join(strings.Fields(p.lines.text()), " ")
			for _, s := range want {
				if s = strings.Join(strings.Fields(s), " "); code != 0 || len(s) < 10 || !strings.Contains(text, s) {
					t.Errorf("exit code %d; no %q in %s", code, s, text)
				}
			}
		})
	}
}
