package redisbus

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/ignis-go/ignis/internal/loglimit"
	"github.com/ignis-go/ignis/internal/printable"
)

var (
	// ErrNotRunning is returned by Publish before Run and after it has ended.
	ErrNotRunning = errors.New("redisbus: the bus is not running")
	// ErrUnavailable is wrapped by errors of Publish and Health while there is no
	// connection to Redis.
	ErrUnavailable = errors.New("redisbus: redis is unavailable")
	// ErrQueueFull is returned by Publish if the envelope would exceed the limits of
	// the queue.
	ErrQueueFull = errors.New("redisbus: the publish queue is full")
	// ErrOverflow is wrapped by errors of Health while arriving envelopes are dropped
	// because receive does not keep up.
	ErrOverflow = errors.New("redisbus: receive does not keep up")
	// ErrDeadSubscription is wrapped by errors of Health after Redis accepted a heartbeat
	// but the subscription did not deliver it, until a subscription works again.
	ErrDeadSubscription = errors.New("the subscription is dead")
	// ErrPartial is wrapped by errors of Health while the bus's node of a Cluster
	// considers another master failed, or has no connection to it. Messages still reach
	// all instances except those connected to that master, and usually there are none. So
	// a readiness probe need not fail.
	ErrPartial = errors.New("redisbus: a part of the Cluster is cut off")
	// ErrTooManyCommands is wrapped by the error of SendCommands if a command would exceed
	// MaxStoredCommands.
	ErrTooManyCommands = errors.New("redisbus: too many commands are stored")
	// ErrClosed is wrapped by a Publisher's errors after Close, and by those of calls
	// that Close interrupts.
	ErrClosed = errors.New("redisbus: the publisher is closed")
	// ErrConfig is wrapped by errors about a Config.
	ErrConfig = errors.New("redisbus: invalid configuration")
)

// refusal is a failure that would recur on every further attempt.
type refusal struct{ err error }

func (e *refusal) Error() string { return "refused: " + e.err.Error() }
func (e *refusal) Unwrap() error { return e.err }

// astray reports that a node may accept envelopes without delivering them.
type astray struct{ error }

func (e *astray) Unwrap() error { return e.error }

// isAstray reports whether Redis may have accepted envelopes without delivering them over a
// link that ended with err.
func isAstray(err error) bool {
	var a *astray
	return errors.As(err, &a) || errors.Is(err, ErrDeadSubscription)
}

// isSlow reports whether a link ended because its node did not reply or deliver in time.
func isSlow(err error) bool {
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, ErrDeadSubscription) || errors.Is(err, errHungUp)
}

// isRefusal reports whether err is a refusal or consists only of refusals.
func isRefusal(err error) bool {
	var several failures
	if errors.As(err, &several) {
		return len(several) > 0 && !slices.ContainsFunc(several, func(e error) bool { return !isRefusal(e) })
	}
	var r *refusal
	return errors.As(err, &r)
}

// shown returns the text of an error for the log. The text is shortened, because replies of
// Redis may have any length.
func shown(err error) string { return printable.Text(err.Error(), loglimit.MaxText) }

// because returns context.Cause if ctx is done, and otherwise err.
func because(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return err
}

// failures holds the errors of several nodes and formats them in one line.
type failures []error

func (f failures) Error() string {
	list := make([]string, len(f))
	for i, err := range f {
		list[i] = err.Error()
	}
	return strings.Join(list, "; ")
}

func (f failures) Unwrap() []error { return f }

// LogCause returns a text that does not depend on the order of the nodes or on local ports.
func (f failures) LogCause() string {
	list := make([]string, len(f))
	for i, err := range f {
		list[i] = err.Error()
		var op *net.OpError
		if errors.As(err, &op) && op.Source != nil {
			list[i] = strings.ReplaceAll(list[i], op.Source.String()+"->", "")
		}
	}
	slices.Sort(list)
	return strings.Join(list, "; ")
}

// at adds the address to an error unless its text already contains it.
func at(addr string, err error) error {
	if strings.Contains(err.Error(), addr) {
		return err
	}
	return fmt.Errorf("%s: %w", addr, err)
}

// timeout reports that Redis did not reply in time.
type timeout struct{ limit time.Duration }

func (e *timeout) Error() string { return fmt.Sprintf("redis does not answer within %v", e.limit) }
func (e *timeout) Unwrap() error { return context.DeadlineExceeded }

// late returns err, or a timeout if a deadline other than ctx's has passed.
func late(ctx context.Context, err error, limit time.Duration) error {
	if ctx.Err() == nil && errors.Is(err, context.DeadlineExceeded) {
		return &timeout{limit}
	}
	return err
}
