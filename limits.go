package ignis

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/netip"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ignis-go/ignis/internal/limit"
	"github.com/ignis-go/ignis/internal/ws"
	"github.com/ignis-go/ignis/wire"
)

// UserPolicy selects which client is closed if a user has more than
// Config.MaxClientsPerUser.
type UserPolicy uint8

// The policies.
const (
	// UserRefuseNew closes the new client.
	UserRefuseNew UserPolicy = iota
	// UserCloseOldest closes the client that has been connected for the longest time.
	UserCloseOldest
)

var userPolicyNames = []string{"refuse-new", "close-oldest"}

// String returns refuse-new or close-oldest.
func (p UserPolicy) String() string { return nameOf(p, userPolicyNames, "UserPolicy") }

// MarshalText returns the name, for flags and configuration files.
func (p UserPolicy) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText parses a name that String returns.
func (p *UserPolicy) UnmarshalText(text []byte) error {
	return parseName(p, userPolicyNames, "user policy", text)
}

// limits is the state of the limits that do not belong to one client.
type limits struct {
	connections *limit.Connections

	authenticating chan struct{} // one element per running Authenticate; nil for no limit
	waiting        atomic.Int64  // clients that wait for Authenticate

	admitting sync.Mutex // held while a client of a user with a limit is admitted
}

// maxRemembered is the maximum number of addresses whose recent activity is remembered,
// which takes about 4 MB.
const maxRemembered = 1 << 16

func newLimits(c Config) *limits {
	l := &limits{
		connections: limit.NewConnections(limit.ConnectionLimits{}), // tune sets the limits
	}
	if c.AuthConcurrency > 0 {
		l.authenticating = make(chan struct{}, min(c.AuthConcurrency, 1<<20))
	}
	return l
}

func connectionLimits(c Config) limit.ConnectionLimits {
	return limit.ConnectionLimits{
		Upgrades:        limit.Per(c.UpgradeRate, time.Second, c.UpgradeBurst),
		AddressUpgrades: limit.Per(c.UpgradeRatePerAddress, time.Second, c.UpgradeBurstPerAddress),
		AddressFailures: limit.Per(c.AuthFailureRate, time.Minute, c.AuthFailureBurst),
		MaxPerAddress:   c.MaxClientsPerAddress,
		MaxRemembered:   maxRemembered,
	}
}

func joinRate(c Config) limit.Rate { return limit.Per(c.JoinRate, time.Second, c.JoinBurst) }

// address returns the IP address of a client, or an invalid one if it has none.
func address(remote string) netip.Addr {
	addr, _ := hostAddr(remote)
	return addr
}

// addressRefusals describes why requests are refused that come too fast or in too large a
// number.
var addressRefusals = map[limit.Refusal]struct {
	status       int
	reason, text string
	field        string // of Config
}{
	limit.Upgrades:       {http.StatusServiceUnavailable, "too many new connections", "The server accepts no more connections at the moment.", "UpgradeRate"},
	limit.AddressCount:   {http.StatusTooManyRequests, "too many connections from one address", "Your network address has too many connections.", "MaxClientsPerAddress"},
	limit.AddressRate:    {http.StatusTooManyRequests, "too many new connections from one address", "Your network address has opened too many connections.", "UpgradeRatePerAddress"},
	limit.AddressFailure: {http.StatusTooManyRequests, "too many failed authentications from one address", "Too many authentications from your network address have failed.", "AuthFailureRate"},
}

// enterFrom counts a connection from an address, or returns the reason to refuse it.
func (s *Server) enterFrom(w http.ResponseWriter, remote string) *ws.HandshakeError {
	refusal, retry := s.limits.connections.Enter(address(remote), s.uptime())
	if refusal == limit.None {
		return nil
	}
	r := addressRefusals[refusal]
	w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(max(retry.Seconds(), 1)))))
	return &ws.HandshakeError{Status: r.status, Reason: r.reason, Text: r.text, Err: &limitError{refusal, r.reason, r.field}}
}

