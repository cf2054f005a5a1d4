package main

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/ignis-go/ignis/internal/acmecert"
	"github.com/ignis-go/ignis/internal/app"
	"github.com/ignis-go/ignis/internal/configfile"
	"github.com/ignis-go/ignis/internal/listen"
)

// acmeFlags are the settings for certificates that the program obtains by itself.
type acmeFlags struct {
	ACME          []acmeDomain  `key:"tls.acme.domains" name:"acme" group:"TLS" placeholder:"DOMAIN,..." help:"Domain names for which certificates are obtained from Let's Encrypt, or another authority that speaks ACME, and renewed. By using this, you accept the authority's terms of service. The authority must reach --listen on port 443 of each name, or --acme-http on port 80. Excludes --tls-cert."`
	ACMECache     string        `key:"tls.acme.cache_dir" name:"acme-cache" group:"TLS" placeholder:"DIR" help:"Folder for keys and certificates, which is created with the mode 0700. It must outlive restarts, because authorities limit orders. By default, it is the folder acme in the StateDirectory of a systemd unit; without that, the setting is required."`
	ACMEEmail     string        `key:"tls.acme.email" name:"acme-email" group:"TLS" placeholder:"ADDRESS" help:"Email address that the authority may write to about certificates."`
	ACMEHTTP      listenAddress `key:"tls.acme.http_listen" name:"acme-http" group:"TLS" placeholder:"ADDRESS" help:"Address for plain HTTP, such as :80. It answers challenges of the authority, and redirects other requests for the domains to https."`
	ACMEDirectory string        `key:"tls.acme.directory_url" name:"acme-directory" default:"https://acme-v02.api.letsencrypt.org/directory" group:"TLS" placeholder:"URL" help:"Directory of the authority (${default}). While trying things out, use a staging directory, such as https://acme-staging-v02.api.letsencrypt.org/directory."`
	ACMECAFile    string        `kong:"-" key:"tls.acme.ca_file" help:"Certificates that verify the server of the authority, in PEM format (those of the system). For an authority of your own."`
}

// stateVariable is the variable in which systemd names the folders in StateDirectory=.
const stateVariable = "STATE_DIRECTORY"

// config returns the configuration of the certificates.
func (f *acmeFlags) config(l *listenFlags) app.ACME {
	c := app.ACME{
		Domains: convert[string](f.ACME), Cache: f.ACMECache, Email: f.ACMEEmail,
		Directory: f.ACMEDirectory, CAFile: f.ACMECAFile, HTTP: f.ACMEHTTP.Address,
	}
	c.HTTP.ProxyProtocol = l.ProxyProtocol && c.HTTP.Network == listen.TCP
	if state, _, _ := strings.Cut(os.Getenv(stateVariable), ":"); c.Cache == "" && filepath.IsAbs(state) {
		c.Cache = filepath.Join(state, "acme")
	}
	return c
}

// acmeDomain is a domain to obtain a certificate for.
type acmeDomain string

// UnmarshalText accepts full domain names.
func (d *acmeDomain) UnmarshalText(text []byte) error {
	name, err := acmecert.ParseDomain(string(text))
	*d = acmeDomain(name)
	return err
}

// Syntax implements [configfile.Scalar].
func (acmeDomain) Syntax() configfile.Syntax {
	return configfile.Syntax{Type: "string", Pattern: `^([A-Za-z0-9-]+\.)+[A-Za-z0-9-]+$`}
}
