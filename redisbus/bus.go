package redisbus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ignis-go/ignis/internal/loglimit"
	"github.com/ignis-go/ignis/internal/redisconn"
)

// Bus publishes envelopes and receives those of all instances. Publish, Health,
// Lost and Stats are safe for concurrent use, at any time, and do not wait for
// the network.
type Bus struct {
	cfg    Config
	target redisconn.Target

	running atomic.Bool
	out     *queue[queued]
	born    time.Time // what the ages of queued count from
	in      *queue[string]
	counts  counters
	limit   *loglimit.Limiter // of lines that traffic and faults can cause at will; open while Run is there
	box     inbox
	gapped  chan struct{} // has an element when gap is not empty

	mu     sync.Mutex
	up     bool      // connected
	addr   string    // the node, or the last one
	cause  error     // not nil: not connected, and why
	since  time.Time // of that
	lostAt uint64    // counts.lost() when the connection went
	denied error     // Redis' latest refusal of an envelope; nil after a batch without
	stuck  error     // Redis' refusal of the latest heartbeat, though the user may send it
	gap    gap       // what NextGap has to return
	doubts doubts
}

var errStarting = errors.New("not connected yet")

// New checks the configuration. It does not connect: Run does.
func New(c Config) (*Bus, error) {
	c, t, err := c.prepare()
	if err != nil {
		return nil, err
	}
	b := &Bus{
		gapped: make(chan struct{}, 1),
		cfg:    c, target: t, limit: loglimit.New(c.Logger),
		born: time.Now(),
		out:  newQueue[queued](c.QueueMessages, c.QueueBytes, ErrNotRunning),
		in:   newQueue[string](c.QueueMessages, c.QueueBytes, ErrNotRunning),
	}
	b.box = inbox{own: newOwn(), message: b.arrived}
	return b, nil
}

// Publish takes an envelope to be sent on a channel, in the order of the calls,
// and keeps the slice. Its errors mean that the envelope is not sent: they wrap
// ErrNotRunning, ErrUnavailable or ErrQueueFull. What it takes is either sent
// or counted by Lost. When the connection is lost, what was certainly not sent yet is kept
// for QueueAge and sent over the next one, before anything newer. What was on its way is
// not sent again: it is counted as lost, and may still arrive, even behind newer
// envelopes.
func (b *Bus) Publish(channel string, envelope []byte) error {
	item := queued{Item{Channel: channel, Envelope: envelope}, time.Since(b.born)}
	err := b.out.put(item, item.size())
	if err != nil {
		b.counts.rejected.Add(1)
	}
	return err
}

// Run connects and subscribes, calls ready once both are done for the first
// time, and then calls receive with the envelopes that arrive, in order, from the
// goroutine that called Run. One call gets what is there, 256 envelopes and 64 KB
// at most, or one larger envelope. receive has the slices during the call alone.
// A lost connection is made again as often as needed.
//
// Run returns nil after ctx has ended: it stops receiving at once and sends
// what Publish has taken for FlushTimeout at most. It returns an error when
// Redis is not ready within StartTimeout, or refuses the credentials, or when
// another Run is in progress. It may be called again after it has returned.
func (b *Bus) Run(ctx context.Context, ready func(), receive func(envelopes ...[]byte)) error {
	if !b.running.CompareAndSwap(false, true) {
		return errors.New("redisbus: the bus runs already")
	}
	defer b.running.Store(false)
	b.limit.Open()
	defer b.limit.Close()
	ctx, cancel := context.WithCancel(ctx)
	up, ended := make(chan struct{}), make(chan error, 1)
	b.in.open()
	go func() { ended <- b.maintain(ctx, up) }()
	select {
	case err := <-ended:
		cancel()
		return err
	case <-up:
	}
	defer func() {
		cancel()
		<-ended
		b.in.close(ErrNotRunning)
		b.in.drop()
	}()
	ready()
	b.deliver(ctx, receive)
	return nil
}

