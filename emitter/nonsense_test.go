package emitter_test

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/ignis-go/ignis/emitter"
	"github.com/ignis-go/ignis/internal/redistest"
	"github.com/ignis-go/ignis/redisbus"
	"github.com/ignis-go/ignis/wire"
)

// TestNonsenseFromRedis: a call fails with the reason, and the next one works when the
// server is sane again.
func TestNonsenseFromRedis(t *testing.T) {
	server := redistest.Pretend(t)
	e := dial(t, server.URL())
	send := func() error { return e.Send(t.Context(), wire.ToEveryone(), "event", nil) }
	for _, answer := range redistest.Nonsense {
		if answer == ":1\r\n" {
			continue // is what a Redis says
		}
		server.Answer("PUBLISH", answer)
		if err := send(); err == nil || !strings.Contains(err.Error(), ": redis: ") {
			t.Errorf("%.30q to PUBLISH: %v", answer, err)
		}
		server.Answer("", "")
		if err := send(); err != nil {
			t.Errorf("after %.30q to PUBLISH: %v", answer, err)
		}
	}
	server.Answer("HELLO", "$80000000000\r\n")
	c := emitter.Config{
		Redis:  &redisbus.Config{URL: server.URL(), StartTimeout: 500 * time.Millisecond},
		Logger: slog.New(slog.DiscardHandler),
	}
	if _, err := emitter.New(t.Context(), c); err == nil || !strings.Contains(err.Error(), "redis: a reply or message is larger than the limit") {
		t.Errorf("New = %v", err)
	}
}
