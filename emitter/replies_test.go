package emitter_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ignis-go/ignis/wire"

	"github.com/ignis-go/ignis/emitter"
	"github.com/ignis-go/ignis/internal/redistest"
	"github.com/ignis-go/ignis/redisbus"
)

// A Redis whose disk is full answers PING with an error and takes messages.
func TestRedisThatCannotSave(t *testing.T) {
	r := redistest.Start(t)
	e, err := emitter.New(t.Context(), emitter.Config{Redis: &redisbus.Config{URL: r.URL(), ProbeInterval: time.Nanosecond}})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	r.Do("config", "set", "save", "3600 1")
	if err := os.RemoveAll(filepath.Dir(r.Socket())); err != nil {
		t.Fatal(err)
	}
	r.Do("bgsave")
	redistest.Wait(t, "PING to fail", func() bool {
		_, err := r.Try("ping")
		return err != nil && strings.Contains(err.Error(), "MISCONF")
	})
	if err := e.Send(t.Context(), wire.ToEveryone(), "x", 1); err != nil {
		t.Errorf("Broadcast = %v", err)
	}
	later, err := emitter.Dial(t.Context(), r.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer later.Close()
	if err := later.Send(t.Context(), wire.ToEveryone(), "x", 1); err != nil {
		t.Errorf("Broadcast = %v", err)
	}
}

// What a replica takes reaches nobody: the message has an error that says so.
func TestRedisThatBecomesAReplica(t *testing.T) {
	r := redistest.Start(t)
	e, err := emitter.New(t.Context(), emitter.Config{Redis: &redisbus.Config{URL: r.URL(), ProbeInterval: time.Nanosecond}})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	r.Do("replicaof", "127.0.0.1", "1")
	err = e.Send(t.Context(), wire.ToEveryone(), "x", 1)
	if !errors.Is(err, redisbus.ErrUnavailable) || !strings.Contains(err.Error(), "is a replica of 127.0.0.1:1") {
		t.Errorf("Broadcast = %v", err)
	}
	r.Do("replicaof", "no", "one")
	if err := e.Send(t.Context(), wire.ToEveryone(), "x", 1); err != nil {
		t.Errorf("a master again: %v", err)
	}
}
