package acmecert

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"time"

	"golang.org/x/crypto/acme"

	"github.com/ignis-go/ignis/internal/printable"
)

// Run obtains and renews the certificates until ctx is done. The listeners must already accept
// connections, because the authority connects to them.
func (m *Manager) Run(ctx context.Context) {
	m.tellWaiting()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
			timer.Reset(m.round(ctx))
		}
	}
}

// tellWaiting logs which domains have to wait because of failures before the start.
func (m *Manager) tellWaiting() {
	now := time.Now()
	for _, d := range m.list {
		if f := d.lastFailure(); f.Count > 0 && f.Next.After(now) {
			m.log.Warn("earlier orders of a TLS certificate failed, so the next one has to wait; to order immediately, delete the file and restart",
				"names", d.name, "error", f.Error, "advice", f.Advice, "next", f.Next, "file", m.store.path(d.name+failedSuffix))
		}
	}
}

// round orders the certificates that are due, one after the other. It returns the time until the
// next round.
func (m *Manager) round(ctx context.Context) time.Duration {
	pause := m.times.poll
	for _, d := range m.list {
		if ctx.Err() != nil {
			return pause
		}
		m.refresh(d)
		wait := d.wait(time.Now())
		if wait <= 0 {
			wait = m.obtain(ctx, d)
		}
		pause = min(pause, wait)
	}
	return max(pause, 0)
}

// obtain orders a certificate, unless another process is ordering or has just done so. It returns
// the time until the domain has to be looked at again.
func (m *Manager) obtain(ctx context.Context, d *domain) time.Duration {
	unlock, ok, err := m.store.tryLock()
	switch {
	case err != nil:
		m.fail(d, fmt.Errorf("write to the folder for certificates: %w", err))
		return d.wait(time.Now())
	case !ok:
		return m.times.busy
	}
	defer unlock()
	m.refresh(d)
	if wait := d.wait(time.Now()); wait > 0 {
		return wait
	}
	before := d.lastFailure()
	err = m.announce(d, before)
	if err == nil {
		err = m.orderFor(ctx, d)
	}
	switch {
	case err == nil:
	case ctx.Err() != nil:
		_ = m.remember(d, before) // the order was interrupted, which is not a failure
	default:
		m.fail(d, err)
	}
	return d.wait(time.Now())
}

// announce remembers the order as a failure before it begins. If the process is killed, and then
// started again and again, it does not order each time. It also finds out whether the folder can
// be written to before an order is used up.
func (m *Manager) announce(d *domain, before failure) error {
	f := failure{Count: before.Count + 1, Last: time.Now(), Next: time.Now().Add(m.times.firstDelay), Error: "the process ended during the order"}
	if err := m.store.writeFailure(d.name, f); err != nil {
		return fmt.Errorf("write to the folder for certificates: %w", err)
	}
	return nil
}

// errAlreadyDue says that a new certificate should be renewed already. If that were not a failure,
// one certificate after the other would be ordered.
var errAlreadyDue = errors.New("according to the clock of this machine, the new certificate is already due for renewal")

// orderFor orders a certificate for the domain and uses it.
func (m *Manager) orderFor(ctx context.Context, d *domain) error {
	text, challenge, err := m.order(ctx, d.name)
	if err != nil {
		return err
	}
	h, err := hold(d.name, text)
	if err != nil {
		return fmt.Errorf("the authority issued a certificate that cannot be used: %w", err)
	}
	d.current.Store(h)
	m.issued.Add(1)
	if !h.renew.After(time.Now()) {
		return errors.Join(fmt.Errorf("%w: it expires at %s", errAlreadyDue, h.expires.UTC().Format(time.RFC3339)), m.store.write(d.name, text))
	}
	err = errors.Join(m.store.write(d.name, text), m.remember(d, failure{}))
	m.log.Info("TLS certificate obtained", "names", d.name, "expires", h.expires, "challenge", challenge)
	if err != nil {
		m.log.Error("could not store a certificate; after a restart, it is ordered again", "names", d.name, "error", err)
	}
	return nil
}

// remember replaces what is remembered about failures, in the store as well.
func (m *Manager) remember(d *domain, f failure) error {
	var err error
	if f.Count == 0 {
		err = m.store.remove(d.name + failedSuffix)
	} else {
		err = m.store.writeFailure(d.name, f)
	}
	d.setFailure(f, err == nil)
	return err
}

// fail remembers, counts and logs a failure.
func (m *Manager) fail(d *domain, err error) {
	m.failed.Add(1)
	now := time.Now()
	f := failure{Count: d.lastFailure().Count + 1, Last: now, Error: printable.Text(err.Error(), maxError), Advice: m.advise(err)}
	f.Next = now.Add(m.delay(f.Count, err))
	_ = m.remember(d, f) // if the folder is the problem, the error says so
	level, message := slog.LevelError, "could not obtain a TLS certificate; clients cannot connect to this name"
	args := []any{"names", d.name, "error", f.Error, "advice", f.Advice, "next", f.Next}
	if h := d.current.Load(); h != nil {
		message, args = "could not renew a TLS certificate; the previous one stays in use", append(args, "expires", h.expires)
		if h.expires.Sub(now) > h.expires.Sub(h.renew)/2 {
			level = slog.LevelWarn
		}
	}
	m.log.Log(context.Background(), level, message, args...)
}

// maxError is the maximum length of the text of an error, parts of which the authority chooses.
const maxError = 512

// delay returns the time before the next order after a number of failures in a row.
func (m *Manager) delay(count int, err error) time.Duration {
	longest := m.times.maxDelay
	if isOffline(err) {
		longest = m.times.maxOffline // such an attempt does not count against the limits of the authority
	}
	delay := longest
	if shift := count - 1; shift < 16 {
		delay = min(longest, m.times.firstDelay<<shift)
	}
	if problem, ok := errors.AsType[*acme.Error](err); ok {
		if after, ok := acme.RateLimit(problem); ok {
			delay = max(delay, min(after, maxRetryAfter))
		}
	}
	return delay
}

// maxRetryAfter limits what an authority may ask for.
const maxRetryAfter = 24 * time.Hour

func isMissing(err error) bool { return errors.Is(err, fs.ErrNotExist) }
