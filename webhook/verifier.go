package webhook

import (
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/ignis-go/ignis/internal/loglimit"
)

// The errors of [Verifier.Verify].
var (
	// ErrHeaders is the error for a request without the headers of a signed request, or
	// with malformed ones.
	ErrHeaders = errors.New("webhook: the headers of a signed request are missing or malformed")
	// ErrTimestamp is the error for a request whose timestamp is further from the current
	// time than VerifierConfig.Tolerance. It is either a replayed request, or one of the
	// two clocks is wrong.
	ErrTimestamp = errors.New("webhook: the timestamp of the request is too old or too new")
	// ErrSignature is the error for a request without a valid signature with one of the
	// secrets.
	ErrSignature = errors.New("webhook: the signature of the request is wrong")
	// ErrReplayed is the error for a copy of a request that was verified before.
	ErrReplayed = errors.New("webhook: the request has been received before")
	// ErrFull is the error for a request with a valid signature that is refused because
	// VerifierConfig.MaxRemembered requests are remembered, so that a copy of it could
	// not be detected.
	ErrFull = errors.New("webhook: too many requests at the moment")
)

// VerifierConfig configures a [Verifier]. Secrets is required.
type VerifierConfig struct {
	// Secrets are the accepted secrets. A request must be signed with one of them. While
	// a secret is being replaced, list the old and the new one. Required.
	Secrets []string
	// Tolerance is the maximum difference between the timestamp of a request and the
	// current time, in both directions. It is rounded down to seconds. 0: 5 min.
	Tolerance time.Duration
	// MaxRemembered is the maximum number of requests that are remembered to detect
	// copies of them. Each uses about 100 bytes until its timestamp is older than
	// Tolerance. Further requests are refused with ErrFull. Requests without a valid
	// signature are not remembered. 0: 262,144.
	MaxRemembered int
	// MaxBody is the maximum size in bytes of the body of a request to Handler. 0: 1 MiB.
	MaxBody int64
	// Logger receives a line for a refused request, at most one per cause in ten seconds.
	// Nil: slog.Default().
	Logger *slog.Logger
}

// Verifier verifies requests on the receiving side. They may come from a [Client], or from
// any other sender that follows the Standard Webhooks specification and uses symmetric
// signatures. Its methods are safe for concurrent use.
//
// A Verifier remembers requests in the memory of its process. If several processes receive
// requests, a copy of a request is detected only by the process that received the original.
// An application for which that is not enough must keep the IDs in a shared database.
type Verifier struct {
	keys    keys
	maxBody int64
	seen    replays
	limit   *loglimit.Limiter
	counts  verifierCounts
}

// NewVerifier returns a Verifier, or an error if the configuration is invalid.
func NewVerifier(cfg VerifierConfig) (*Verifier, error) {
	ks, err := parseSecrets("VerifierConfig.Secrets", cfg.Secrets)
	if err != nil {
		return nil, err
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

// Verify returns nil if a request with this header and body has a valid signature and a
// current timestamp, and is not a copy of a request that was verified before. Otherwise it
// returns [ErrHeaders], [ErrTimestamp], [ErrSignature], [ErrReplayed] or [ErrFull].
//
// A sender repeats a failed request with the same ID and a new timestamp, which Verify
// accepts. To handle each request only once, use [Verifier.Handler], or remember the header
// webhook-id of the requests that were handled.
func (v *Verifier) Verify(header http.Header, body []byte) error {
	_, _, err := v.verify(header, body, false)
	return v.count(err)
}

// verify is like Verify. It also returns the progress of the request so far, and its key. For
// start, see [replays.add].
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

// signedHeaders returns the headers that the specification defines. It reports false unless
// each of them occurs exactly once and is well-formed. With a dot in the ID, different
// requests could have the same signature.
func signedHeaders(h http.Header) (id, timestamp, signature string, ok bool) {
	ids, timestamps, signatures := h[headerID], h[headerTimestamp], h[headerSignature]
	if len(ids) != 1 || len(timestamps) != 1 || len(signatures) != 1 {
		return "", "", "", false
	}
	id, timestamp, signature = ids[0], timestamps[0], signatures[0]
	digits := strings.Trim(timestamp, "0123456789") == "" && len(timestamp) > 0 && len(timestamp) < 20
	return id, timestamp, signature, id != "" && len(id) <= maxID && !strings.Contains(id, ".") && digits
}
