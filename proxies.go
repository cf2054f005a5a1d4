package ignis

import (
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// Proxies describes the reverse proxies that are trusted to report the client's address.
type Proxies struct {
	// Networks are the addresses of the proxies.
	Networks []netip.Prefix
	// Header is the header with the client's address: X-Forwarded-For or Forwarded (RFC
	// 7239). Every proxy must set or remove it, because a header that is passed on
	// unchanged may come from the client. Empty: X-Forwarded-For.
	Header string
}

// RemoteAddr returns the address of the client that sent the request, for
// [Accepted].RemoteAddr. It reads the header from right to left, starting with the entry
// of the nearest proxy, and returns the first address that does not belong to a proxy. If
// the request does not come from a proxy, or the header is missing or malformed, it
// returns the last address that can be trusted. The result may have no port.
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

// hops returns the addresses in the header, starting with the client's.
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
