package main

import (
	"cmp"
	"fmt"
	"io/fs"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/internal/configfile"
	"github.com/ignis-go/ignis/internal/listen"
)

// listenFlags are the flags for the addresses that ignis serve listens on, for TLS, and for
// proxies.
type listenFlags struct {
	Listen   []listenAt `key:"listen" default:"127.0.0.1:8080" placeholder:"ADDRESS,..." help:"Addresses to listen on (${default}): host:port, where port 0 picks a free port, unix:PATH for a Unix socket, or systemd for the sockets of a socket unit (systemd:NAME for those with this FileDescriptorName). Can be repeated."`
	UnixMode fileMode   `key:"unix_mode" default:"0660" placeholder:"MODE" help:"File mode of Unix sockets (${default}). Processes that may write to a socket may connect."`

	TLSCert       string `key:"tls.cert_file" name:"tls-cert" group:"TLS" placeholder:"FILE" help:"Certificate in PEM format, followed by the intermediate certificates. TCP addresses then accept only TLS. The files are reread when they change."`
	TLSKey        string `key:"tls.key_file" name:"tls-key" group:"TLS" placeholder:"FILE" help:"Private key of the certificate, in PEM format."`
	TLSClientCA   string `key:"tls.client_ca_file" name:"tls-client-ca" group:"TLS" placeholder:"FILE" help:"Authorities that sign client certificates, in PEM format. Clients then need a certificate."`
	TLSClientAuth string `key:"tls.client_auth" name:"tls-client-auth" default:"" enum:"required,optional," group:"TLS" placeholder:"required|optional" help:"Whether clients need a certificate if --tls-client-ca is set (required)."`

	acmeFlags

	TrustedProxies proxyList `key:"proxies.trusted" live:"" group:"Who may connect" placeholder:"NETWORK,..." help:"Reverse proxies that are trusted to report the client's address: networks such as 10.0.0.0/8, addresses, and unix for all peers on Unix sockets."`
	ProxyHeader    string    `key:"proxies.header" live:"" default:"X-Forwarded-For" enum:"X-Forwarded-For,Forwarded" group:"Who may connect" placeholder:"NAME" help:"Header in which trusted proxies report it: X-Forwarded-For or Forwarded (${default})."`
	ProxyProtocol  bool      `key:"proxies.protocol" group:"Who may connect" help:"Require that connections of trusted proxies begin with a PROXY header (version 1 or 2). Other connections must not have one."`

	MaxHandshakes    count  `key:"limits.max_handshakes" default:"1024" group:"Limits" placeholder:"N" help:"Maximum number of connections whose TLS handshake or PROXY header is not complete, and of those without a complete request (${default}). At the limit, those that have waited longest make room."`
	HandshakeTimeout period `key:"limits.handshake_timeout" default:"5s" group:"Limits" placeholder:"TIME" help:"Maximum duration of a TLS handshake (${default})."`
}

// config returns the configuration of the listeners without the fields that package app
// sets. TLS is not used on Unix sockets, whose peers are on this machine.
func (f *listenFlags) config() listen.Config {
	c := listen.Config{
		TLS:              listen.TLS{CertFile: f.TLSCert, KeyFile: f.TLSKey, ClientCAFile: f.TLSClientCA},
		MaxHandshakes:    int(f.MaxHandshakes),
		HandshakeTimeout: time.Duration(f.HandshakeTimeout),
	}
	if f.TLSClientAuth == "optional" {
		c.TLS.ClientAuth = listen.ClientCertOptional
	}
	c.Addresses = f.addresses(f.Listen)
	return c
}

// addresses returns addresses with their settings.
func (f *listenFlags) addresses(list []listenAt) (addresses []listen.Address) {
	for _, at := range list {
		a := at.Address.Address
		a.Mode = fs.FileMode(cmp.Or(at.Mode, f.UnixMode))
		a.TLS = (f.TLSCert != "" || len(f.ACME) > 0) && a.Network != listen.Unix
		if at.TLS != nil {
			a.TLS = *at.TLS
		}
		a.ProxyProtocol = f.ProxyProtocol
		if at.ProxyProtocol != nil {
			a.ProxyProtocol = *at.ProxyProtocol
		}
		addresses = append(addresses, a)
	}
	return addresses
}