// maintain keeps a link open until ctx ends. up is closed when the first is.
func (b *Bus) maintain(ctx context.Context, up chan<- struct{}) error {
	b.setDown(fmt.Errorf("%w: %w", ErrUnavailable, errStarting))
	defer b.end()
	f := &finder{cfg: &b.cfg, target: &b.target, limit: b.limit}
	l, err := f.start(ctx, &b.box)
	if err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return fmt.Errorf("redisbus: %w", err)
	}
	b.setUp(l)
	close(up)
	var pauses backoff
	for {
		next, err := b.serve(ctx, l, f)
		if next != nil {
			b.handOver(ctx, l, next)
			l = next
			continue
		}
		if ctx.Err() != nil {
			return nil
		}
		heard := l.proven
		if f.slow = ""; isSlow(err) {
			f.slow = l.addr
		}
		b.lose(err)
		pauses.worked()
		if l = b.reconnect(ctx, f, &pauses); l == nil {
			return nil
		}
		b.counts.reconnects.Add(1)
		b.recover(l, heard)
	}
}

// reconnect makes the next link. It returns nil when ctx has ended.
func (b *Bus) reconnect(ctx context.Context, f *finder, pauses *backoff) *link {
	for pauses.wait(ctx) {
		l, err := f.connect(ctx, &b.box)
		if err == nil {
			return l
		}
		b.counts.noteRefused(err)
		if ctx.Err() != nil {
			return nil
		}
		b.expire()
		b.limit.Log(slog.LevelWarn, "redis is not back", "name", b.cfg.Name, "redis", b.target.String(), "error", err)
		b.setDown(fmt.Errorf("%w: %w", ErrUnavailable, err))
	}
	return nil
}

// serve publishes and probes over a link until that fails or ctx ends. It
// closes the link and returns when nobody uses it any more. Or it returns the link to
// take instead; then l is still open, and all that was taken for it is confirmed.
func (b *Bus) serve(ctx context.Context, l *link, f *finder) (next *link, err error) {
	// The link outlives ctx by the time to flush.
	work, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	published, probed := make(chan outcome, 1), make(chan error, 1)
	better, halt := make(chan *link, 1), make(chan struct{})
	go func() { published <- b.publishAll(work, l, ctx.Done(), halt) }()
	go func() { probed <- b.probe(work, l, f, better) }()
	select {
	case out := <-published:
		err = out.err
		published <- out // for the wait below
	case err = <-probed:
		probed <- nil
		select {
		case next = <-better:
			close(halt)
			out := <-published
			if err = out.err; err == nil {
				b.settle(l, out)
				return next, nil
			}
			next.close() // l has failed meanwhile
			published <- out
		default:
		}
	case <-l.conns.gone:
		err = l.conns.err()
	case <-ctx.Done():
		b.out.close(ErrNotRunning)
		timer := time.NewTimer(b.cfg.FlushTimeout)
		select {
		case out := <-published:
			published <- out
		case <-l.conns.gone:
		case <-timer.C:
		}
		timer.Stop()
	}
	cancel()
	l.close()
	out := <-published
	err = l.conns.because(l.why(err, out.err, <-probed))
	b.settle(l, out)
	select {
	case unused := <-better:
		unused.close()
	default:
	}
	return nil, err
}

// probe makes the link show that it works, again and again. It returns nil when better
// has a link that is to be used instead.
func (b *Bus) probe(ctx context.Context, l *link, f *finder, better chan<- *link) error {
	tick := time.NewTicker(b.cfg.ProbeInterval)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		if err := f.check(ctx, l); err != nil {
			return err
		}
		b.probed(l)
		if err := f.moved(ctx, l.addr); err != nil {
			return err
		}
		if next := f.goHome(ctx, l, &b.box, betterWait); next != nil {
			better <- next
			return nil
		}
	}
}
