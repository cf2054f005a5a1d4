package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/ignis-go/ignis/internal/childproc"
)

const (
	centrifugoModule  = "github.com/centrifugal/centrifugo/v6"
	centrifugoVersion = "v6.9.1"
)

// installCentrifugo builds the program Centrifugo from its module. The module is not required
// in go.mod, because the other servers would then use the versions that it requires.
func installCentrifugo(ctx context.Context, dir, binary string) error {
	fmt.Fprintln(os.Stderr, "building Centrifugo, which takes minutes the first time")
	c := childproc.CommandContext(ctx, "go", "install", "-trimpath", centrifugoModule+"@"+centrifugoVersion)
	c.Dir = dir
	c.Env = append(os.Environ(), "GOBIN="+dir)
	if out, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("installing %s@%s: %w\n%s", centrifugoModule, centrifugoVersion, err, out)
	}
	return os.Rename(filepath.Join(dir, centrifugo), binary)
}

// centrifugoConfig contains the settings of Centrifugo besides its port and key. By default, it
// uses memory instead of Redis, and channels have no history.
const centrifugoConfig = `{
	"http_server": {"address": "127.0.0.1", "port": %d},
	"http_api": {"key": %q},
	"client": {"insecure": true},
	"channel": {"without_namespace": {"allow_subscribe_for_client": true}},
	"log": {"level": "error"},
	"usage_stats": {"disabled": true}
}`

// serveCentrifugo starts Centrifugo on the given core.
func (l *lab) serveCentrifugo(ctx context.Context, s system, core, key string) (*server, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	file := filepath.Join(l.dir, "centrifugo.json")
	if err := os.WriteFile(file, fmt.Appendf(nil, centrifugoConfig, port, key), 0o600); err != nil {
		return nil, err
	}
	p, err := start(s.name, core, l.dir, []string{"GOMAXPROCS=1"}, l.binary(s), "-c", file)
	if err != nil {
		return nil, err
	}
	addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	if err := p.awaitPort(ctx, addr); err != nil {
		p.kill()
		return nil, err
	}
	return ready(ctx, s, p, addr)
}

// awaitPort waits until the process accepts connections.
func (p *process) awaitPort(ctx context.Context, addr string) error {
	for began := time.Now(); time.Since(began) < patience; {
		if err := p.alive(); err != nil {
			return err
		}
		if conn, err := net.DialTimeout("tcp", addr, time.Second); err == nil {
			return conn.Close()
		}
		if err := pause(ctx, 50*time.Millisecond); err != nil {
			return err
		}
	}
	return fmt.Errorf("%s was not ready after %v:\n%s", p.name, patience, p.output())
}
