package main

import (
	"strings"
	"testing"

	"github.com/ignis-go/ignis/internal/longtest"
	"github.com/ignis-go/ignis/internal/redistest"
)

// With one room, the clients need not be allowed to join any. With more, they must be.
func TestBenchOneRoom(t *testing.T) {
	longtest.Mark(t)
	t.Parallel()
	secret := strings.Repeat("s", 32)
	r := redistest.Start(t)
	_, address := serve(t, []string{"IGNIS_JWT_SECRET=" + secret}, "--redis", r.URL())
	token := sign(t, secret, map[string]any{"sub": "ann", "exp": inAnHour()})
	args := []string{"--redis", r.URL(), "--token", token, "--clients", "6", "--duration", "1s"}
	for _, rooms := range [][]string{nil, {"--rooms", "1"}} {
		got, _ := measure(t, address, append(rooms, args...)...)
		if got.Messages < 5 || got.Deliveries != got.Messages*6 || got.Lost != 0 {
			t.Errorf("%q: %+v", rooms, got)
		}
	}
	p := start(t, nil, append([]string{"bench", "--url", "ws://" + address + "/ws", "--rooms", "2"}, args...)...)
	if code := p.wait(); code == 0 || !strings.Contains(p.errors.text(), "bench-0000") {
		t.Errorf("two rooms that the clients may not join: exit code %d", code)
	}
}
