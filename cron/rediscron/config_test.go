package rediscron_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/ignis-go/ignis/cron"
	"github.com/ignis-go/ignis/cron/rediscron"
	"github.com/ignis-go/ignis/internal/redistest"
	"github.com/ignis-go/ignis/redisbus"
)

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]rediscron.Config{
		"nothing":         {},
		"a bad URL":       {URL: "http://127.0.0.1"},
		"both":            {URL: "redis://127.0.0.1", Redis: &redisbus.Config{URL: "redis://127.0.0.1"}},
		"a brace":         {URL: "redis://127.0.0.1", Prefix: "a{b}"},
		"a blank":         {URL: "redis://127.0.0.1", Node: "a b"},
		"a negative time": {URL: "redis://127.0.0.1", Timeout: -1},
		"a long prefix":   {URL: "redis://127.0.0.1", Prefix: strings.Repeat("a", 129)},
		"a long node":     {URL: "redis://127.0.0.1", Node: strings.Repeat("a", 129)},
		"a control byte":  {URL: "redis://127.0.0.1", Node: "a\x7f"},
		"its prefix":      {Redis: &redisbus.Config{URL: "redis://127.0.0.1", Prefix: "a b"}},
		"its name":        {Redis: &redisbus.Config{URL: "redis://127.0.0.1", Name: "a b"}},
	} {
		if _, err := rediscron.New(c); !errors.Is(err, rediscron.ErrConfig) && !errors.Is(err, redisbus.ErrConfig) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := rediscron.New(rediscron.Config{URL: "redis://127.0.0.1", Timeout: -1}); err == nil || !strings.HasSuffix(err.Error(), "or 0 for 3s") {
		t.Errorf("the default of Timeout is not documented: %v", err)
	}
	for _, c := range []rediscron.Config{{}, {Prefix: strings.Repeat("a", 128)}, {Node: strings.Repeat("a", 128)}, {Node: "!~"}, {Timeout: 1}} {
		c.URL = "redis://127.0.0.1"
		if _, err := rediscron.New(c); err != nil {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

// The settings of a Config reach Redis.
func TestConfig(t *testing.T) {
	t.Parallel()
	r := redistest.Start(t)
	for name, c := range map[string]rediscron.Config{
		"ignis-cron": {URL: r.URL()},
		"mine":       {Redis: &redisbus.Config{URL: r.URL(), Name: "mine"}, Prefix: "own"},
	} {
		s := open(t, c)
		at := whole(redisTime(t, s)).Add(time.Second)
		await(t, s, at)
		claim(t, s, at, "a", cron.Granted)
		if clients := r.Do("client", "list"); !strings.Contains(clients, "name="+name+" ") {
			t.Errorf("%s: Redis knows %s", name, clients)
		}
		runs, err := s.Runs(t.Context(), "job", 1)
		host, _ := os.Hostname()
		if want := fmt.Sprintf("%.100s/%d", host, os.Getpid()); err != nil || len(runs) != 1 || runs[0].Node != want {
			t.Errorf("%s: %+v (%v), want the node %s", name, runs, err, want)
		}
	}
	for _, key := range []string{"ignis:cron:{job}:state", "ignis:cron:{job}:claims", "own:{job}:state", "own:{job}:claims"} {
		if got := strings.TrimSpace(r.Do("exists", key)); got != "1" {
			t.Errorf("%s: %q", key, got)
		}
	}
}

// Timeout limits connecting, too. A call that waits while another one connects ends with its
// context.
func TestConnecting(t *testing.T) {
	t.Parallel()
	server, dialing, may := redistest.Pretend(t), make(chan time.Duration, 10), make(chan struct{})
	option := rueidis.ClientOption{InitAddress: []string{server.Addr()}, ForceSingleClient: true}
	option.DialCtxFn = func(ctx context.Context, addr string, dialer *net.Dialer, _ *tls.Config) (net.Conn, error) {
		dialing <- dialer.Timeout
		<-may
		return dialer.DialContext(ctx, "tcp", addr)
	}
	s := open(t, rediscron.Config{Redis: &redisbus.Config{Option: &option}, Timeout: time.Hour})
	first := make(chan error, 1)
	go func() {
		_, err := s.Last(t.Context(), cron.Query{Job: "job"})
		first <- err
	}()
	if limit := <-dialing; limit != time.Hour {
		t.Errorf("connecting is limited to %v", limit)
	}
	reason := errors.New("the reason")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(reason)
	if _, err := s.Last(ctx, cron.Query{Job: "job"}); !errors.Is(err, reason) || !strings.HasPrefix(err.Error(), "rediscron: ") {
		t.Errorf("while another call connects: %v", err)
	}
	close(may)
	if err := <-first; err != nil {
		t.Error(err)
	}
}
