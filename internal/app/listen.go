package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"strconv"
	"syscall"

	"github.com/ignis-go/ignis/internal/acmecert"
	"github.com/ignis-go/ignis/internal/listen"
	"github.com/ignis-go/ignis/internal/logarea"
)

// checkListen returns an error for settings of the listeners that contradict each other.
func (c *Config) checkListen() error {
	files, secure, proxied := c.Listen.TLS, false, false
	for _, a := range c.addresses() {
		secure, proxied = secure || a.TLS, proxied || a.ProxyProtocol
		if host, _, _ := net.SplitHostPort(a.Name); c.Dev && a.Network == listen.TCP && !isLoopback(host) {
			return usage("listen on 127.0.0.1, ::1 or localhost, or set --jwt-secret-file instead of --dev",
				"--dev lets anyone in, so it does not listen on %s", a)
		}
	}
	if err := c.checkACME(secure); err != nil {
		return err
	}
	switch {
	case files.CertFile != "" && files.KeyFile == "":
		return usage("set --tls-key", "--tls-cert: the file with the private key is missing")
	case files.KeyFile != "" && files.CertFile == "":
		return usage("set --tls-cert", "--tls-key: the file with the certificate is missing")
	case files.ClientCAFile != "" && files.CertFile == "":
		return usage("set --tls-cert and --tls-key", "--tls-client-ca: only connections with TLS have client certificates")
	case files.ClientCAFile == "" && files.ClientAuth != listen.ClientCertRequired:
		return usage("set --tls-client-ca", "--tls-client-auth: no authority for client certificates is configured")
	case files.CertFile != "" && !secure:
		return usage("add a host:port to --listen, or leave out --tls-cert", "--tls-cert: only TCP addresses use TLS, and --listen has none")
	case proxied && c.Dev:
		return usage("leave out --proxy-protocol, or --dev", "--dev serves only this machine, but --proxy-protocol is for clients behind a proxy")
	case proxied && len(c.Proxies.Networks) == 0 && !c.Proxies.Unix:
		return usage("set --trusted-proxies to the addresses of the proxies", "--proxy-protocol: no proxy is trusted to report addresses")
	}
	return nil
}

// trusted returns the proxies that send PROXY headers.
func (c *Config) trusted() listen.Proxies {
	return listen.Proxies{Networks: c.Proxies.Networks, Unix: c.Proxies.Unix}
}

// setListeners creates the listeners, which do not listen yet.
func (a *App) setListeners() (err error) {
	c := a.cfg.Listen
	c.Addresses = a.cfg.addresses()
	c.Trusted = a.cfg.trusted()
	c.KeepAlive = a.cfg.Server.IdleTimeout < 0 // pings do the same, and keep-alive costs four system calls per client
	log := logarea.With(a.base, logarea.Listen)
	limit := a.newLimit(logarea.Listen)
	c.Wrap = func(l net.Listener) net.Listener { return newRoomyListener(l, limit) }
	c.Log, c.TLS.Logger = limit, log
	if err := a.setACME(&c, log); err != nil {
		return err
	}
	if a.listeners, err = listen.New(c); err != nil {
		return fileError(err)
	}
	a.waiting = &waitingRoom{max: cmp.Or(c.MaxHandshakes, listen.DefaultMaxHandshakes), log: limit}
	for _, address := range a.cfg.Listen.Addresses {
		if address.Network == listen.Unix && !a.cfg.Proxies.Unix && !a.cfg.Dev {
			log.Warn("clients that connect to a Unix socket have no address; if a proxy reports their addresses, add unix to --trusted-proxies", "socket", address.Name)
		}
	}
	return nil
}

// fileFlags are the flags that name the files for TLS.
var fileFlags = map[listen.File]string{
	listen.FileCert: "--tls-cert", listen.FileKey: "--tls-key", listen.FileClientCA: "--tls-client-ca",
}

// fileError adds the name of the flag to the error for a file.
func fileError(err error) error {
	e, ok := errors.AsType[*listen.FileError](err)
	if !ok {
		return usage("", "--listen: %w", err)
	}
	hint := e.Hint
	if hint == "" && errors.Is(e.Err, fs.ErrNotExist) {
		hint = "name a file that this user can read"
	}
	return usage(hint, "%s: %w", fileFlags[e.File], e.Err)
}

// listen opens the listeners.
func (a *App) listen(ctx context.Context) error {
	if err := a.openACME(); err != nil {
		return err
	}
	err := a.listeners.Open(ctx)
	if e, ok := errors.AsType[*listen.AddressError](err); ok {
		flag := "--listen"
		switch failed := len(a.listeners.All()); {
		case a.isOfACME(failed):
			flag = "--acme-http"
		case a.isOfAPI(failed):
			flag = "--api-listen"
		}
		return &Error{Err: fmt.Errorf("%s: %w", flag, err), Hint: listenHint(e.Address, err)}
	}
	// Config.check has accepted the name localhost, which can resolve to another address.
	for _, l := range a.listeners.All() {
		if addr, ok := l.Addr().(*net.TCPAddr); a.cfg.Dev && ok && !addr.IP.IsLoopback() {
			a.listeners.Close()
			return usage("listen on 127.0.0.1 or ::1", "--dev lets anyone in, so it does not listen on %s", addr)
		}
	}
	return err
}

// Listening is the state of the listeners and of connections that are not clients yet. The
// counters begin with the start of the process.
type Listening struct {
	listen.Stats
	// ACME is the state of the certificates that the program obtains. Domains is 0 if there are
	// none.
	ACME acmecert.Stats

	// Waiting is the number of connections that have sent no complete request, including those
	// between two requests.
	Waiting int
	// RequestsSlow counts connections that were closed because a request was not complete in
	// time.
	RequestsSlow uint64
	// RequestsCutOff counts connections that were closed before a request was complete, because
	// Listen.MaxHandshakes was exceeded.
	RequestsCutOff uint64
}

// Listening returns counters of the listeners, and when the certificate expires.
func (a *App) Listening() Listening {
	l := Listening{Stats: a.listeners.Stats()}
	if a.acme != nil {
		l.ACME = a.acme.Stats()
	}
	l.Waiting, l.RequestsSlow, l.RequestsCutOff = a.waiting.counts()
	return l
}

// unprivileged is the lowest port that every user may listen on by default.
const unprivileged = 1024

// listenHint returns advice about an error from listening on address, or "" if there is none
// to give.
func listenHint(address listen.Address, err error) string {
	if address.Network == listen.Unix {
		return socketHint(address.Name, err)
	}
	_, port, _ := net.SplitHostPort(address.Name) // it has been parsed
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

// maxSocketPath is the maximum length in bytes of the path of a Unix socket on macOS.
const maxSocketPath = 103

// socketHint is listenHint for Unix sockets.
func socketHint(path string, err error) string {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return "is another server running there? Each server needs its own socket"
	case errors.Is(err, listen.ErrNotSocket):
		return "nothing was removed; use a path that does not exist"
	case errors.Is(err, fs.ErrNotExist):
		return "create the folder first, and let this user write to it"
	case errors.Is(err, fs.ErrPermission):
		return "let this user write to the folder; systemd's RuntimeDirectory= creates one with the right owner"
	case errors.Is(err, syscall.EINVAL) && len(path) > maxSocketPath:
		return fmt.Sprintf("the path has %d bytes, but at most 107 (%d on macOS) are possible; use a shorter one", len(path), maxSocketPath)
	}
	return ""
}
