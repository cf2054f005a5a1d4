package redisconn_test

import (
	"crypto/tls"
	"errors"
	"net"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/ignis-go/ignis/internal/redisconn"
)

var settings = redisconn.Settings{Name: "n", ProbeInterval: time.Minute, ProbeTimeout: time.Hour, MaxIncoming: 10}

// options returns the options of both kinds of client for a target at a:1.
func options(t *testing.T, s redisconn.Settings, dial func() net.Conn, d net.Dialer) map[string]rueidis.ClientOption {
	t.Helper()
	given := rueidis.ClientOption{
		InitAddress: []string{"a:1"}, Username: "u", Password: "p", SelectDB: 2, Dialer: d,
		DialFn: func(string, *net.Dialer, *tls.Config) (net.Conn, error) { return dial(), nil },
	}
	target, err := redisconn.NewTarget("", &given)
	if err != nil {
		t.Fatal(err)
	}
	return map[string]rueidis.ClientOption{
		"for all nodes": target.ClientOption(s),
		"for one node":  target.NodeOption(s, "a:1", redisconn.Open),
	}
}

// Clients do not retry or cache, on which the check of their connections relies.
func TestOptions(t *testing.T) {
	for name, o := range options(t, settings, nil, net.Dialer{}) {
		if !o.DisableRetry || !o.DisableCache || !o.AlwaysPipelining || o.PipelineMultiplex != -1 || o.DialFn != nil {
			t.Errorf("%s: %+v", name, o)
		}
		if o.ClientName != "n" || o.ConnWriteTimeout != time.Hour || o.Dialer.Timeout != time.Hour || o.Dialer.KeepAlive != time.Minute {
			t.Errorf("%s: settings are missing in %+v", name, o)
		}
		if o.InitAddress[0] != "a:1" || o.Username != "u" || o.Password != "p" || o.SelectDB != 2 {
			t.Errorf("%s: the target is missing in %+v", name, o)
		}
	}
	often := settings
	often.ProbeInterval = time.Millisecond
	for name, o := range options(t, often, nil, net.Dialer{Timeout: time.Minute}) {
		if o.Dialer.KeepAlive != time.Second || o.Dialer.Timeout != time.Minute {
			t.Errorf("%s: keep-alive interval %v, dial timeout %v", name, o.Dialer.KeepAlive, o.Dialer.Timeout)
		}
	}
}

// Connections are checked, whichever options dialed them.
func TestConnectionsAreChecked(t *testing.T) {
	const reply = "$11\r\nhello world\r\n"
	sends := func() net.Conn {
		return &server{sends: []byte(reply), piece: func() int { return len(reply) }}
	}
	for limit, want := range map[int]bool{10: false, 100: true} {
		s := settings
		s.MaxIncoming = limit
		for name, o := range options(t, s, sends, net.Dialer{}) {
			conn, err := o.DialCtxFn(t.Context(), "a:1", &o.Dialer, nil)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := conn.Write([]byte(command("GET", "k"))); err != nil {
				t.Fatal(err)
			}
			_, err = conn.Read(make([]byte, len(reply)))
			var refused *redisconn.Error
			if errors.As(err, &refused) == want || (err == nil) != want {
				t.Errorf("%s: limit of %d, reply of %d bytes: %v", name, limit, len(reply), err)
			}
		}
	}
}
