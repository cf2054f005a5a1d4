package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"syscall"
)

// listen opens the TCP listener.
func (a *App) listen(ctx context.Context) (net.Listener, error) {
	var lc net.ListenConfig
	if a.cfg.Server.IdleTimeout >= 0 {
		lc.KeepAlive = -1 // pings serve the same purpose, and keep-alive costs four system calls per client
	}
	ln, err := lc.Listen(ctx, "tcp", a.cfg.Listen)
	if err != nil {
		return nil, &Error{Err: fmt.Errorf("--listen: %w", err), Hint: listenHint(a.cfg.Listen, err)}
	}
	// Config.check has accepted the name localhost, which can resolve to another address.
	if addr, ok := ln.Addr().(*net.TCPAddr); a.cfg.Dev && (!ok || !addr.IP.IsLoopback()) {
		_ = ln.Close()
		return nil, usage("listen on 127.0.0.1 or ::1", "--dev lets anyone in, so it does not listen on %s", ln.Addr())
	}
	return ln, nil
}

// unprivileged is the lowest port that every user may listen on by default.
const unprivileged = 1024

// listenHint returns advice about an error from listening on address, or "" if there is none
// to give.
func listenHint(address string, err error) string {
	_, port, _ := net.SplitHostPort(address) // Config.check has accepted it
	n, _ := strconv.ParseUint(port, 10, 16)
	if name := (*net.DNSError)(nil); errors.As(err, &name) {
		return "check that the host name resolves on this machine, or use an address such as 127.0.0.1:" + port + ", or :" + port + " for all addresses"
	}
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return "is another server running there? --listen 127.0.0.1:0 picks a free port"
	case errors.Is(err, syscall.EACCES) && n > 0 && n < unprivileged:
		return fmt.Sprintf("ports below %d require a privilege (CAP_NET_BIND_SERVICE on Linux); grant it to the program, or use a higher port and forward this one to it", unprivileged)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return "this machine does not have that address; use one of its addresses, or :" + port + " for all of them"
	}
	return ""
}
