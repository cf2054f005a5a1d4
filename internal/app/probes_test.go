package app

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/redisbus"
)

func TestReadiness(t *testing.T) {
	t.Parallel()
	lost := errors.New("dial tcp 10.1.2.3:6379: connection refused")
	for _, test := range []struct {
		health ignis.Health
		code   int
	}{
		{ignis.Health{Ready: true}, http.StatusOK},
		{ignis.Health{Ready: true, Bus: lost}, http.StatusServiceUnavailable},
		{ignis.Health{Ready: true, Bus: fmt.Errorf("%w: node 10.1.2.3:6379", redisbus.ErrPartial)}, http.StatusOK},
		{ignis.Health{Ready: false}, http.StatusServiceUnavailable},
		{ignis.Health{Draining: true}, http.StatusServiceUnavailable},
		{ignis.Health{Draining: true, Bus: lost}, http.StatusServiceUnavailable},
		{ignis.Health{Ready: false, Bus: lost}, http.StatusServiceUnavailable},
	} {
		p := readiness(test.health, false)
		if p.code() != test.code || (p.Reason == "") != (test.code == http.StatusOK) {
			t.Errorf("%+v: %d %+v", test.health, p.code(), p)
		}
		if strings.Contains(p.Reason+p.Note, "10.1.2.3") {
			t.Error("the response reveals the address of Redis")
		}
		if partial := errors.Is(test.health.Bus, redisbus.ErrPartial); (p.Note != "") != partial {
			t.Errorf("%+v: %+v", test.health, p)
		}
	}
}

func TestReadinessText(t *testing.T) {
	h := ignis.Health{Ready: true, Bus: os.ErrClosed}
	if p := readiness(h, false); strings.Contains(p.Reason, "reach each other") || !strings.Contains(p.Reason, "receive nothing") {
		t.Errorf("with tokens: %s", p.Reason)
	}
	if p := readiness(h, true); !strings.Contains(p.Reason, "still reach each other") {
		t.Errorf("in development mode: %s", p.Reason)
	}
}
