package limit

import (
	"encoding/binary"
	"net/netip"
)

// network is what counts as one address: an IPv4 address, or an IPv6 network of 64 bits,
// because one host can usually use all addresses of such a network.
type network struct {
	bits  uint64
	wider bool // IPv6
}

// nat64 is the prefix of IPv6 addresses that contain the IPv4 address of a host behind a
// translator (RFC 6052). All of them are in the same network of 64 bits.
var nat64 = netip.MustParsePrefix("64:ff9b::/96")

// networkOf returns the network of an address. It reports false for addresses to which no
// limit applies: loopback addresses, and those that identify nobody.
func networkOf(a netip.Addr) (network, bool) {
	a = a.Unmap()
	switch {
	case !a.IsValid() || a.IsLoopback() || a.IsUnspecified():
		return network{}, false
	case a.Is4():
		b := a.As4()
		return network{bits: uint64(binary.BigEndian.Uint32(b[:]))}, true
	}
	b := a.As16()
	if nat64.Contains(a.WithZone("")) {
		return network{bits: uint64(binary.BigEndian.Uint32(b[12:]))}, true
	}
	return network{bits: binary.BigEndian.Uint64(b[:8]), wider: true}, true
}
