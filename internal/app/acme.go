package app

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"

	"github.com/ignis-go/ignis/internal/acmecert"
	"github.com/ignis-go/ignis/internal/listen"
)

// ACME configures certificates that the program obtains by itself.
type ACME struct {
	// Domains are the names to obtain certificates for. Empty: no certificates are obtained.
	Domains []string
	// Cache is the folder for keys and certificates. Required if there are domains.
	Cache string
	// Email, Directory and CAFile are those of [acmecert.Config].
	Email, Directory, CAFile string
	// HTTP is the address for plain HTTP, which is port 80 for others. It answers challenges, and
	// redirects other requests to https. If its Name is empty, there is none.
	HTTP listen.Address
}

// Config returns the configuration of the certificates. A nil logger discards.
func (c *ACME) Config(software string, log *slog.Logger) acmecert.Config {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return acmecert.Config{
		Domains: c.Domains, Cache: c.Cache, Email: c.Email, Directory: c.Directory, CAFile: c.CAFile,
		HTTP: c.HTTP.Name != "", Software: software, Logger: log,
	}
}

// checkACME returns an error for settings of the certificates that contradict others. secure says
// that an address uses TLS.
func (c *Config) checkACME(secure bool) error {
	a, files := &c.ACME, c.Listen.TLS
	if len(a.Domains) == 0 {
		if a.HTTP.Name != "" {
			return usage("set --acme to the domains of this server, or leave out --acme-http", "--acme-http: no certificates are obtained")
		}
		return nil
	}
	switch {
	case files.CertFile != "" || files.KeyFile != "":
		return usage("leave out one of them", "--acme and --tls-cert are both set, but the certificate comes either from an authority or from a file")
	case files.ClientCAFile != "":
		return usage("use --tls-cert and --tls-key, or leave out --tls-client-ca", "--tls-client-ca: client certificates cannot be required together with --acme")
	case c.Dev:
		return usage("leave out --acme, or --dev", "--dev serves only this machine, but --acme requires that an authority can connect")
	case a.Cache == "":
		return usage("name a folder that outlives restarts and that only this user can write to, such as /var/lib/ignis/acme; with systemd, StateDirectory= provides one",
			"--acme-cache: the folder for keys and certificates is not set")
	case !secure:
		return usage("add a host:port to --listen, or leave out --acme", "--acme: only TCP addresses use TLS, and --listen has none")
	case a.HTTP.Name != "" && a.HTTP.Network != listen.TCP:
		return usage("use an address such as :80", "--acme-http: the authority connects over TCP, so it cannot be %s", a.HTTP)
	}
	cfg := a.Config("", nil)
	if err := cfg.Check(); err != nil {
		return usage("see docs/listening.md", "--acme: %w", err)
	}
	return nil
}

// setACME prepares to obtain certificates.
func (a *App) setACME(c *listen.Config, log *slog.Logger) (err error) {
	if len(a.cfg.ACME.Domains) == 0 {
		return nil
	}
	if a.acme, err = acmecert.New(a.cfg.ACME.Config(a.cfg.Server.Software, log)); err != nil {
		return acmeError(err)
	}
	c.Certificates = a.acme
	return nil
}

// openACME creates the folder for certificates.
func (a *App) openACME() error {
	if a.acme == nil {
		return nil
	}
	if err := a.acme.Open(); err != nil {
		return acmeError(err)
	}
	return nil
}

// acmeError adds the name of the flag to an error of package acmecert.
func acmeError(err error) error {
	if file, ok := errors.AsType[*acmecert.CAFileError](err); ok {
		return usage("name a file with certificates in PEM format that this user can read", "tls.acme.ca_file: %w", file)
	}
	hint := "name a folder that this user can create or write to"
	switch {
	case errors.Is(err, acmecert.ErrWritable):
		hint = "chmod 0700 the folder and let it belong to this user, or name a folder in it, which is then created with the right mode"
	case errors.Is(err, fs.ErrPermission):
		hint = "let this user create the folder or write to it; systemd's StateDirectory= creates one with the right owner"
	}
	return usage(hint, "--acme-cache: %w", err)
}

// isOfACME reports whether the address with this index in Config.addresses is that of plain HTTP.
func (a *App) isOfACME(i int) bool { return i >= len(a.cfg.Listen.Addresses)+len(a.cfg.API.Listen) }

// acmeHandler serves only the address for plain HTTP.
func (a *App) acmeHandler() http.Handler {
	if a.acme == nil {
		return http.NotFoundHandler()
	}
	return a.acme.HTTPHandler()
}

// checkObtained returns what is wrong with the certificates that the program obtains, or "".
func checkObtained(s acmecert.Stats) (reason string) {
	switch {
	case s.Domains == 0:
		return ""
	case s.Missing == s.Domains:
		return "no certificate has been obtained yet, so clients cannot connect with TLS"
	case s.Missing > 0:
		return fmt.Sprintf("certificates have not been obtained yet for %d of %d names; clients cannot connect to them", s.Missing, s.Domains)
	case s.Failing > 0:
		return "a certificate could not be renewed; the previous one stays in use"
	}
	return ""
}
