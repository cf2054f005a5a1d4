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
)

// Item is one envelope and the channel to publish it on. Neither may change
// until the call that got it has returned.
type Item struct {
	Channel  string
	Envelope []byte
}

// size is what the item counts in a queue's bytes.
func (i *Item) size() int { return len(i.Channel) + len(i.Envelope) }

// Bounds of one round trip: enough to make the trip's time irrelevant, little
// enough that Redis answers well within the probe timeout.
const (
	batchMessages = 512
	batchBytes    = 1 << 20
)

// batch returns how many of so many items go into the next round trip, at least
// one, and their size.
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

// Publisher publishes over one connection and waits for Redis' answer. When the
// connection is lost, the call that notices it fails, and the next one
// connects again; there is no work in the background. Its methods are safe for
// concurrent use.
type Publisher struct {
	cfg    Config
	target redisconn.Target
	limit  *loglimit.Limiter
	dial   chan struct{} // holds a token while nobody connects or checks
	finder finder        // belongs to who has the token

	mu      sync.Mutex
	link    *link  // nil: none
	old     *link  // in use until the calls that have it are over; nil: none
	slow    string // the node that did not answer the last link in time
	checked time.Time
	abort   context.CancelFunc // ends what the holder of the token does
	closed  bool
}

// Dial connects to Redis. It tries until ctx ends or StartTimeout is over; the
// error then says what went wrong last. ProbeInterval, ProbeTimeout, Name and
// Logger of the Config count as for a Bus, its other bounds do not apply.
func Dial(ctx context.Context, c Config) (*Publisher, error) {
	c, t, err := c.prepare()
	if err != nil {
		return nil, err
	}
	p := &Publisher{cfg: c, target: t, dial: make(chan struct{}, 1)}
	p.limit = loglimit.New(c.Logger) // never open: a publisher does nothing in the background
	p.finder = finder{cfg: &p.cfg, target: &p.target, limit: p.limit}
	l, err := p.finder.start(ctx, nil)
	if err != nil {
		return nil, err
	}
	p.link, p.checked = l, time.Now()
	p.dial <- struct{}{}
	return p, nil
}

// Publish sends the items in order, in one round trip for each 512 items or
// mebibyte, and returns when Redis has answered. The result is nil when Redis
// has taken all of them; else it has an error for each item that it did not
// take, and nil for the others. An item with an error that is not an answer of
// Redis, for instance ctx's, may have been sent all the same, and may arrive late,
// unless it wraps ErrNotSent. Nothing is sent again: whether a message is still worth it
// the caller knows.
func (p *Publisher) Publish(ctx context.Context, items []Item) []error {
	errs := make([]error, len(items))
	failed := false
	for done := 0; done < len(items); {
		n, _ := batch(len(items)-done, func(i int) int { return items[done+i].size() })
		err := p.publish(ctx, items[done:done+n], errs[done:done+n])
		for _, e := range errs[done : done+n] {
			failed = failed || e != nil
		}
		done += n
		if err != nil {
			// Sending the rest could overtake what may still be on its way.
			for i := done; i < len(items); i++ {
				errs[i] = fmt.Errorf("%w, an earlier item failed: %w", ErrNotSent, err)
			}
			break
		}
	}
	if !failed {
		return nil
	}
	return errs
}

// publish sends one batch. Its error means that the connection, or ctx, failed.
func (p *Publisher) publish(ctx context.Context, items []Item, errs []error) error {
	l, err := p.current(ctx)
	if err == nil {
		defer p.release(l)
		before, sent := l.conns.written.Load(), len(items)
		if err = l.publish(ctx, items, errs); err == nil {
			return nil
		}
		if ctx.Err() == nil {
			p.discard(l, err)
			sent = maySent(errs, l.conns.written.Load()-before, func(i int) *Item { return &items[i] })
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
		errs[i] = fmt.Errorf("%w: %w", ErrNotSent, err)
	}
}

// explain turns the failure of a connection into what the caller branches on.
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

// current returns the link to use, which has to be released: the one that there is
// when it has shown lately that it works, else after a check, else a new one.
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
	l, ok, err := p.fresh() // another call may have done the work meanwhile
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

// noteApart logs which part of the Cluster does not get what is published.
func (p *Publisher) noteApart(l *link) {
	if len(l.apart) > 0 {
		p.limit.Log(slog.LevelWarn, "a part of the Cluster is cut off", "name", p.cfg.Name, "redis", l.addr,
			"error", partial(l.apart), "lost", "unknown")
	}
}

// fresh returns the link, and whether it needs no check; then it has to be released.
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

// release says that a call needs its link no more.
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

// adopt makes l the link to use, unless the publisher was closed meanwhile. It has to
// be released. A link that it replaces is closed once no call uses it.
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

// Close releases the connection. Calls in progress and later ones fail with
// ErrClosed. It may be called more than once and always returns nil.
func (p *Publisher) Close() error {
	p.mu.Lock()
	p.closed = true
	l, old, abort := p.link, p.old, p.abort
	p.link, p.old = nil, nil
	p.mu.Unlock()
	if abort != nil {
		abort()
	}
	<-p.dial // whoever connects has given up
	p.dial <- struct{}{}
	closeAll(l, old)
	return nil
}
