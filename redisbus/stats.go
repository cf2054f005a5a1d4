package redisbus

import (
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/redis/rueidis"

	"github.com/ignis-go/ignis/internal/redisconn"
)

// Stats holds the counters of a Bus since New, and its state.
type Stats struct {
	// Published counts envelopes that Redis has accepted.
	Published uint64
	// Received counts envelopes delivered to receive.
	Received uint64
	// Rejected counts calls of Publish that returned an error.
	Rejected uint64
	// LostConnection counts accepted envelopes that were in flight when their
	// connection failed, so that Redis did not confirm them. They may have arrived, or
	// may arrive later, even after newer ones: when a frozen Redis continues, it
	// processes the commands that it has received.
	LostConnection uint64
	// LostExpired counts accepted envelopes that were not sent before the connection
	// failed, and then waited for the next one for longer than QueueAge.
	LostExpired uint64
	// LostRefused counts envelopes to which Redis replied with an error, for instance
	// because the user may not publish on the channel.
	LostRefused uint64
	// LostShutdown counts envelopes that were not sent before Run ended.
	LostShutdown uint64
	// Dropped counts envelopes that arrived but were dropped because receive did not
	// keep up.
	Dropped uint64
	// Reconnects counts the links made after the first one.
	Reconnects uint64
	// Garbled counts connections, after the first link, that were closed because
	// Redis sent data that is not valid in its protocol, an invalid reply, or more
	// than MaxIncoming.
	Garbled uint64
	// DeadSubscriptions counts links that were closed because the subscription
	// delivered nothing although Redis answered.
	DeadSubscriptions uint64
	// Gaps counts periods in which envelopes of other instances and emitters may have
	// been missed, and GapTime is their total duration; see NextGap.
	Gaps    uint64
	GapTime time.Duration
	// Heartbeats counts the heartbeats that came back: the bus publishes one at each probe,
	// on a channel that only it subscribes to. LagTime is the total time from publishing
	// them to receiving them, and Lag is the time that the last one took, or 0 while there
	// is no connection. An envelope takes about as long, and in addition waits in the queues
	// that Queued and Waiting count.
	Heartbeats uint64
	LagTime    time.Duration
	Lag        time.Duration
	// CommandsSent counts commands that Redis has accepted, and Commands those that arrived
	// or were read. CommandsDropped counts commands that arrived but were too large or too
	// many; the stored ones are then read again. StoreFailures counts failed attempts to
	// send commands and to read the stored ones.
	CommandsSent    uint64
	Commands        uint64
	CommandsDropped uint64
	StoreFailures   uint64
	// CutOff is the number of masters of the Cluster that the bus's node does not reach.
	CutOff int
	// Queued is the number of accepted envelopes that Redis has yet to confirm. They are
	// counted as Published or lost before they are no longer counted here.
	Queued int
	// Waiting is the number of envelopes that wait for receive.
	Waiting int
	// Connected reports whether both connections are up. If so, Addr is their node.
	Connected bool
	Addr      string
}

type counters struct {
	published, received, rejected             atomic.Uint64
	lostConnection, lostRefused, lostShutdown atomic.Uint64
	dropped, reconnects, garbled, lostExpired atomic.Uint64
	dead, gaps, probes, heartbeats            atomic.Uint64
	commands, commandsSent                    atomic.Uint64
	commandsDropped, storeFailures            atomic.Uint64
	gapTime, lagTime, lag                     atomic.Int64 // in nanoseconds
	// overflow is the value of dropped after the first drop of the current overflow, or
	// zero if there is no overflow. overflowed is when the overflow started, in
	// nanoseconds since 1970.
	overflow   atomic.Uint64
	overflowed atomic.Int64
}

// noteRefused counts a connection that ended with err if invalid data was the reason.
func (c *counters) noteRefused(err error) {
	var refused *redisconn.Error
	if errors.As(err, &refused) {
		c.garbled.Add(1)
	}
}

