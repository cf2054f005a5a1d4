package main

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"syscall"
)

// listenAddress is a TCP address to listen on.
type listenAddress struct{ host, port string }

// UnmarshalText reads host:port.
func (a *listenAddress) UnmarshalText(text []byte) error {
	host, port, err := net.SplitHostPort(string(text))
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil {
		return fmt.Errorf("expected host:port such as 127.0.0.1:8080 or :8080, port 0 for any that is free, but got %q", text)
	}
	*a = listenAddress{host, port}
	return nil
}

func (a listenAddress) String() string { return net.JoinHostPort(a.host, a.port) }

// unprivileged is the first port that every user may listen on, unless the system is
// set up differently.
const unprivileged = 1024

// hint says what to do about an error of listening there; empty where that is not known.
func (a listenAddress) hint(err error) string {
	port, _ := strconv.ParseUint(a.port, 10, 16) // the parser took no other
	if name := (*net.DNSError)(nil); errors.As(err, &name) {
		return "does the host's name resolve on this machine? give an address, such as 127.0.0.1:" + a.port + ", or :" + a.port + " for all of this machine"
	}
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return "is another server running there? --listen 127.0.0.1:0 picks a free port"
	case errors.Is(err, syscall.EACCES) && port > 0 && port < unprivileged:
		return fmt.Sprintf("ports under %d need a privilege, on Linux CAP_NET_BIND_SERVICE: give the program that, or take a higher port and forward this one to it", unprivileged)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return "this machine has no such address: give one that it has, or :" + a.port + " for all of them"
	}
	return ""
}
