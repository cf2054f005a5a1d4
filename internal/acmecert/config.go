package acmecert

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"net/mail"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"golang.org/x/crypto/acme"
)

// Config configures a [Manager].
type Config struct {
	// Domains are the names to obtain certificates for, each with a certificate of its own; at
	// least one, and at most [MaxDomains]. Clients that name no host get the certificate of the
	// first.
	Domains []string
	// Cache is the folder for keys, certificates and failures. It is created if it is missing.
	// Required.
	Cache string
	// Email is the address that the authority may write to about certificates. It may be empty.
	Email string
	// Directory is the URL of the authority. Empty: that of Let's Encrypt.
	Directory string
	// CAFile is a file in PEM format with the certificates that verify the authority's own
	// server. Empty: those of the system.
	CAFile string
	// HTTP says that [Manager.HTTPHandler] is reachable on port 80 of the domains, so that the
	// challenge http-01 can be used as well.
	HTTP bool
	// Software names the program to the authority.
	Software string
	// Logger receives the log lines. Handshakes cause none. Required.
	Logger *slog.Logger
}

// MaxDomains is the maximum number of domains. Certificates are ordered one after the other.
const MaxDomains = 100

// times are the durations of a manager. Tests shorten them.
type times struct {
	poll       time.Duration // between two reads of the folder
	busy       time.Duration // before another try if another process is ordering
	attempt    time.Duration // limit of an order
	request    time.Duration // limit of a request to the authority
	firstDelay time.Duration // after the first failure; doubled after each further one
	maxDelay   time.Duration // limit of that
	maxOffline time.Duration // the same, while the authority cannot be reached
}

var defaultTimes = times{
	poll: time.Minute, busy: 5 * time.Second, attempt: 3 * time.Minute, request: 30 * time.Second,
	firstDelay: time.Minute, maxDelay: time.Hour, maxOffline: 5 * time.Minute,
}

// Check returns an error unless the configuration is complete and consistent. It reads no files.
func (c *Config) Check() error {
	if len(c.Domains) == 0 {
		return errors.New("no domain is configured")
	}
	if len(c.Domains) > MaxDomains {
		return fmt.Errorf("%d domains are configured, but at most %d are possible", len(c.Domains), MaxDomains)
	}
	for i, name := range c.Domains {
		if _, err := ParseDomain(name); err != nil {
			return err
		}
		if slices.ContainsFunc(c.Domains[:i], func(other string) bool { return strings.EqualFold(name, other) }) {
			return fmt.Errorf("the domain %s is there twice", name)
		}
	}
	if c.Email != "" {
		if a, err := mail.ParseAddress(c.Email); err != nil || a.Address != c.Email {
			return fmt.Errorf("expected an email address such as ops@example.com, but got %q", c.Email)
		}
	}
	if u, err := url.Parse(c.directory()); err != nil || u.Scheme != "https" || u.Host == "" {
		return fmt.Errorf("expected an https:// URL of the authority's directory, but got %q", c.Directory)
	}
	return nil
}

func (c *Config) directory() string { return cmp.Or(c.Directory, acme.LetsEncryptURL) }

// maxName is the maximum length of a domain name.
const maxName = 253

// ParseDomain returns the name in lower case, or an error if no certificate can be ordered for it.
func ParseDomain(text string) (string, error) {
	name := strings.ToLower(text)
	_, err := netip.ParseAddr(name)
	switch {
	case strings.HasPrefix(name, "*."):
		return "", fmt.Errorf("%q is a wildcard, which ACME allows only with DNS records; list the names, or use --tls-cert", text)
	case err == nil:
		return "", fmt.Errorf("expected a domain name such as rt.example.com, but %q is an address", text)
	case len(name) > maxName || !strings.Contains(name, "."):
		return "", fmt.Errorf("expected a full domain name such as rt.example.com, but got %.80q", text)
	}
	for label := range strings.SplitSeq(name, ".") {
		if !validLabel(label) {
			return "", fmt.Errorf("expected a domain name such as rt.example.com, with other than Latin letters in the form xn--..., but got %.80q", text)
		}
	}
	return name, nil
}

func validLabel(label string) bool {
	if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
		return false
	}
	for _, r := range label {
		if (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' {
			return false
		}
	}
	return true
}
