package redisbus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/redis/rueidis"

	"github.com/ignis-go/ignis/internal/loglimit"
	"github.com/ignis-go/ignis/internal/redisconn"
	"github.com/ignis-go/ignis/wire"
)

// size returns the number of bytes that a publication counts toward QueueBytes.
func size(p *wire.Publication) int { return len(p.Channel) + len(p.Envelope) }

// Limits for a batch, which is sent in one round trip. They are large enough to make the
// latency irrelevant, and small enough that Redis replies well within the probe timeout.
const (
	batchMessages = 512
	batchBytes    = 1 << 20
)

// batch returns how many of the items go into the next batch, at least one if there are any,
// and their size.
func batch(items int, sizeOf func(int) int) (n, size int) {
	for n < items && n < batchMessages {
		next := sizeOf(n)
		if n > 0 && size+next > batchBytes {
			break
		}
		size += next
		n++
	}
	return n, size
}

// Publisher publishes over one connection and waits for Redis' reply. If the connection is
// lost, the call that notices it fails, and the next call reconnects. A Publisher does not
// work in the background. Its methods may be called concurrently.
type Publisher struct {
	cfg    Config
	target redisconn.Target
	limit  *loglimit.Limiter
	dial   chan struct{} // holds a token that a goroutine takes to connect or check
	finder finder        // owned by the holder of the token

	mu      sync.Mutex
	link    *link  // nil if there is none
	old     *link  // a replaced link that calls still use; nil if there is none
	slow    string // the last link's node, if it did not reply in time
	checked time.Time
	abort   context.CancelFunc // cancels the work of the token's holder
	closed  bool
}

// Dial connects to Redis. It retries until ctx is done or StartTimeout has passed;
// the error then describes the last failure. The Config's ProbeInterval,
// ProbeTimeout, Name and Logger apply as for a Bus; its other limits do not apply.
func Dial(ctx context.Context, c Config) (*Publisher, error) {
	c, t, err := c.prepare()
	if err != nil {
		return nil, err
	}
	p := &Publisher{cfg: c, target: t, dial: make(chan struct{}, 1)}
	p.limit = loglimit.New(c.Logger) // never opened, because a publisher does not work in the background
	p.finder = finder{notices: notices{cfg: &p.cfg, limit: p.limit}, target: &p.target}
	l, err := p.finder.start(ctx, nil)
	if err != nil {
		return nil, err
	}
	p.link, p.checked = l, time.Now()
	p.dial <- struct{}{}
	return p, nil
}

// Publish sends the items in order, in batches of at most 512 items and one mebibyte, each
// in one round trip, and returns when Redis has replied. It does not modify or keep their
// envelopes.
//
// The result is nil if Redis has accepted all items. Otherwise it has one entry for each
// item: nil if Redis has accepted it, and an error if not. If the error wraps
// [wire.ErrNotSent], the item was certainly not sent. After any other error that is not a
// reply of Redis, such as the context's, the item may have been sent and may arrive late.
// Publish does not retry, because only the caller knows whether a message is still worth
// sending.
func (p *Publisher) Publish(ctx context.Context, items ...wire.Publication) []error {
	errs := make([]error, len(items))
	failed := false
	for done := 0; done < len(items); {
		n, _ := batch(len(items)-done, func(i int) int { return size(&items[done+i]) })
		err := p.publish(ctx, items[done:done+n], errs[done:done+n])
		for _, e := range errs[done : done+n] {
			failed = failed || e != nil
		}
		done += n
		if err != nil {
			// The rest could overtake items that are still in flight.
			for i := done; i < len(items); i++ {
				errs[i] = fmt.Errorf("%w, an earlier item failed: %w", wire.ErrNotSent, err)
			}
			break
		}
	}
	if !failed {
		return nil
	}
	return errs
}

// publish sends one batch. It returns an error if the connection failed or ctx is done.
func (p *Publisher) publish(ctx context.Context, items []wire.Publication, errs []error) error {
	l, err := p.current(ctx)
	if err == nil {
		defer p.release(l)
		before, sent := l.conns.written.Load(), len(items)
		if err = l.publish(ctx, items, errs); err == nil {
			return nil
		}
		if ctx.Err() == nil {
			p.discard(l, err)
			sent = maySent(errs, l.conns.written.Load()-before, func(i int) *wire.Publication { return &items[i] })
		}
		err = p.explain(ctx, err)
		for i := range errs {
			if _, ok := rueidis.IsRedisErr(errs[i]); errs[i] != nil && !ok {
				errs[i] = err
			}
		}
		notSent(errs[sent:], err)
		return err
	}
	err = p.explain(ctx, err)
	notSent(errs, err)
	return err
}

