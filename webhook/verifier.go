package webhook

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/ignis-go/ignis/internal/loglimit"
)

// The reasons why a [Verifier] refuses a request.
var (
	// ErrHeaders is the error for a request without the headers of a signed request, or
	// with malformed ones.
	ErrHeaders = errors.New("webhook: the headers of a signed request are missing or malformed")
	// ErrTimestamp is the error for a request whose timestamp is too old or too new. If
	// it is not an attack, one of the two clocks is wrong.
	ErrTimestamp = errors.New("webhook: the timestamp of the request is too old or too new")
	// ErrSignature is the error for a request whose signature is not valid with any of
	// the secrets.
	ErrSignature = errors.New("webhook: the signature of the request is wrong")
	// ErrReplayed is the error for a request that has been verified before.
	ErrReplayed = errors.New("webhook: the request has been received before")
	// ErrFull is the error for a valid request that cannot be remembered, because there
	// were more than VerifierConfig.MaxRemembered within the tolerance.
	ErrFull = errors.New("webhook: too many requests to remember them all")
)

// VerifierConfig configures a [Verifier]. Secrets is required.
type VerifierConfig struct {
	// Secrets are the secrets of which one must have signed a request. While a secret is
	// being replaced, they are the old and the new one. Required.
	Secrets []string
	// Tolerance is how far the timestamp of a request may be from the time here, in both
	// directions, in whole seconds. 0: 5 min.
	Tolerance time.Duration
	// MaxRemembered is the number of requests that are remembered within the tolerance,
	// so that none of them is accepted twice, at about 100 bytes each. Further ones are
	// refused. Only requests with a valid signature are remembered. 0: 262,144.
	MaxRemembered int
	// MaxBody is the maximum size in bytes of the body of a request to Handler. 0: 1 MiB.
	MaxBody int64
	// Logger receives a line for each refused request, and no more than one per cause in
	// ten seconds. Nil: slog.Default().
	Logger *slog.Logger
}

// Verifier is the receiving side: it verifies that requests come from a [Client], or from
// another sender that follows the Standard Webhooks specification with symmetric
// signatures. Its methods are safe for concurrent use.
//
// A Verifier remembers requests in memory. Several processes behind a load balancer do not
// know what the others have received, so a recorded request could be sent once to each of
// them. An application that cannot tolerate that keeps the IDs in a shared database.
type Verifier struct {
	keys    keys
	maxBody int64
	seen    replays
	limit   *loglimit.Limiter
	counts  verifierCounts
}

// NewVerifier returns a Verifier, or an error if the configuration is invalid.
func NewVerifier(cfg VerifierConfig) (*Verifier, error) {
	ks, err := parseSecrets(cfg.Secrets)
	if err != nil {
		return nil, fmt.Errorf("webhook: VerifierConfig.%w", err)
	}
	if cfg.Tolerance < 0 || cfg.MaxRemembered < 0 || cfg.MaxBody < 0 {
		return nil, errors.New("webhook: Tolerance, MaxRemembered and MaxBody of VerifierConfig must not be negative")
	}
	if cfg.Tolerance == 0 {
		cfg.Tolerance = 5 * time.Minute
	}
	if cfg.MaxRemembered == 0 {
		cfg.MaxRemembered = 256 << 10
	}
	if cfg.MaxBody == 0 {
		cfg.MaxBody = 1 << 20
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	v := &Verifier{keys: ks, maxBody: cfg.MaxBody, limit: loglimit.New(cfg.Logger)}
	v.seen.limit, v.seen.tolerance = cfg.MaxRemembered, int64(cfg.Tolerance/time.Second)
	return v, nil
}

// Verify returns nil if a request with this header and body was signed with one of the
// secrets, is not too old, and has not been verified before. Otherwise it returns one of
// [ErrHeaders], [ErrTimestamp], [ErrSignature], [ErrReplayed] or [ErrFull].
//
// A sender repeats a request that has failed with the same ID and a new timestamp. Verify
// accepts that, so a handler that must do nothing twice has to remember the header
// webhook-id until it has succeeded; [Verifier.Handler] does.
func (v *Verifier) Verify(header http.Header, body []byte) error {
	_, _, err := v.verify(header, body, false)
	return v.count(err)
}

// verify is like Verify. It also returns what was known about the request before, and the
// key under which it is remembered. For start see [replays.add].
func (v *Verifier) verify(header http.Header, body []byte, start bool) (before progress, k replayKey, err error) {
	id, timestamp, signature, ok := signedHeaders(header)
	if !ok {
		return 0, k, ErrHeaders
	}
	seconds, err := strconv.ParseInt(timestamp, 10, 64)
	if err != nil {
		return 0, k, ErrHeaders
	}
	now := time.Now().Unix()
	if seconds < now-v.seen.tolerance || seconds > now+v.seen.tolerance {
		return 0, k, ErrTimestamp
	}
	if !v.keys.verify(signature, id, timestamp, body) {
		return 0, k, ErrSignature
	}
	k = keyOf(id)
	before, err = v.seen.add(k, seconds, now, start)
	return before, k, err
}

// maxID is the maximum length of a request's ID.
const maxID = 256

// signedHeaders returns the headers that the specification defines, each of which must be
// there exactly once. A dot in the ID would make it ambiguous what was signed.
func signedHeaders(h http.Header) (id, timestamp, signature string, ok bool) {
	ids, timestamps, signatures := h[headerID], h[headerTimestamp], h[headerSignature]
	if len(ids) != 1 || len(timestamps) != 1 || len(signatures) != 1 {
		return "", "", "", false
	}
	id, timestamp, signature = ids[0], timestamps[0], signatures[0]
	digits := strings.Trim(timestamp, "0123456789") == "" && len(timestamp) > 0 && len(timestamp) < 20
	return id, timestamp, signature, id != "" && len(id) <= maxID && !strings.Contains(id, ".") && digits
}
