package ignis

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/ignis-go/ignis/internal/ws"
	"github.com/ignis-go/ignis/wire"
)

// Accepted is the result of [Config].Accept. The server keeps it as long as the client is
// connected, but does not keep the request.
type Accepted struct {
	// RemoteAddr is the client's network address for the log and for callbacks; see
	// [Proxies]. Empty: the address of the request.
	RemoteAddr string
	// Subprotocol is the subprotocol to use. It must be one of those that the client
	// offers; see [Subprotocols]. Empty: the first one offered.
	Subprotocol string
	// Value is for the application. It is passed to Authenticate as Credentials.Value and
	// to all later callbacks as Client.Value.
	Value any
	// Context supplies values for the contexts of all callbacks of the client. Its
	// cancellation and deadline are ignored. The context of the request also works, but
	// keeps part of the state that net/http holds for the request in memory. Nil: no
	// values.
	Context context.Context
}

// Subprotocols returns the subprotocols that a request offers, in the client's order of
// preference, or nil if there are none or the header is malformed.
func Subprotocols(r *http.Request) []string { return ws.Subprotocols(r) }

// CheckOrigin returns an error if r comes from a page in a browser that is neither on the
// server's own host nor in allowed. An entry of allowed is an origin such as
// https://app.example.com, or * for any origin. Requests without an Origin header do not
// come from a browser and are accepted. A server whose Config.Accept is nil calls
// CheckOrigin with Config.AllowedOrigins; a custom Accept may call it, too.
func CheckOrigin(r *http.Request, allowed []string) error {
	origins := r.Header["Origin"]
	if len(origins) == 0 || slices.Contains(allowed, "*") {
		return nil
	}
	if len(origins) == 1 {
		if sameHost(origins[0], r.Host) || slices.ContainsFunc(allowed, func(o string) bool { return strings.EqualFold(o, origins[0]) }) {
			return nil
		}
	}
	return errOrigin
}

var errOrigin = &Error{Code: wire.CodeForbidden, Message: "Connections from this origin are not allowed."}

// sameHost reports whether an origin is on the host that a request names. The ports must
// match, but the default port of the scheme may be omitted.
func sameHost(origin, host string) bool {
	u, err := url.Parse(origin)
	if err != nil || u.Host == "" {
		return false
	}
	port := map[string]string{"http": "80", "https": "443"}[u.Scheme]
	return port != "" && strings.EqualFold(withPort(u.Host, port), withPort(host, port))
}

func withPort(host, port string) string {
	if _, _, err := net.SplitHostPort(host); err == nil {
		return host
	}
	return host + ":" + port
}

// accept accepts or refuses a request that is a valid handshake.
func (s *Server) accept(r *http.Request) (a Accepted, refused *ws.HandshakeError) {
	var err error
	if s.cfg.Accept != nil {
		a, err = s.callAccept(r)
	} else {
		err = CheckOrigin(r, s.cfg.AllowedOrigins)
	}
	if a.RemoteAddr == "" {
		a.RemoteAddr = r.RemoteAddr
	}
	if err == nil {
		return a, nil
	}
	text := "The server cannot accept connections at the moment."
	status := http.StatusInternalServerError
	if e := asError(err); e != nil {
		text, status = e.Error(), e.status()
	}
	reason := reasonRefused
	if errors.Is(err, errOrigin) {
		reason = reasonOrigin
	}
	return a, &ws.HandshakeError{Status: status, Reason: reason, Text: text, Err: err}
}

// callAccept calls Accept. Unlike the other callbacks, Accept may panic: net/http handles it.
func (s *Server) callAccept(r *http.Request) (a Accepted, err error) {
	if s.cfg.Hooks.CallbackReturned == nil {
		return s.cfg.Accept(r)
	}
	began := s.uptime()
	a, err = s.cfg.Accept(r)
	s.returned(CallbackAccept, nil, 1, err, began)
	return a, err
}

// The Reason of the error for a request that is refused by Accept, or because of its origin.
const (
	reasonRefused = "not accepted"
	reasonOrigin  = "origin not allowed"
)
