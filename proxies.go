package ignis

import (
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// Proxies are the reverse proxies in front of a server, whose word on the client's
// address counts.
type Proxies struct {
	// Networks are the addresses that the proxies have.
	Networks []netip.Prefix
	// Header is the header in which they write the client's address: X-Forwarded-For
	// or Forwarded (RFC 7239). It must be one that every proxy writes or removes: what
	// a proxy passes on untouched may come from the client. Empty: X-Forwarded-For.
	Header string
}

// RemoteAddr returns the address of the client that a request comes from, for
// [Accepted].RemoteAddr. It reads the header from the right, where the nearest proxy
// has written, and returns the first address that is not a proxy's. A request that does
// not come from a proxy, or whose header is missing or malformed, has the last address
// that is certain. The port may be missing.
func (p Proxies) RemoteAddr(r *http.Request) string {
	certain := r.RemoteAddr
	if !p.trusts(certain) {
		return certain
	}
	for _, hop := range slices.Backward(p.hops(r)) {
		if _, ok := hostAddr(hop); !ok {
			return certain
		}
		certain = hop
		if !p.trusts(hop) {
			return hop
		}
	}
	return certain
}

// hops returns the addresses in the header, the client's first.
func (p Proxies) hops(r *http.Request) (hops []string) {
	name := p.Header
	if name == "" {
		name = "X-Forwarded-For"
	}
	forwarded := strings.EqualFold(name, "Forwarded")
	for _, line := range r.Header.Values(name) {
		for element := range strings.SplitSeq(line, ",") {
			element = strings.TrimSpace(element)
			if forwarded {
				element = forParameter(element)
			}
			hops = append(hops, element)
		}
	}
	return hops
}

// forParameter returns the for parameter of an element of Forwarded, or "".
func forParameter(element string) string {
	for pair := range strings.SplitSeq(element, ";") {
		name, value, _ := strings.Cut(strings.TrimSpace(pair), "=")
		if strings.EqualFold(name, "for") {
			return strings.Trim(value, `"`)
		}
	}
	return ""
}

func (p Proxies) trusts(hostport string) bool {
	addr, ok := hostAddr(hostport)
	return ok && slices.ContainsFunc(p.Networks, func(n netip.Prefix) bool { return n.Contains(addr) })
}

// hostAddr returns the IP address of a host with or without a port.
func hostAddr(hostport string) (netip.Addr, bool) {
	host, _, err := net.SplitHostPort(hostport)
	if err != nil {
		host = strings.TrimSuffix(strings.TrimPrefix(hostport, "["), "]")
	}
	addr, err := netip.ParseAddr(host)
	return addr.Unmap().WithZone(""), err == nil
}
