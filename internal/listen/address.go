package listen

import (
	"fmt"
	"io/fs"
	"net"
	"strconv"
	"strings"
)

// Networks of an [Address].
const (
	TCP  = "tcp"
	Unix = "unix"
)

// unixPrefix marks the text of an address as the path of a Unix socket.
const unixPrefix = "unix:"

// Address says where to listen, and how.
type Address struct {
	// Network is TCP or Unix.
	Network string
	// Name is host:port, or the path of a Unix socket. Port 0 picks a free port.
	Name string
	// Mode is the file mode of a Unix socket. Processes that may write to it may connect.
	// 0: [DefaultMode].
	Mode fs.FileMode
	// TLS makes connections begin with a TLS handshake. It requires [Config].TLS
	// or [Config].Certificates.
	TLS bool
	// ProxyProtocol makes connections of trusted proxies begin with a PROXY header. It
	// requires [Config].Trusted.
	ProxyProtocol bool
}

// DefaultMode is the default file mode of a Unix socket. It lets the user and the group of
// the process connect.
const DefaultMode fs.FileMode = 0o660

// UnmarshalText parses host:port or unix:PATH.
func (a *Address) UnmarshalText(text []byte) error {
	if path, ok := strings.CutPrefix(string(text), unixPrefix); ok {
		if path == "" || strings.HasPrefix(path, "@") || strings.ContainsRune(path, 0) {
			// An abstract socket, which begins with @, has no mode: every process may connect.
			return fmt.Errorf("expected a path such as unix:/run/ignis/ignis.sock, but got %q", text)
		}
		*a = Address{Network: Unix, Name: path}
		return nil
	}
	host, port, err := net.SplitHostPort(string(text))
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil {
		return fmt.Errorf("expected host:port such as 127.0.0.1:8080 or :8080, port 0 for any free port, or unix:/path/of/socket, but got %q", text)
	}
	*a = Address{Network: TCP, Name: net.JoinHostPort(host, port)}
	return nil
}

// String returns the text that UnmarshalText accepts.
func (a Address) String() string {
	if a.Network == Unix {
		return unixPrefix + a.Name
	}
	return a.Name
}

// url returns the address for users and scripts. bound is the address of the listener, with
// the port that was picked.
func (a Address) url(bound net.Addr) string {
	switch {
	case a.Network == Unix:
		return unixPrefix + a.Name
	case a.TLS:
		return "https://" + bound.String()
	}
	return "http://" + bound.String()
}