// limitError is the error for a request that a limit refuses.
type limitError struct {
	refusal       limit.Refusal
	reason, field string
}

func (e *limitError) Error() string {
	hint := ""
	if e.refusal != limit.Upgrades {
		hint = "; if clients connect through a proxy, let Config.Accept return their addresses (--trusted-proxies)"
	}
	return fmt.Sprintf("%s (Config.%s)%s", e.reason, e.field, hint)
}

// refusal returns the counter of requests that are refused for a reason.
func (n *counters) refusal(r limit.Refusal) *atomic.Uint64 {
	switch r {
	case limit.AddressCount:
		return &n.refusedAddress
	case limit.AddressRate:
		return &n.refusedAddressRate
	case limit.AddressFailure:
		return &n.refusedFailing
	}
	return &n.refusedRate
}

// leaveFrom ends a connection that enterFrom has counted.
func (s *Server) leaveFrom(remote string) { s.limits.connections.Leave(address(remote)) }

var (
	// errBusy is the error for a client that cannot wait for Authenticate.
	errBusy = &Error{Code: wire.CodeUnavailable, Message: "The server is busy. Try again later."}
	// errFailing is the error for a client whose address has failed too often.
	errFailing = &Error{Code: wire.CodeRateLimited, Message: "Too many authentications from your network address have failed. Try again later."}
	// errUserFull is the error for a client whose user has too many connections.
	errUserFull = errors.New("the user has too many connections (Config.MaxClientsPerUser)")
)

// checkCredentials returns an error for credentials that are not passed to Authenticate.
func (c *session) checkCredentials(cred *Credentials) error {
	s := c.server
	switch {
	case len(cred.Token) > s.tuning.Load().MaxToken:
		return fmt.Errorf("the token is longer than %d bytes (Config.MaxToken): %w", s.tuning.Load().MaxToken, ErrUnauthenticated)
	case len(cred.Raw) > s.cfg.AuthMaxPayload: // possible when a session is refreshed
		return fmt.Errorf("the credentials are larger than %d bytes (Config.AuthMaxPayload): %w", s.cfg.AuthMaxPayload, ErrUnauthenticated)
	}
	return c.checkAddress(cred.RemoteAddr)
}

// checkAddress returns an error if too many authentications from the client's address have
// failed.
func (c *session) checkAddress(remote string) error {
	s := c.server
	if !s.limits.connections.Failing(address(remote), s.uptime()) {
		return nil
	}
	s.counts.refusedFailing.Add(1)
	s.warn("authentication refused: too many authentications from the address have failed (Config.AuthFailureRate)", "client", c.member.ID, "remote", remote)
	return errFailing
}

// authFailed counts an authentication that the application has rejected.
func (s *Server) authFailed(remote string) {
	s.limits.connections.Fail(address(remote), s.uptime())
}

// beginAuthenticate waits until Authenticate may be called, and reports whether it had to wait.
// If the error is nil, endAuthenticate must be called afterwards.
func (s *Server) beginAuthenticate(ctx context.Context) (waited bool, err error) {
	l := s.limits
	if l.authenticating == nil {
		return false, nil
	}
	select {
	case l.authenticating <- struct{}{}:
		return false, nil
	default:
	}
	defer l.waiting.Add(-1)
	if l.waiting.Add(1) > int64(s.tuning.Load().AuthQueue) {
		s.counts.refusedBusy.Add(1)
		s.warn("authentication refused: too many clients wait for Authenticate (Config.AuthConcurrency, Config.AuthQueue)")
		return true, errBusy
	}
	select {
	case l.authenticating <- struct{}{}:
		return true, nil
	case <-ctx.Done():
		return true, errTooLate
	}
}

func (s *Server) endAuthenticate() {
	if s.limits.authenticating != nil {
		<-s.limits.authenticating
	}
}
