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
	"github.com/ignis-go/ignis/wire"
)

// Bus publishes envelopes and receives the envelopes of all instances. Publish, Health,
// Lost and Stats may be called concurrently and at any time. They do not wait for the
// network.
type Bus struct {
	cfg    Config
	target redisconn.Target

	running atomic.Bool
	out     *queue[queued]
	born    time.Time // queued.at counts from here
	in      *queue[string]
	counts  counters
	limit   *loglimit.Limiter // for log lines that traffic or faults can cause in any number; open while Run runs
	box     inbox

	commands commandState
	gapped   chan struct{} // has an element while gap is not empty

	mu     sync.Mutex
	up     bool      // connected
	addr   string    // the current node, or the last one
	cause  error     // why there is no connection; nil if there is one
	since  time.Time // when cause began
	lostAt uint64    // counts.lost() when the connection was lost
	denied error     // Redis' latest refusal of an envelope; nil after a batch without a refusal
	stuck  error     // Redis' refusal of the latest heartbeat, unless the user's rights are the reason
	gap    gap       // what NextGap returns next
	doubts doubts
}

var errStarting = errors.New("not connected yet")

// New validates the configuration and returns a Bus. It does not connect; Run does.
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
	b.commands = newCommandState()
	b.box = inbox{own: newOwn(), message: b.arrived, command: b.commandArrived}
	return b, nil
}

// Publish queues an envelope to be sent on a channel, in the order of the calls, and
// keeps the slice. If it returns an error, the envelope is not sent; the error wraps
// ErrNotRunning, ErrUnavailable or ErrQueueFull. An accepted envelope is either confirmed
// by Redis or counted by Lost. When the connection is lost, envelopes that were certainly
// not sent are kept for QueueAge and sent over the next connection, before newer ones.
// Envelopes in flight are not sent again: they are counted as lost, and may still arrive,
// even after newer envelopes.
func (b *Bus) Publish(channel string, envelope []byte) error {
	item := queued{wire.Publication{Channel: channel, Envelope: envelope}, time.Since(b.born)}
	err := b.out.put(item, size(&item.Publication))
	if err != nil {
		b.counts.rejected.Add(1)
	}
	return err
}

// Run connects and subscribes, calls ready once when both are done for the first time,
// and then calls receive with the envelopes that arrive, in order, on the goroutine that
// called Run. Each call gets the envelopes that are available, up to 256 of them and 64
// KiB, or a single larger one. receive must not keep the slices. Run reconnects as often
// as necessary.
//
// When ctx is done, Run stops receiving immediately, sends accepted envelopes for at most
// FlushTimeout, and returns nil. It returns an error if Redis is not ready within
// StartTimeout or refuses the credentials, or if another Run is in progress. It may be
// called again after it has returned.
func (b *Bus) Run(ctx context.Context, ready func(), receive func(envelopes ...[]byte)) error {
	if !b.running.CompareAndSwap(false, true) {
		return errors.New("redisbus: the bus is already running")
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

// maintain keeps a link open until ctx is done. When the first link is ready, it closes
// up.
func (b *Bus) maintain(ctx context.Context, up chan<- struct{}) error {
	b.setDown(fmt.Errorf("%w: %w", ErrUnavailable, errStarting))
	defer b.end()
	defer b.commands.use(nil, false)
	f := &finder{notices: notices{cfg: &b.cfg, limit: b.limit}, target: &b.target}
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

// reconnect makes the next link. It returns nil if ctx is done.
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

// serve publishes and probes over a link until the link fails or ctx is done. It then
// closes the link and returns when the link is no longer used. If there is a better node,
// serve returns a link to it instead; l is then still open, and everything sent over l is
// confirmed.
func (b *Bus) serve(ctx context.Context, l *link, f *finder) (next *link, err error) {
	// The link is used after ctx is done, to send the remaining envelopes.
	work, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	published, probed := make(chan outcome, 1), make(chan error, 1)
	better, halt := make(chan *link, 1), make(chan struct{})
	go func() { published <- b.publishAll(work, l, ctx.Done(), halt) }()
	go func() { probed <- b.probe(work, l, f, better) }()
	select {
	case out := <-published:
		err = out.err
		published <- out // for the receive operation below
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
			next.close() // l has failed in the meantime
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

// probe repeatedly checks that the link works. If it finds a better node, it sends a link to
// that node to better and returns nil.
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
