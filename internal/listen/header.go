package listen

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"slices"

	"github.com/pires/go-proxyproto"
)

// headerError reports that a PROXY header could not be read.
type headerError struct{ err error }

func (e *headerError) Error() string {
	if errors.Is(e.err, os.ErrDeadlineExceeded) {
		return "it did not arrive in time"
	}
	return e.err.Error()
}

func (e *headerError) Unwrap() error { return e.err }

var errNoHeader = errors.New("the connection begins with something else")

// maxHeaderV1 is the maximum length of a header of version 1.
const maxHeaderV1 = 107

// readHeader reads a PROXY header of version 1 or 2 from r, and no bytes after it. It returns
// the address of the client, or nil if the header does not name a client.
func readHeader(r io.Reader) (client net.Addr, err error) {
	raw, err := cutHeader(r)
	if err != nil {
		return nil, err
	}
	h, err := proxyproto.Read(bufio.NewReader(bytes.NewReader(raw)))
	if err != nil {
		return nil, err
	}
	if h.Command.IsLocal() {
		return nil, nil
	}
	switch a := h.SourceAddr.(type) {
	case *net.TCPAddr:
		return clientAddr(a.AddrPort()), nil
	case *net.UDPAddr:
		return clientAddr(a.AddrPort()), nil
	}
	return nil, nil // the client connected to a Unix socket of the proxy
}

func clientAddr(a netip.AddrPort) net.Addr {
	return net.TCPAddrFromAddrPort(netip.AddrPortFrom(a.Addr().Unmap(), a.Port()))
}

// cutHeader reads the bytes of a header.
func cutHeader(r io.Reader) ([]byte, error) {
	signature, length := len(proxyproto.SIGV2), len(proxyproto.SIGV2)+4
	raw := make([]byte, signature, maxHeaderV1)
	if _, err := io.ReadFull(r, raw); err != nil {
		return nil, err
	}
	switch {
	case bytes.HasPrefix(raw, proxyproto.SIGV1):
		return cutLine(r, raw)
	case !bytes.Equal(raw, proxyproto.SIGV2):
		return nil, errNoHeader
	}
	raw = raw[:length]
	if _, err := io.ReadFull(r, raw[signature:]); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint16(raw[length-2:])
	if n > proxyproto.MaxV2HeaderSize {
		return nil, fmt.Errorf("it is longer than %d bytes", proxyproto.MaxV2HeaderSize)
	}
	raw = slices.Grow(raw, int(n))[:length+int(n)]
	_, err := io.ReadFull(r, raw[length:])
	return raw, err
}

// cutLine reads the rest of a header of version 1, up to the end of the line.
func cutLine(r io.Reader, line []byte) ([]byte, error) {
	for len(line) < maxHeaderV1 {
		line = line[:len(line)+1]
		if _, err := io.ReadFull(r, line[len(line)-1:]); err != nil {
			return nil, err
		}
		if line[len(line)-1] == '\n' {
			return line, nil
		}
	}
	return nil, fmt.Errorf("its line is longer than %d bytes", maxHeaderV1)
}

// beginsHeader reports whether b, the first bytes of a connection, are those of a PROXY
// header.
func beginsHeader(b []byte) bool {
	return bytes.HasPrefix(b, proxyproto.SIGV1) || len(b) > 3 && bytes.HasPrefix(proxyproto.SIGV2, b)
}

// proxied is a connection after its PROXY header.
type proxied struct {
	net.Conn
	client net.Addr // nil if the header does not name one
}

// RemoteAddr returns the address of the client, or that of the proxy if the header does not
// name a client.
func (p *proxied) RemoteAddr() net.Addr {
	if p.client == nil {
		return p.Conn.RemoteAddr()
	}
	return p.client
}

// Inner returns the socket or TLS connection below the PROXY header of nc, or nc if it had
// none. The RemoteAddr of the result is not the client's.
func Inner(nc net.Conn) net.Conn {
	if p, ok := nc.(*proxied); ok {
		return p.Conn
	}
	return nc
}

// Anonymous reports whether nc began with a PROXY header that does not name a client. Its
// RemoteAddr is that of the proxy, but its requests may come from anyone.
func Anonymous(nc net.Conn) bool {
	p, ok := nc.(*proxied)
	return ok && p.client == nil
}
