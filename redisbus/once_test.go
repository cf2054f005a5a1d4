package redisbus_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ignis-go/ignis/internal/redistest"
	"github.com/ignis-go/ignis/redisbus"
)

// claim claims a key and checks what is stored.
func claim(t *testing.T, n *node, key, value, want string, ttl time.Duration) {
	t.Helper()
	got, err := n.Claim(t.Context(), key, []byte(value), ttl)
	if err != nil || string(got) != want || (got == nil) != (want == "") {
		t.Errorf("Claim(%s, %s) = %q, %v, want %q", key, value, got, err, want)
	}
}

// Only one instance can claim a key until it is released or its time has ended.
func TestClaims(t *testing.T) {
	t.Parallel()
	for name, start := range map[string]func() string{
		"single":   func() string { return redistest.Start(t).URL() },
		"Sentinel": func() string { return redistest.StartSentinel(t, 1).URL() },
		"Cluster":  func() string { return redistest.StartCluster(t).URL() },
	} {
		t.Run(name, func(t *testing.T) {
			cfg := patient(start())
			cfg.Prefix = "shop:"
			a, b := run(t, cfg, nil), run(t, cfg, nil)
			binary := string(bytes.Repeat([]byte{0, '\r', '\n', 0xff}, 32<<10))
			claim(t, a, "k", "1", "", time.Minute)
			claim(t, b, "k", "2", "1", time.Minute)
			if err := b.Replace(t.Context(), "k", []byte(binary), time.Minute); err != nil {
				t.Error(err)
			}
			claim(t, a, "k", "3", binary, time.Minute)
			if err := a.Release(t.Context(), "k"); err != nil {
				t.Error(err)
			}
			claim(t, b, "k", "4", "", time.Minute)
			claim(t, a, "short", "1", "", 10*time.Millisecond)
			redistest.Wait(t, "the claim to end", func() bool {
				got, err := b.Claim(t.Context(), "short", []byte("2"), time.Minute)
				return err == nil && got == nil
			})
			// Of concurrent claims, one succeeds.
			var all sync.WaitGroup
			var won atomic.Int64
			for i := range 20 {
				all.Go(func() {
					n := []*node{a, b}[i%2]
					got, err := n.Claim(t.Context(), "race", []byte(fmt.Sprint(i)), time.Minute)
					if err != nil {
						t.Error(err)
					}
					if got == nil {
						won.Add(1)
					}
				})
			}
			all.Wait()
			if won.Load() != 1 {
				t.Errorf("%d claims have succeeded", won.Load())
			}
		})
	}
}

// A claim does not wait for a connection.
func TestClaimsWithoutRedis(t *testing.T) {
	t.Parallel()
	r := redistest.Start(t)
	n := run(t, impatient(r.URL()), nil)
	r.Kill()
	redistest.Wait(t, "the outage to be noticed", func() bool { return n.Health() != nil })
	check := func(want error) {
		t.Helper()
		_, claim := n.Claim(t.Context(), "k", []byte("1"), time.Minute)
		for what, err := range map[string]error{"Claim": claim, "Replace": n.Replace(t.Context(), "k", []byte("1"), time.Minute), "Release": n.Release(t.Context(), "k")} {
			if !errors.Is(err, want) {
				t.Errorf("%s = %v, want %v", what, err, want)
			}
		}
	}
	check(redisbus.ErrUnavailable)
	r.Restart()
	redistest.Wait(t, "the bus to reconnect", func() bool { return n.Health() == nil })
	claim(t, n, "k", "1", "", time.Minute)
	n.stop()
	check(redisbus.ErrNotRunning)
}

func TestInvalidClaims(t *testing.T) {
	t.Parallel()
	r := redistest.Start(t)
	r.Do("acl", "setuser", "few", "on", ">secret", "~*", "&*", "+@all", "-set")
	n := run(t, impatient("redis://few:secret@"+r.Addr()), nil)
	if _, err := n.Claim(t.Context(), "k", []byte("1"), time.Minute); err == nil || !strings.Contains(err.Error(), "NOPERM") {
		t.Errorf("without the right: %v", err)
	}
	if n.Stats().StoreFailures != 1 {
		t.Errorf("stats %+v", n.Stats())
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := n.Release(ended, "k"); !errors.Is(err, context.Canceled) {
		t.Errorf("with an ended context: %v", err)
	}
	for _, row := range []struct{ key, value string }{{"k", ""}, {"k", strings.Repeat("x", 256<<10+1)}, {strings.Repeat("k", 129), "1"}} {
		if _, err := n.Claim(t.Context(), row.key, []byte(row.value), time.Minute); err == nil {
			t.Errorf("a key of %d bytes and a value of %d are accepted", len(row.key), len(row.value))
		}
	}
	if n.Replace(t.Context(), "k", nil, time.Minute) == nil {
		t.Error("an empty value is accepted")
	}
}
