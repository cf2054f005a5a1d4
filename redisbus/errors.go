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
	// ErrDeadSubscription is wrapped by Health after Redis took what this bus
	// published on its own channel and the subscription did not deliver it, until
	// another one does.
	ErrDeadSubscription = errors.New("the subscription is dead")
	// ErrPartial is wrapped by Health while the bus's node of a Cluster takes another
	// master for failed, or has no connection to it. Messages still go between all
	// instances whose nodes see each other, which are all when no instance is connected
	// to the other node. So a probe for readiness need not fail.
	ErrPartial = errors.New("redisbus: a part of the Cluster is cut off")
	// ErrClosed is wrapped by a Publisher's errors after Close, and by those of calls
	// that Close interrupts.
	ErrClosed = errors.New("redisbus: the publisher is closed")
	// ErrConfig is wrapped by errors about a Config.
	ErrConfig = errors.New("redisbus: bad configuration")
)

// refusal is a failure that another attempt does not change.
type refusal struct{ err error }

func (e *refusal) Error() string { return "refused: " + e.err.Error() }
func (e *refusal) Unwrap() error { return e.err }

// astray is what is wrong with a node that took what was published, in vain.
type astray struct{ error }

func (e *astray) Unwrap() error { return e.error }

// isAstray reports whether a link that ended with err may have taken envelopes that
// nobody heard.
func isAstray(err error) bool {
	var a *astray
	return errors.As(err, &a) || errors.Is(err, ErrDeadSubscription)
}

// isSlow reports whether a link ended because its node did not answer, or deliver,
// in time.
func isSlow(err error) bool {
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, ErrDeadSubscription) || errors.Is(err, errHungUp)
}

// isRefusal reports whether err, or each of several failures, is a refusal.
func isRefusal(err error) bool {
	var several failures
	if errors.As(err, &several) {
		return len(several) > 0 && !slices.ContainsFunc(several, func(e error) bool { return !isRefusal(e) })
	}
	var r *refusal
	return errors.As(err, &r)
}

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

// LogCause is the same for the same failures, in whatever order the nodes were
// tried and whatever port the connections came from.
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

// at names the address that an error is about, unless its text does already.
func at(addr string, err error) error {
	if strings.Contains(err.Error(), addr) {
		return err
	}
	return fmt.Errorf("%s: %w", addr, err)
}

// timeout is a failure to answer in time.
type timeout struct{ limit time.Duration }

func (e *timeout) Error() string { return fmt.Sprintf("it does not answer within %v", e.limit) }
func (e *timeout) Unwrap() error { return context.DeadlineExceeded }

// late returns err, or what it means when time ran out that ctx did not limit.
func late(ctx context.Context, err error, limit time.Duration) error {
	if ctx.Err() == nil && errors.Is(err, context.DeadlineExceeded) {
		return &timeout{limit}
	}
	return err
}
