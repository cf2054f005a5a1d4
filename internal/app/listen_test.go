package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/ignis-go/ignis/internal/listen"
	"github.com/ignis-go/ignis/internal/logtest"
)

// The errors are constructed, because not every machine produces them.
func TestListenHints(t *testing.T) {
	t.Parallel()
	bind := func(errno syscall.Errno) error {
		return &net.OpError{Op: "listen", Net: "tcp", Err: os.NewSyscallError("bind", errno)}
	}
	for _, row := range []struct {
		port string
		err  error
		want string
	}{
		{"80", bind(syscall.EACCES), "ports below 1024 require a privilege"},
		{"1023", bind(syscall.EACCES), "ports below 1024 require a privilege"},
		{"1024", bind(syscall.EACCES), ""},
		{"0", bind(syscall.EACCES), ""},
		{"80", bind(syscall.EADDRINUSE), "is another server running there?"},
		{"80", bind(syscall.EMFILE), ""},
		{"80", bind(syscall.EADDRNOTAVAIL), "this machine does not have that address; use one of its addresses, or :80 for all of them"},
		{"80", fmt.Errorf("listen: %w", &net.DNSError{Err: "no such host"}), "check that the host name resolves on this machine, or use an address such as 127.0.0.1:80, or :80"},
		{"80", errors.New("something else"), ""},
	} {
		hint := listenHint(on("127.0.0.1:" + row.port).Addresses[0], row.err)
		if !strings.HasPrefix(hint, row.want) || (hint == "") != (row.want == "") {
			t.Errorf("port %s, %v: %q", row.port, row.err, hint)
		}
	}
}

func TestSocketHints(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", maxSocketPath+1)
	for _, row := range []struct {
		path string
		err  error
		want string
	}{
		{"/run/x", syscall.EADDRINUSE, "is another server running there?"},
		{"/run/x", listen.ErrNotSocket, "nothing was removed"},
		{"/run/x", syscall.ENOENT, "create the folder first"},
		{"/run/x", syscall.EACCES, "let this user write to the folder"},
		{long, syscall.EINVAL, "the path has 104 bytes, but at most 107 (103 on macOS) are possible"},
		{long[1:], syscall.EINVAL, ""},
		{long, syscall.EMFILE, ""},
	} {
		err := fmt.Errorf("listen: %w", row.err)
		hint := listenHint(listen.Address{Network: listen.Unix, Name: row.path}, err)
		if !strings.HasPrefix(hint, row.want) || (hint == "") != (row.want == "") {
			t.Errorf("%s, %v: %q", row.path, row.err, hint)
		}
	}
}

// In development mode, a name that resolves to an address that other machines can reach is
// refused, and nothing listens there.
func TestDevelopmentOnResolvedName(t *testing.T) {
	c := production()
	c.Listen = on("0.0.0.0:0")
	a, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	a.cfg.Dev = true // as if the name localhost had been resolved to this address
	err = a.listen(t.Context())
	if e, ok := errors.AsType[*Error](err); !ok || !e.Usage || !strings.HasPrefix(e.Error(), "--dev lets anyone in") {
		t.Fatalf("got %v", err)
	}
	if nc, err := a.listeners.All()[0].Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("accepted %v, %v", nc, err)
	}
}

// Clients on a Unix socket have no address, unless a proxy reports it. The log warns of that.
func TestSocketWithoutAddresses(t *testing.T) {
	for name, test := range map[string]struct {
		config func() Config
		change func(*Config)
		warns  bool
	}{
		"production":      {production, func(*Config) {}, true},
		"a trusted proxy": {production, func(c *Config) { c.Proxies.Unix = true }, false},
		"TCP":             {production, func(c *Config) { c.Listen = on("127.0.0.1:0") }, false},
		"development":     {development, func(*Config) {}, false},
	} {
		var log logtest.Log
		c := test.config()
		c.Server.Logger, c.Listen = log.Logger(), on("unix:"+filepath.Join(t.TempDir(), "socket"))
		test.change(&c)
		a, err := New(c)
		if err != nil {
			t.Fatal(err)
		}
		if log.Has("clients that connect to a Unix socket have no address") != test.warns {
			t.Errorf("%s: logged %s", name, &log)
		}
		ctx, cancel := context.WithCancel(t.Context())
		a.cfg.OnReady = func(urls []string) {
			if len(urls) != 1 || strings.HasPrefix(urls[0], "unix:") == (name == "TCP") {
				t.Errorf("%s: listens on %q", name, urls)
			}
			cancel()
		}
		if err := a.Run(ctx); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