func (c *counters) lost() uint64 {
	return c.lostConnection.Load() + c.lostRefused.Load() + c.lostShutdown.Load() + c.lostExpired.Load()
}

// Stats returns the counters and the state.
func (b *Bus) Stats() Stats {
	c := &b.counts
	queued, waiting := b.out.len(), b.in.len() // first, or else what is counted meanwhile would be missing
	s := Stats{
		Published: c.published.Load(), Received: c.received.Load(), Rejected: c.rejected.Load(),
		LostConnection: c.lostConnection.Load(), LostExpired: c.lostExpired.Load(),
		LostRefused: c.lostRefused.Load(), LostShutdown: c.lostShutdown.Load(),
		Dropped: c.dropped.Load(), Reconnects: c.reconnects.Load(), Garbled: c.garbled.Load(),
		DeadSubscriptions: c.dead.Load(), Gaps: c.gaps.Load(), GapTime: time.Duration(c.gapTime.Load()),
		Heartbeats: c.heartbeats.Load(), LagTime: time.Duration(c.lagTime.Load()),
		CommandsSent: c.commandsSent.Load(), Commands: c.commands.Load(),
		CommandsDropped: c.commandsDropped.Load(), StoreFailures: c.storeFailures.Load(),
		Queued: queued, Waiting: waiting,
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	s.CutOff = len(b.doubts.apart)
	if s.Connected = b.up; s.Connected {
		s.Addr, s.Lag = b.addr, time.Duration(c.lag.Load())
	}
	return s
}

// node returns the address of the current node, or of the last one.
func (b *Bus) node() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.addr
}

// Lost returns how many accepted envelopes Redis did not confirm: the sum of the Lost
// counters of Stats.
func (b *Bus) Lost() uint64 { return b.counts.lost() }

// Health returns nil while both connections are up, Redis accepts envelopes, receive keeps
// up, and no part of a Cluster is cut off. Otherwise it returns an error that wraps
// ErrNotRunning, ErrUnavailable (and ErrDeadSubscription, if that is the cause),
// ErrOverflow, ErrPartial or Redis' reply.
func (b *Bus) Health() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.cause != nil:
		return b.cause
	case !b.up:
		return ErrNotRunning
	case b.denied != nil:
		return fmt.Errorf("redisbus: redis refuses envelopes: %w", b.denied)
	case b.stuck != nil:
		return fmt.Errorf("redisbus: redis refuses envelopes: %w", b.stuck)
	case b.counts.overflow.Load() != 0:
		return fmt.Errorf("%w: %d envelopes dropped so far", ErrOverflow, b.counts.dropped.Load())
	case len(b.doubts.apart) > 0:
		return fmt.Errorf("%w: %w", ErrPartial, partial(b.doubts.apart))
	}
	return nil
}

// account counts the results of a batch and logs the first refusal of a series. The log line
// is limited, because Redis may refuse one channel and accept the next. account returns how
// many items have no reply.
func (b *Bus) account(errs []error) (lost uint64) {
	var published, refused uint64
	var denied error
	for _, err := range errs {
		if err == nil {
			published++
		} else if _, ok := rueidis.IsRedisErr(err); ok {
			refused++
			denied = err
		} else {
			lost++
		}
	}
	b.counts.published.Add(published)
	b.counts.lostRefused.Add(refused)
	b.counts.lostConnection.Add(lost)
	if lost > 0 {
		return lost // the batch does not show whether Redis accepts envelopes
	}
	b.mu.Lock()
	before, addr := b.denied, b.addr
	b.denied = denied
	b.mu.Unlock()
	if denied != nil && before == nil {
		b.limit.Log(slog.LevelError, "redis refuses envelopes; they are lost", "name", b.cfg.Name, "redis", addr,
			"lost", refused, "error", denied)
	}
	return 0
}

