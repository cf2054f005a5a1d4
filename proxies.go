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
	// Unix includes all peers without an IP address, which are those that connect to a
	// Unix socket.
	Unix bool
	// Header is the header with the client's address: X-Forwarded-For or Forwarded (RFC
	// 7239). Every proxy must set or remove it, because a header that is passed on
	// unchanged may come from the client. Empty: X-Forwarded-For.
	Header string
}

// RemoteAddr returns the address of the client that sent the request, for
// [Accepted].RemoteAddr. It reads the header from right to left, starting with the entry
// of the nearest proxy, and returns the first address that does not belong to a proxy. If
// the request does not come from a proxy, or the header is missing or malformed, it
// returns the last address that can be trusted. The result may have no port. A handler in
// front of the server can set r.RemoteAddr to it, so that it is used for refused requests, too.
func (p Proxies) RemoteAddr(r *http.Request) string {
	certain := r.RemoteAddr
	if _, hasIP := hostAddr(certain); hasIP && !p.trusts(certain) || !hasIP && !p.Unix {
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

// hops returns the addresses in the header, beginning with the client's. A malformed
// element is returned as an empty string.
func (p Proxies) hops(r *http.Request) (hops []string) {
	name := p.Header
	if name == "" {
		name = "X-Forwarded-For"
	}
	for _, line := range r.Header.Values(name) {
		if strings.EqualFold(name, "Forwarded") {
			hops = append(hops, forwardedFor(line)...)
			continue
		}
		for element := range strings.SplitSeq(line, ",") {
			hops = append(hops, strings.TrimSpace(element))
		}
	}
	return hops
}

// forwardedFor returns the for parameter of each element of a Forwarded header line (RFC
// 7239, section 4), or an empty string for an element without one. A host parameter, which
// the client chooses, may contain commas and semicolons in a quoted string. A line with an
// unterminated string counts as one malformed element.
func forwardedFor(line string) (hops []string) {
	elements, ok := splitQuoted(line, ',')
	if !ok {
		return []string{""}
	}
	for _, element := range elements {
		pairs, _ := splitQuoted(element, ';')
		hop := ""
		for _, pair := range pairs {
			if name, value, _ := strings.Cut(strings.TrimSpace(pair), "="); strings.EqualFold(name, "for") {
				hop = strings.Trim(value, `"`)
			}
		}
		hops = append(hops, hop)
	}
	return hops
}

// splitQuoted splits text at separators that are not within quoted strings. It reports
// false if a string is unterminated.
func splitQuoted(text string, separator byte) (parts []string, ok bool) {
	quoted, start := false, 0
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case !quoted && c == separator:
			parts = append(parts, text[start:i])
			start = i + 1
		}
	}
	return append(parts, text[start:]), !quoted
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
