package listen

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/ignis-go/ignis/internal/loglimit"
)

// Config configures [Listeners].
type Config struct {
	// Addresses are where to listen; at least one.
	Addresses []Address
	// TLS names the files for TLS. It is required if an address has TLS set and Certificates
	// is nil.
	TLS TLS
	// Certificates, if not nil, are used instead of TLS.CertFile.
	Certificates Certificates
	// Trusted are the proxies that send PROXY headers.
	Trusted Proxies
	// KeepAlive enables TCP keep-alive with the system's defaults.
	KeepAlive bool
	// Wrap, if not nil, wraps each listener before its connections are prepared, for
	// example to refuse some of them. Accept of the result must return connections of
	// package net.
	Wrap func(net.Listener) net.Listener

	// HandshakeTimeout is the time limit for a TLS handshake. 0: 5 seconds.
	HandshakeTimeout time.Duration
	// HeaderTimeout is the time limit for receiving a PROXY header. 0: 3 seconds.
	HeaderTimeout time.Duration
	// MaxHandshakes is the maximum number of connections whose TLS handshake or PROXY
	// header is not complete. At the limit, a new connection replaces the one that has
	// waited longest for its peer if that was at least half a second; otherwise it waits
	// until there is room. 0: [DefaultMaxHandshakes].
	MaxHandshakes int

	// Log receives log lines that peers can cause. Required.
	Log *loglimit.Limiter
}

// DefaultMaxHandshakes is the default of Config.MaxHandshakes.
const DefaultMaxHandshakes = 1024

// Proxies are the peers that are trusted to report a client's address.
type Proxies struct {
	// Networks are the addresses of the proxies.
	Networks []netip.Prefix
	// Unix includes all peers that connect to a Unix socket.
	Unix bool
}

// Trusts reports whether addr belongs to a proxy.
func (p Proxies) Trusts(addr net.Addr) bool {
	switch a := addr.(type) {
	case *net.TCPAddr:
		ip := a.AddrPort().Addr().Unmap().WithZone("")
		for _, network := range p.Networks {
			if network.Contains(ip) {
				return true
			}
		}
	case *net.UnixAddr:
		return p.Unix
	}
	return false
}

// withDefaults returns c with zero values replaced by defaults.
func (c Config) withDefaults() (Config, error) {
	if len(c.Addresses) == 0 {
		return c, errors.New("no address to listen on")
	}
	seen := make(map[string]bool)
	for _, a := range c.Addresses {
		_, port, _ := net.SplitHostPort(a.Name)
		if seen[a.String()] && (a.Network != TCP || port != "0") {
			return c, fmt.Errorf("%s is listed twice", a)
		}
		seen[a.String()] = true
	}
	if c.HandshakeTimeout <= 0 {
		c.HandshakeTimeout = 5 * time.Second
	}
	if c.HeaderTimeout <= 0 {
		c.HeaderTimeout = 3 * time.Second
	}
	if c.MaxHandshakes <= 0 {
		c.MaxHandshakes = DefaultMaxHandshakes
	}
	return c, nil
}
