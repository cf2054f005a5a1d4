package main

import (
	"fmt"
	"net"
	"strconv"

	"github.com/ignis-go/ignis/internal/configfile"
)

// listenAddress is a TCP address to listen on.
type listenAddress struct{ host, port string }

// UnmarshalText parses host:port.
func (a *listenAddress) UnmarshalText(text []byte) error {
	host, port, err := net.SplitHostPort(string(text))
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil {
		return fmt.Errorf("expected host:port such as 127.0.0.1:8080 or :8080, or port 0 for any free port, but got %q", text)
	}
	*a = listenAddress{host, port}
	return nil
}

func (a listenAddress) String() string { return net.JoinHostPort(a.host, a.port) }

// Syntax implements [configfile.Scalar].
func (listenAddress) Syntax() configfile.Syntax {
	return configfile.Syntax{Type: "string", Pattern: "^[^,]*:[0-9]+$"}
}
