package doctor

import (
	"cmp"
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/ignis-go/ignis/internal/acmecert"
	"github.com/ignis-go/ignis/internal/listen"
)

// acmeChecks examines whether the server can obtain certificates by itself.
type acmeChecks struct {
	c       *Config
	manager *acmecert.Manager // nil until checkCache has succeeded
}

func (c *Config) acmeGroup() group {
	a := &acmeChecks{c: c}
	return group{name: "tls", checks: []check{
		{name: "tls.acme_cache", run: a.checkCache, required: true},
		{name: "tls.acme_orders", run: a.checkOrders},
		{name: "tls.acme_authority", run: a.checkAuthority},
		{name: "tls.acme_names", run: a.checkNames},
		{name: "tls.acme_ports", run: a.checkPorts},
		{name: "tls.expiry", run: a.checkExpiry},
	}}
}

// checkCache examines the folder.
func (a *acmeChecks) checkCache(context.Context) []Finding {
	settings := &a.c.App.ACME
	m, err := acmecert.New(settings.Config("", nil))
	if err == nil {
		err = m.CheckFolder()
	}
	if err != nil {
		return []Finding{fail("name a folder in --acme-cache that only this user can write to", "the folder for certificates: %v", err)}
	}
	a.manager = m
	return []Finding{ok("%s can be written to, and only by this user", settings.Cache)}
}

// checkOrders reports the orders that have failed, which the folder contains.
func (a *acmeChecks) checkOrders(context.Context) (list []Finding) {
	for _, s := range a.manager.States() {
		if s.Failure != "" {
			list = append(list, fail(cmp.Or(s.Advice, "see the log of the server"), "the latest order for %s failed, and the next is possible at %s: %s", s.Domain, s.Next.UTC().Format(time.RFC3339), s.Failure))
		}
	}
	if list == nil {
		list = []Finding{ok("no domain waits for another order after a failure")}
	}
	return list
}

// checkAuthority asks the authority for its directory.
func (a *acmeChecks) checkAuthority(ctx context.Context) []Finding {
	directory, err := a.manager.Discover(ctx)
	switch {
	case err != nil:
		return []Finding{fail("check tls.acme.directory_url, the firewall, and for an authority of your own tls.acme.ca_file", "the authority does not answer: %v", err)}
	case directory.ExternalAccountRequired:
		return []Finding{fail("use another authority", "the authority requires an account that was made on its website, which is not supported")}
	case directory.Terms != "":
		return []Finding{ok("the authority answers; its terms of service, which the server accepts, are at %s", directory.Terms)}
	}
	return []Finding{ok("the authority answers")}
}

// checkNames resolves the domains.
func (a *acmeChecks) checkNames(ctx context.Context) (list []Finding) {
	for _, name := range a.c.App.ACME.Domains {
		addrs, err := net.DefaultResolver.LookupNetIP(ctx, "ip", name)
		list = append(list, judgeAddresses(name, addrs, err))
	}
	return list
}

// judgeAddresses judges the addresses of a domain, or the error of looking them up.
func judgeAddresses(name string, addrs []netip.Addr, err error) Finding {
	var unknown *net.DNSError
	switch {
	case errors.As(err, &unknown) && unknown.IsNotFound:
		return fail("create an A or AAAA record for the name", "%s has no address, so the authority cannot reach it", name)
	case err != nil:
		return fail("check the DNS servers of this machine and of the domain", "%s cannot be resolved: %v", name, err)
	}
	var texts []string
	for _, addr := range addrs {
		if addr = addr.Unmap(); addr.IsPrivate() || addr.IsLoopback() || addr.IsLinkLocalUnicast() {
			return warn("let the name point to the public address of the server, unless the authority is your own", "%s has the address %s, which public authorities cannot reach", name, addr)
		}
		texts = append(texts, addr.String())
	}
	return ok("%s has the address %s; whether this server is reached there, only the authority finds out", name, strings.Join(texts, " and "))
}

// checkPorts compares the ports of the server with those to which authorities connect.
func (a *acmeChecks) checkPorts(context.Context) []Finding {
	const advice = "listen on port 443, or on port 80 with --acme-http; if a firewall or container forwards one of them, nothing needs to be done"
	var secure []string
	for _, address := range a.c.App.Listen.Addresses {
		if address.TLS {
			_, port, _ := net.SplitHostPort(address.Name)
			secure = append(secure, port)
			if port == "443" {
				return []Finding{ok("the server listens on port 443, to which the authority connects")}
			}
		}
	}
	plain := a.c.App.ACME.HTTP
	if _, port, _ := net.SplitHostPort(plain.Name); plain.Network == listen.TCP && port == "80" {
		return []Finding{ok("the server listens on port 80, to which the authority connects")}
	}
	return []Finding{warn(advice, "the authority connects to port 443 of each domain, or to port 80 with --acme-http, but the server listens on port %s", strings.Join(secure, " and "))}
}

// checkExpiry judges the certificates in the folder. They may be valid for only a few days, so their
// renewal is what counts.
func (a *acmeChecks) checkExpiry(context.Context) (list []Finding) {
	for _, s := range a.manager.States() {
		switch {
		case s.Chain == nil:
			list = append(list, skip("there is no certificate for %s yet", s.Domain))
		default:
			list = append(list, judgeRenewal(s, time.Now()))
		}
	}
	return list
}

// judgeRenewal judges how much of the lifetime of a certificate is left.
func judgeRenewal(s acmecert.State, now time.Time) Finding {
	leaf := s.Chain[0]
	left, life := leaf.NotAfter.Sub(now), leaf.NotAfter.Sub(leaf.NotBefore)
	at := leaf.NotAfter.UTC().Format(time.RFC3339)
	const advice = "find out in the log of the server why it is not renewed, and whether the server is running"
	switch {
	case left <= 0:
		return fail(advice, "the certificate of %s expired at %s", s.Domain, at)
	case left < life/10:
		return fail(advice, "the certificate of %s expires at %s, and should have been renewed long before", s.Domain, at)
	case left < life/4:
		return warn(advice, "the certificate of %s expires at %s, and should have been renewed", s.Domain, at)
	}
	return ok("the certificate of %s expires at %s, and is renewed when a third of its lifetime is left", s.Domain, at)
}
