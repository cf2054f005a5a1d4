package acmecert

import (
	"crypto/x509"
	"errors"
	"io/fs"
	"net"
	"net/url"
	"strings"

	"golang.org/x/crypto/acme"
)

// isOffline reports whether the authority was not reached.
func isOffline(err error) bool {
	_, refused := errors.AsType[*acme.Error](err)
	_, ok := errors.AsType[*url.Error](err)
	return ok && !refused
}

// advise returns what to do about the error of an order, or "" if that is unknown.
func (m *Manager) advise(err error) string {
	if z, ok := errors.AsType[*acme.AuthorizationError](err); ok {
		for _, cause := range z.Errors {
			if problem, ok := errors.AsType[*acme.Error](cause); ok {
				return m.adviseChallenge(problem)
			}
		}
	}
	if problem, ok := errors.AsType[*acme.Error](err); ok {
		return adviseProblem(problem)
	}
	var (
		unknown x509.UnknownAuthorityError
		file    *fs.PathError
	)
	switch {
	case errors.As(err, &unknown):
		return "set tls.acme.ca_file to the certificate that verifies the server of the authority"
	case errors.As(err, &file):
		return "let the user of this process write to the folder in --acme-cache, and check that the disk is not full"
	case errors.Is(err, errAlreadyDue):
		return "set the clock of this machine"
	case isOffline(err):
		text := "check that this machine can reach " + hostOf(m.cfg.directory())
		if name, ok := errors.AsType[*net.DNSError](err); ok {
			text = "check that the name " + name.Name + " resolves on this machine"
		}
		return text
	}
	return ""
}

// problemType returns the last part of the type of a problem.
func problemType(p *acme.Error) string {
	return p.ProblemType[strings.LastIndex(p.ProblemType, ":")+1:]
}

// adviseChallenge returns what to do if the authority could not verify a domain.
func (m *Manager) adviseChallenge(p *acme.Error) string {
	switch problemType(p) {
	case "dns":
		return "create an A or AAAA record of the name with the public address of this server"
	case "caa":
		return "allow the authority in the CAA records of the name"
	default:
		if m.cfg.HTTP {
			return "let the name point to this server, and forward port 443 of the name to --listen and port 80 to --acme-http, without a proxy that terminates TLS or HTTP"
		}
		return "let the name point to this server, and forward port 443 of the name to --listen, without a proxy that terminates TLS; or use --acme-http with port 80"
	}
}

// adviseProblem returns what to do about a request that the authority refused.
func adviseProblem(p *acme.Error) string {
	switch problemType(p) {
	case "rateLimited":
		return "nothing, the server tries again later; while trying things out, use the staging directory of the authority"
	case "rejectedIdentifier", "unsupportedIdentifier":
		return "the authority issues no certificates for this name; use another authority, or --tls-cert"
	case "externalAccountRequired":
		return "the authority requires an account that was made on its website, which is not supported; use another authority"
	case "invalidContact", "unsupportedContact":
		return "correct --acme-email"
	case "caa":
		return "allow the authority in the CAA records of the name"
	case "userActionRequired":
		return "visit " + p.Instance
	}
	return ""
}

func hostOf(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return text
	}
	return u.Host
}
