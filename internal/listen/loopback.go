package listen

import (
	"net"
	"net/netip"
	"strings"
)

// IsLoopback reports whether host, a name or an address without a port, can only be this
// machine.
func IsLoopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(host, "["), "]"))
	return err == nil && ip.Unmap().IsLoopback()
}

// IsLoopbackHost is like IsLoopback, for a host with or without a port.
func IsLoopbackHost(hostport string) bool {
	if host, _, err := net.SplitHostPort(hostport); err == nil {
		return IsLoopback(host)
	}
	return IsLoopback(hostport)
}
