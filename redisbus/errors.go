package redisbus

import (
	"context"
	"crypto/tls"
	"errors"
	"strings"

	"github.com/redis/rueidis"

	"github.com/ignis-go/ignis/internal/loglimit"
	"github.com/ignis-go/ignis/internal/printable"
)

var (
	// ErrNotRunning is returned by Publish before Run and after its end.
	ErrNotRunning = errors.New("redisbus: the bus is not running")
	// ErrUnavailable is wrapped by errors of Publish and Health while there is
	// no connection to Redis.
	ErrUnavailable = errors.New("redisbus: redis is unavailable")
	// ErrQueueFull is returned by Publish when the envelope would exceed the
	// bounds of what waits to be sent.
	ErrQueueFull = errors.New("redisbus: the publish queue is full")
	// ErrOverflow is wrapped by Health while envelopes that arrive are dropped
	// because receive does not keep up.
	ErrOverflow = errors.New("redisbus: receive does not keep up")
	// ErrClosed is returned by a Publisher after Close.
	ErrClosed = errors.New("redisbus: the publisher is closed")
	// ErrConfig is wrapped by errors about a Config.
	ErrConfig = errors.New("redisbus: bad configuration")
)

// refusal is a failure that another attempt does not change.
type refusal struct{ err error }

func (e *refusal) Error() string { return "refused: " + e.err.Error() }
func (e *refusal) Unwrap() error { return e.err }

// classify marks what stays the same until somebody changes something: a
// certificate that is not trusted, and the answers of Redis to credentials,
// permissions and the number of the database.
func classify(err error) error {
	var untrusted *tls.CertificateVerificationError
	if errors.As(err, &untrusted) {
		return &refusal{err}
	}
	reply, ok := rueidis.IsRedisErr(err)
	if !ok {
		return err
	}
	for _, prefix := range []string{
		"WRONGPASS", "NOAUTH", "NOPERM", "invalid password", "DB index", "invalid DB index", "SELECT is not allowed",
	} {
		if strings.HasPrefix(answer(reply), prefix) {
			return &refusal{err}
		}
	}
	return err
}

func isRefusal(err error) bool {
	var r *refusal
	return errors.As(err, &r)
}

// unsupported reports whether Redis does not know a command or does not allow
// it to this user: a check that needs the command is left out then.
func unsupported(err error) bool {
	reply, ok := rueidis.IsRedisErr(err)
	return ok && (strings.HasPrefix(answer(reply), "NOPERM") || strings.HasPrefix(strings.ToLower(answer(reply)), "unknown"))
}

// answer returns the text of an error reply without the ERR that says nothing.
func answer(reply *rueidis.RedisError) string { return strings.TrimPrefix(reply.Error(), "ERR ") }

// shown returns an error for the log: what a Redis answers may be of any length.
func shown(err error) string { return printable.Text(err.Error(), loglimit.MaxText) }

// because returns the reason for which ctx ended when it did, else err.
func because(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return err
}

// failures are the errors of several nodes, in one line.
type failures []error

func (f failures) Error() string {
	list := make([]string, len(f))
	for i, err := range f {
		list[i] = err.Error()
	}
	return strings.Join(list, "; ")
}

func (f failures) Unwrap() []error { return f }