func (f *listenFlags) proxies() ignis.Proxies {
	return ignis.Proxies{Networks: f.TrustedProxies.networks, Unix: f.TrustedProxies.unix, Header: f.ProxyHeader}
}

// listenAt is an address to listen on. In a configuration file it may have settings of its
// own.
type listenAt struct {
	Address       listenAddress `key:"address" required:"" help:"host:port, unix:PATH, systemd or systemd:NAME."`
	TLS           *bool         `key:"tls" help:"Whether connections use TLS (for TCP addresses, if tls.cert_file or tls.acme is set)."`
	ProxyProtocol *bool         `key:"proxy_protocol" help:"Overrides proxies.protocol."`
	Mode          fileMode      `key:"mode" help:"Overrides unix_mode."`
}

// UnmarshalText parses an address without settings of its own.
func (l *listenAt) UnmarshalText(text []byte) error {
	*l = listenAt{}
	return l.Address.UnmarshalText(text)
}

// Syntax implements [configfile.Scalar].
func (listenAt) Syntax() configfile.Syntax { return listenAddress{}.Syntax() }

// Short returns the address, and whether it has no settings of its own.
func (l listenAt) Short() (string, bool) {
	return l.Address.String(), l == listenAt{Address: l.Address}
}

// listenAddress is an address without settings.
type listenAddress struct{ listen.Address }

// Syntax implements [configfile.Scalar].
func (listenAddress) Syntax() configfile.Syntax {
	return configfile.Syntax{Type: "string", Pattern: "^(unix:.+|systemd(:[^,:]+)?|[^,]*:[0-9]+)$"}
}

// fileMode is the mode of a file, in octal.
type fileMode fs.FileMode

// UnmarshalText parses three octal digits, with or without a leading 0.
func (m *fileMode) UnmarshalText(text []byte) error {
	n, err := strconv.ParseUint(string(text), 8, 32)
	if err != nil || n == 0 || n > 0o777 || len(text) < 3 {
		return fmt.Errorf("expected an octal file mode such as 0660, but got %q", text)
	}
	*m = fileMode(n)
	return nil
}

// Syntax implements [configfile.Scalar].
func (fileMode) Syntax() configfile.Syntax {
	return configfile.Syntax{Type: "string", Pattern: "^0?[0-7]{3}$"}
}

func (m fileMode) String() string { return fmt.Sprintf("0%03o", int(m)) }

// proxyList is a list of networks such as 10.0.0.0/8, addresses, and the word unix.
type proxyList struct {
	networks []netip.Prefix
	unix     bool
}

// UnmarshalText parses comma-separated networks, addresses and the word unix.
func (l *proxyList) UnmarshalText(text []byte) error {
	*l = proxyList{}
	for item := range strings.SplitSeq(string(text), ",") {
		item = strings.TrimSpace(item)
		if item == listen.Unix {
			l.unix = true
			continue
		}
		network, err := netip.ParsePrefix(item)
		if addr, addrErr := netip.ParseAddr(item); addrErr == nil {
			network, err = addr.Prefix(addr.BitLen())
		}
		if err != nil {
			return fmt.Errorf("expected comma-separated networks such as 10.0.0.0/8, addresses, or unix, but got %q", text)
		}
		l.networks = append(l.networks, network)
	}
	return nil
}

// Syntax implements [configfile.Scalar].
func (proxyList) Syntax() configfile.Syntax {
	return configfile.Syntax{Type: "string", Pattern: `^\s*(unix|[0-9A-Fa-f:.%]+(/[0-9]+)?)\s*$`, List: true}
}

// Items returns the texts that UnmarshalText accepts.
func (l proxyList) Items() []string {
	items := []string{}
	for _, network := range l.networks {
		items = append(items, network.String())
	}
	if l.unix {
		items = append(items, listen.Unix)
	}
	return items
}
