package emitter_test

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ignis-go/ignis/wire"

	"github.com/ignis-go/ignis/emitter"
	"github.com/ignis-go/ignis/internal/redistest"
	"github.com/ignis-go/ignis/redisbus"
)

// What a Config says reaches Redis and the log, and comes before what is in its Redis.
func TestConfig(t *testing.T) {
	r := redistest.Start(t)
	url := r.URL()
	var log, unused logBuffer
	for name, c := range map[string]emitter.Config{
		"emitter": {URL: url, Logger: slog.New(slog.NewTextHandler(&log, nil))},
		"one":     {URL: url, Name: "one", Logger: slog.New(slog.NewTextHandler(&log, nil))},
		"two":     {Redis: &redisbus.Config{URL: url, Name: "two", Logger: slog.New(slog.NewTextHandler(&log, nil))}},
		"three": {
			Redis: &redisbus.Config{URL: url, Name: "unused", ProbeInterval: 1, ProbeTimeout: 100 * time.Millisecond, Logger: slog.New(slog.NewTextHandler(&unused, nil))},
			Name:  "three", Logger: slog.New(slog.NewTextHandler(&log, nil)),
		},
	} {
		e, err := emitter.New(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		defer e.Close()
		if clients := fmt.Sprint(r.Do("client", "list")); e.Name() != name || !strings.Contains(clients, "name="+name+" ") {
			t.Errorf("%s: named %s; Redis knows %s", name, e.Name(), clients)
		}
		if name != "three" {
			continue
		}
		// It is checked before each call, and does not answer that.
		r.Pause()
		err = e.Send(t.Context(), wire.ToEveryone(), "hi", 1)
		r.Resume()
		if !errors.Is(err, redisbus.ErrUnavailable) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, want := range []string{"level=WARN", "redis connection lost", "name=three", `redis="redis at ` + r.Addr(), "error="} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log has no %s:\n%s", want, log.String())
		}
	}
	if unused.String() != "" {
		t.Errorf("in the log of c.Redis: %s", unused.String())
	}
}

// logBuffer is a log that can be looked into while it is written.
type logBuffer struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
