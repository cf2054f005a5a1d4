package main

import (
	"errors"
	"strings"
	"syscall"
	"testing"

	"github.com/ignis-go/ignis/internal/redistest"
)

// A server without Redis says that it is alone, unless it is there for a try; and only one
// with Redis asks about Redis when it ends by itself.
func TestServeWithoutRedis(t *testing.T) {
	const alone = "no Redis is configured"
	secret := []string{"IGNIS_JWT_SECRET=" + strings.Repeat("s", 32)}
	r := redistest.Start(t)
	for name, test := range map[string]struct {
		settings, args []string
		says           bool
	}{
		"alone":                {secret, nil, true},
		"in development":       {nil, []string{"--dev"}, false},
		"with Redis":           {secret, []string{"--redis", r.URL()}, false},
		"Redis in development": {nil, []string{"--dev", "--redis", r.URL()}, false},
	} {
		p, _ := serve(t, test.settings, test.args...)
		p.signal(syscall.SIGTERM)
		p.wait()
		if strings.Contains(p.errors.text(), alone) != test.says {
			t.Errorf("%s: it says that it is alone: %v", name, !test.says)
		}
	}
	failed := errors.New("it failed")
	if err := (&serveCmd{}).explain(failed); err != failed { //nolint:errorlint // the same
		t.Errorf("without Redis: %v", err)
	}
	with := &serveCmd{Redis: "redis://localhost"}
	var explained *exitError
	if err := with.explain(failed); !errors.As(err, &explained) || !errors.Is(err, failed) || !strings.Contains(explained.hint, "--redis") {
		t.Errorf("with Redis: %v", err)
	}
	if err := with.explain(nil); err != nil {
		t.Errorf("no error: %v", err)
	}
}
