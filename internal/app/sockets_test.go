package app

import (
	"errors"
	"net"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ignis-go/ignis/internal/listen"
	"github.com/ignis-go/ignis/internal/systemd"
)

// socket returns a socket of systemd with a name.
func socket(t *testing.T, name, network, address string) systemd.Socket {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), network, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return systemd.Socket{Name: name, Listener: l}
}

// Sockets with a name go to the address that names it, and the others to the one without a name.
// Unix sockets do not use TLS.
func TestTakeSockets(t *testing.T) {
	web, api := socket(t, "web", "tcp", "127.0.0.1:0"), socket(t, "api", "tcp", "127.0.0.1:0")
	local := socket(t, "web", "unix", filepath.Join(t.TempDir(), "s"))
	c := Config{Sockets: []systemd.Socket{web, api, local}}
	c.Listen.Addresses = []listen.Address{{Network: listen.TCP, Name: "127.0.0.1:1"}, {Network: listen.Systemd, TLS: true, ProxyProtocol: true}}
	c.API.Listen = []listen.Address{{Network: listen.Systemd, Name: "api"}}
	if err := c.takeSockets(); err != nil {
		t.Fatal(err)
	}
	got := c.addresses()
	want := []listen.Address{
		{Network: listen.TCP, Name: "127.0.0.1:1"},
		{Network: listen.TCP, Name: web.Listener.Addr().String(), Listener: web.Listener, TLS: true, ProxyProtocol: true},
		{Network: listen.Unix, Name: local.Listener.Addr().String(), Listener: local.Listener, ProxyProtocol: true},
		{Network: listen.TCP, Name: api.Listener.Addr().String(), Listener: api.Listener},
	}
	if len(got) != len(want) || len(c.Listen.Addresses) != 3 {
		t.Fatalf("got %+v", got)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("got %+v, want %+v", got[i], want[i])
		}
	}
}

// Development mode does not accept a socket that others can reach.
func TestDevelopmentWithSocketForOthers(t *testing.T) {
	c := development()
	c.Listen.Addresses = []listen.Address{{Network: listen.Systemd}}
	c.Sockets = []systemd.Socket{socket(t, "web", "tcp", "0.0.0.0:0")}
	_, err := New(c)
	if e, ok := errors.AsType[*Error](err); !ok || !e.Usage || !strings.Contains(e.Error(), "--dev lets anyone in") {
		t.Errorf("got %v", err)
	}
}
