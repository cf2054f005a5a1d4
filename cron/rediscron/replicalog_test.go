package rediscron_test

import (
	"log/slog"
	"net"
	"strings"
	"testing"

	"github.com/ignis-go/ignis/cron/rediscron"
	"github.com/ignis-go/ignis/internal/redistest"
)

// Without a logger, the default one is used.
func TestReplicasWithDefaultLogger(t *testing.T) {
	before, log := slog.Default(), new(logged)
	slog.SetDefault(log.Logger())
	defer slog.SetDefault(before)
	server := redistest.Pretend(t)
	server.Answer("INFO", bulk("role:master\r\nconnected_slaves:1\r\n"))
	look(t, open(t, rediscron.Config{URL: server.URL()}))
	if !log.Has("redis=" + server.Addr() + " ") {
		t.Errorf("logged %s", log)
	}
}

// peer is a connection to an address.
type peer struct {
	net.Conn
	addr net.TCPAddr
}

func (p *peer) RemoteAddr() net.Addr { return &p.addr }

// A node that is known only by its port is shown with the address of the connection. Others are
// shown by their names.
func TestReplicasAreNamed(t *testing.T) {
	t.Parallel()
	conn := &peer{addr: net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 7001}}
	for addr, want := range map[string]string{":7001": "192.0.2.1:7001", "redis.example:7001": "redis.example:7001"} {
		var log logged
		rediscron.LookAt(log.Logger(), addr, conn)
		if lines := log.Lines(); len(lines) != 1 || !strings.Contains(lines[0], "redis="+want+" ") {
			t.Errorf("%s: %q", addr, lines)
		}
	}
}

// The numbers of nodes that are kept and logged are limited.
func TestReplicasOfManyNodes(t *testing.T) {
	t.Parallel()
	var log logged
	if kept := rediscron.LookAtMany(log.Logger(), rediscron.MaxNodes+5); kept != rediscron.MaxNodes {
		t.Errorf("%d nodes are kept", kept)
	}
	if n := len(log.Lines()); n != rediscron.MaxWarned {
		t.Errorf("%d lines", n)
	}
}
