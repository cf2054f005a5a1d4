package main

import (
	"strings"
	"syscall"
	"testing"

	"github.com/ignis-go/ignis/internal/redistest"
)

// A server without Redis logs that no Redis is configured, except in development mode.
func TestServeWithoutRedis(t *testing.T) {
	const alone = "no Redis is configured"
	secret := []string{"IGNIS_JWT_SECRET=" + strings.Repeat("s", 32)}
	r := redistest.Start(t)
	for name, test := range map[string]struct {
		settings, args []string
		logs           bool
	}{
		"alone":                {secret, nil, true},
		"in development":       {nil, []string{"--dev"}, false},
		"with Redis":           {secret, []string{"--redis", r.URL()}, false},
		"Redis in development": {nil, []string{"--dev", "--redis", r.URL()}, false},
	} {
		p, _ := serve(t, test.settings, test.args...)
		p.signal(syscall.SIGTERM)
		p.wait()
		if strings.Contains(p.errors.text(), alone) != test.logs {
			t.Errorf("%s: logged %q: %v, want %v", name, alone, !test.logs, test.logs)
		}
	}
}
