package main

import (
	"fmt"
	"math/rand/v2"
	"net"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/ignis-go/ignis/internal/childproc"
	"github.com/ignis-go/ignis/internal/longtest"
	"github.com/ignis-go/ignis/internal/redistest"
)

// The tests in this file kill servers behind nginx, HAProxy and Caddy with the configurations in
// docs/proxies.md. No client is refused: one that cannot be sent to its server is sent to another
// one, and a server that is back gets clients again. The clients stay connected, because a proxy may
// forget a failure only when a request ends.

// fixedAddress returns a free host:port that stays free: other tests do not use its host.
func fixedAddress(t *testing.T, host string) string {
	t.Helper()
	for range 10 {
		address := net.JoinHostPort(host, strconv.Itoa(3000+rand.IntN(7000)))
		if l, err := net.Listen("tcp", address); err == nil {
			_ = l.Close()
			return address
		}
	}
	if runtime.GOOS == "linux" { // where 127.0.0.0/8 is local
		t.Fatalf("no port of %s is free", host)
	}
	t.Skip("this system has no other loopback addresses")
	return ""
}

// serveAt starts a server for the tests of proxies on a given address.
func serveAt(t *testing.T, program, address string, args ...string) *process {
	t.Helper()
	args = slices.Concat([]string{"serve", "--listen", address}, behindProxy(t), args)
	p := startCommand(t, nil, childproc.Command(program, args...))
	p.line()
	return p
}

// failsOver kills and restarts each of the servers once, behind the proxy that startProxy starts.
func failsOver(t *testing.T, addresses []string, args []string, startProxy func() *front) {
	t.Helper()
	servers := make([]*process, len(addresses))
	for i, address := range addresses {
		servers[i] = serveAt(t, "ignis", address, args...)
	}
	f := startProxy()
	refused := 0
	connect := func(n int) {
		for range n {
			if _, err := f.tryDial("127.0.0.1"); err != nil {
				refused++
				t.Logf("a client was refused: %v", err)
			}
		}
	}
	connect(3 * len(servers))
	for i, p := range servers {
		p.signal(syscall.SIGKILL)
		p.wait()
		connect(6)
		p = serveAt(t, "ignis", addresses[i], args...)
		redistest.Wait(t, fmt.Sprintf("server %d to get a client again", i+1), func() bool {
			connect(1)
			return strings.Contains(p.errors.text(), "client connected") || refused > 20
		})
	}
	connect(30)
	if refused > 0 {
		t.Errorf("%d clients were refused", refused)
	}
}

func TestNginxServersFail(t *testing.T) {
	longtest.Mark(t)
	t.Parallel()
	program(t, "nginx")
	ca, cert, key := tlsPair(t)
	var addresses []string
	for i := range 3 {
		addresses = append(addresses, fixedAddress(t, fmt.Sprintf("127.0.1.%d", 1+i)))
	}
	failsOver(t, addresses, nil, func() *front { return nginxForThree(t, ca, cert, key, addresses) })
}

func TestHAProxyServersFail(t *testing.T) {
	longtest.Mark(t)
	t.Parallel()
	program(t, "haproxy")
	ca, pem := proxyPEM(t)
	addresses := [2]string{fixedAddress(t, "127.0.2.1"), fixedAddress(t, "127.0.2.2")}
	failsOver(t, addresses[:], nil, func() *front {
		return haproxy(t, 0, ca, "8080", addresses, "/etc/haproxy/example.pem", pem)
	})
}

func TestHAProxyWithoutTLSServersFail(t *testing.T) {
	longtest.Mark(t)
	t.Parallel()
	program(t, "haproxy")
	ca, cert, key := tlsPair(t)
	addresses := [2]string{fixedAddress(t, "127.0.3.1"), fixedAddress(t, "127.0.3.2")}
	args := []string{"--tls-cert", cert, "--tls-key", key, "--proxy-protocol"}
	failsOver(t, addresses[:], args, func() *front { return haproxy(t, 1, ca, "8443", addresses) })
}

func TestCaddyServersFail(t *testing.T) {
	longtest.Mark(t)
	t.Parallel()
	program(t, "caddy")
	ca, cert, key := tlsPair(t)
	addresses := [2]string{fixedAddress(t, "127.0.4.1"), fixedAddress(t, "127.0.4.2")}
	failsOver(t, addresses[:], nil, func() *front { return caddy(t, ca, cert, key, addresses) })
}