// probed records what a successful probe has shown.
func (b *Bus) probed(l *link) {
	b.counts.probes.Add(1)
	b.counts.lag.Store(int64(l.lag))
	if l.lag > 0 {
		b.counts.heartbeats.Add(1)
		b.counts.lagTime.Add(int64(l.lag))
	}
	var stuck error
	if l.denied != nil && !l.silent() {
		stuck = l.denied
	}
	b.mu.Lock()
	before := b.stuck
	b.stuck = stuck
	b.mu.Unlock()
	b.noteApart(l)
	if stuck != nil && before == nil {
		b.limit.Log(slog.LevelError, "redis does not accept envelopes at the moment", "name", b.cfg.Name, "redis", l.addr, "error", stuck)
	}
}

// setUp records a link and lets Publish accept envelopes.
func (b *Bus) setUp(l *link) {
	b.mu.Lock()
	b.up, b.addr, b.cause = true, l.addr, nil
	b.doubts.made = time.Now()
	b.mu.Unlock()
	b.probed(l)
	b.out.open()
	b.commands.use(l, true)
}

// setDown records that there is no link. Publish fails with cause.
func (b *Bus) setDown(cause error) {
	b.out.close(cause)
	b.commands.use(nil, true)
	b.mu.Lock()
	b.up, b.cause, b.stuck = false, cause, nil
	b.mu.Unlock()
}

// lose records that a link has failed. Queued envelopes are kept for the next link, for up to
// QueueAge.
func (b *Bus) lose(err error) {
	if err == nil {
		err = errors.New("connection closed")
	}
	if errors.Is(err, ErrDeadSubscription) {
		b.counts.dead.Add(1)
	}
	b.mu.Lock()
	addr := b.addr
	b.since = time.Now()
	b.doubts.lose(err)
	b.mu.Unlock()
	b.counts.noteRefused(err)
	b.setDown(fmt.Errorf("%w: %w", ErrUnavailable, at(addr, err)))
	b.expire()
	b.limit.Log(slog.LevelWarn, "redis connection lost; other instances are not reached until it is back",
		"name", b.cfg.Name, "redis", addr, "error", failures{at(addr, err)}, "waiting", b.out.len())
}

// recover records a new link and logs the effects of the outage. Everything published before
// heard has arrived.
func (b *Bus) recover(l *link, heard time.Time) {
	until := time.Now()
	b.expire()
	lost, kept := b.counts.lost(), b.out.len()
	b.mu.Lock()
	since, before, left := b.since, b.lostAt, b.addr
	b.lostAt = lost
	heard, lostWord := b.doubts.recover(heard, lost-before)
	b.mu.Unlock()
	b.setUp(l)
	// The number of missed envelopes is unknown: Redis does not count them.
	args := []any{
		"name", b.cfg.Name, "redis", l.addr, "after", until.Sub(since).Round(time.Millisecond), "lost", lostWord,
		"missed", "unknown", "missed_for", until.Sub(heard).Round(time.Millisecond), "kept", kept,
	}
	if left == l.addr {
		b.limit.Log(slog.LevelInfo, "redis connection restored", args...)
	} else {
		b.limit.Log(slog.LevelInfo, "redis connection restored on another node", append(args, "left", left)...)
	}
	b.missed(heard, until)
}

// end records that Run is over.
func (b *Bus) end() {
	b.out.close(ErrNotRunning)
	lost := b.out.len()
	b.counts.lostShutdown.Add(uint64(lost))
	b.out.drop()
	b.mu.Lock()
	addr, cause := b.addr, b.cause
	b.up, b.addr, b.cause, b.denied, b.stuck, b.doubts = false, "", nil, nil, nil, doubts{}
	b.mu.Unlock()
	if lost == 0 {
		return
	}
	if cause == nil {
		cause = fmt.Errorf("redis did not confirm them within %v", b.cfg.FlushTimeout)
	}
	b.cfg.Logger.Warn("envelopes were not sent before the bus ended", "name", b.cfg.Name, "lost", lost,
		"redis", addr, "error", shown(cause))
}