// notSent sets the errors of items that were certainly not sent.
func notSent(errs []error, err error) {
	for i := range errs {
		errs[i] = fmt.Errorf("%w: %w", wire.ErrNotSent, err)
	}
}

// explain wraps the failure of a connection in an error that callers can test for.
func (p *Publisher) explain(ctx context.Context, err error) error {
	p.mu.Lock()
	closed := p.closed
	p.mu.Unlock()
	switch {
	case closed:
		return ErrClosed
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.Is(err, ErrClosed):
		return err
	default:
		return fmt.Errorf("%w: %s: %w", ErrUnavailable, &p.target, err)
	}
}

// current returns the link to use: the existing one if it was checked recently or passes a
// check now, and otherwise a new one. The caller must release it.
func (p *Publisher) current(ctx context.Context) (*link, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if l, ok, err := p.fresh(); ok || err != nil {
		return l, err
	}
	select {
	case <-p.dial:
		defer func() { p.dial <- struct{}{} }()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	l, ok, err := p.fresh() // another call may have connected in the meantime
	if ok || err != nil {
		return l, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	p.mu.Lock()
	p.abort = cancel
	closed := p.closed
	p.mu.Unlock()
	if closed {
		return nil, ErrClosed
	}
	if l != nil && !l.ended() {
		if err = p.finder.check(ctx, l); err == nil {
			err = p.finder.moved(ctx, l.addr)
		}
		if err == nil {
			p.noteApart(l)
			if next := p.finder.goHome(ctx, l, nil, callWait); next != nil {
				l = next
			}
			return l, p.adopt(l)
		}
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		p.limit.Log(slog.LevelWarn, "redis connection lost", "name", p.cfg.Name, "redis", p.target.String(),
			"error", at(l.addr, err))
	}
	if l != nil {
		p.discard(l, err)
	}
	p.mu.Lock()
	p.finder.slow = p.slow
	p.mu.Unlock()
	if l, err = p.finder.connect(ctx, nil); err != nil {
		return nil, err
	}
	return l, p.adopt(l)
}

// noteApart logs which part of the Cluster does not receive the published messages.
func (p *Publisher) noteApart(l *link) {
	if len(l.apart) > 0 {
		p.limit.Log(slog.LevelWarn, "a part of the Cluster is cut off", "name", p.cfg.Name, "redis", l.addr,
			"error", partial(l.apart), "lost", "unknown")
	}
}

// fresh returns the link, and ok if the link can be used without a check. If ok, the caller
// must release it.
func (p *Publisher) fresh() (l *link, ok bool, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, false, ErrClosed
	}
	ok = p.link != nil && !p.link.ended() && time.Since(p.checked) < p.cfg.ProbeInterval
	if ok {
		p.link.calls++
	}
	return p.link, ok, nil
}

// release ends a call's use of its link.
func (p *Publisher) release(l *link) {
	p.mu.Lock()
	l.calls--
	over := p.old == l && l.calls == 0
	if over {
		p.old = nil
	}
	p.mu.Unlock()
	if over {
		l.close()
	}
}

// adopt makes l the link to use, unless the publisher has been closed. The caller
// must release it. The link that it replaces is closed once no call uses it.
func (p *Publisher) adopt(l *link) error {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		l.close()
		return ErrClosed
	}
	var over []*link
	if before := p.link; before != nil && before != l {
		over, p.old = append(over, p.old), before
		if before.calls == 0 {
			over, p.old = append(over, before), nil
		}
	}
	p.link, p.checked = l, time.Now()
	l.calls++
	p.mu.Unlock()
	closeAll(over...)
	return nil
}

func closeAll(links ...*link) {
	for _, l := range links {
		if l != nil {
			l.close()
		}
	}
}

// discard closes a link that failed with err.
func (p *Publisher) discard(l *link, err error) {
	if err == nil {
		err = l.conns.err()
	}
	p.mu.Lock()
	if p.link == l {
		p.link = nil
		if p.slow = ""; isSlow(err) {
			p.slow = l.addr
		}
	}
	p.mu.Unlock()
	l.close()
}

// Close closes the connection. Calls in progress and later ones fail with ErrClosed.
// Close may be called more than once and always returns nil.
func (p *Publisher) Close() error {
	p.mu.Lock()
	p.closed = true
	l, old, abort := p.link, p.old, p.abort
	p.link, p.old = nil, nil
	p.mu.Unlock()
	if abort != nil {
		abort()
	}
	<-p.dial // wait until no goroutine is connecting or checking
	p.dial <- struct{}{}
	closeAll(l, old)
	return nil
}
