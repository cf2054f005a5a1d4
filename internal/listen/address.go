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
	// Systemd stands for sockets that systemd listens on. It must be replaced by addresses of
	// the other networks that have Listener set.
	Systemd = "systemd"
)

// unixPrefix marks the text of an address as the path of a Unix socket.
const unixPrefix = "unix:"

// Address says where to listen, and how.
type Address struct {
	// Network is TCP, Unix or Systemd.
	Network string
	// Name is host:port, the path of a Unix socket, or the name of sockets of systemd. Port 0
	// picks a free port. Without a name, Systemd stands for all sockets that no other address
	// names.
	Name string
	// Listener listens on the address already, unless it is nil. Mode has no effect then.
	Listener net.Listener
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

// UnmarshalText parses host:port, unix:PATH, systemd or systemd:NAME.
func (a *Address) UnmarshalText(text []byte) error {
	if network, name, named := strings.Cut(string(text), ":"); network == Systemd && !isPort(name) {
		if named && (name == "" || strings.ContainsAny(name, ":,")) {
			return fmt.Errorf("expected systemd, or systemd: and the FileDescriptorName of a socket unit, but got %q", text)
		}
		*a = Address{Network: Systemd, Name: name}
		return nil
	}
	if path, ok := strings.CutPrefix(string(text), unixPrefix); ok {
		if path == "" || strings.HasPrefix(path, "@") || strings.ContainsRune(path, 0) {
			// An abstract socket, which begins with @, has no mode: every process may connect.
			return fmt.Errorf("expected a path such as unix:/run/ignis/ignis.sock, but got %q", text)
		}
		*a = Address{Network: Unix, Name: path}
		return nil
	}
	host, port, err := net.SplitHostPort(string(text))
	if err != nil || !isPort(port) {
		return fmt.Errorf("expected host:port such as 127.0.0.1:8080 or :8080, port 0 for any free port, unix:/path/of/socket, or systemd, but got %q", text)
	}
	*a = Address{Network: TCP, Name: net.JoinHostPort(host, port)}
	return nil
}

// isPort reports whether text is the number of a port. A host can have the name systemd.
func isPort(text string) bool {
	_, err := strconv.ParseUint(text, 10, 16)
	return err == nil
}

// String returns the text that UnmarshalText accepts.
func (a Address) String() string {
	switch {
	case a.Network == Unix:
		return unixPrefix + a.Name
	case a.Network == Systemd && a.Name == "":
		return Systemd
	case a.Network == Systemd:
		return Systemd + ":" + a.Name
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
