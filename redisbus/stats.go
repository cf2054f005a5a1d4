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

// Stats is what a Bus has counted since New, and how it is.
type Stats struct {
	// Published counts envelopes that Redis has taken.
	Published uint64
	// Received counts envelopes handed to receive.
	Received uint64
	// Rejected counts calls of Publish that returned an error.
	Rejected uint64
	// LostConnection counts envelopes that Publish took and whose connection
	// failed before Redis confirmed them. Some may have arrived all the same.
	LostConnection uint64
	// LostRefused counts envelopes that Redis answered with an error, for
	// instance because the user may not publish on the channel.
	LostRefused uint64
	// LostShutdown counts envelopes that were not sent before Run ended.
	LostShutdown uint64
	// Dropped counts envelopes that arrived and were dropped because receive
	// did not keep up.
	Dropped uint64
	// Reconnects counts links made after the first.
	Reconnects uint64
	// Garbled counts connections that were ended, after the first link, because what
	// Redis sent was not its protocol, not an answer to what was asked, or over
	// MaxIncoming.
	Garbled uint64
	// Queued is how many envelopes wait to be confirmed by Redis.
	Queued int
	// Waiting is how many envelopes wait for receive.
	Waiting int
	// Connected says that both connections are up; Addr is their node then.
	Connected bool
	Addr      string
}

type counters struct {
	published, received, rejected             atomic.Uint64
	lostConnection, lostRefused, lostShutdown atomic.Uint64
	dropped, reconnects, garbled              atomic.Uint64
	// overflow is dropped at the start of the current overflow plus one; zero:
	// there is none.
	overflow atomic.Uint64
}

// noteRefused counts a connection that ended with err for what Redis sent.
func (c *counters) noteRefused(err error) {
	var refused *redisconn.Error
	if errors.As(err, &refused) {
		c.garbled.Add(1)
	}
}

func (c *counters) lost() uint64 {
	return c.lostConnection.Load() + c.lostRefused.Load() + c.lostShutdown.Load()
}

// Stats returns the counts.
func (b *Bus) Stats() Stats {
	c := &b.counts
	s := Stats{
		Published: c.published.Load(), Received: c.received.Load(), Rejected: c.rejected.Load(),
		LostConnection: c.lostConnection.Load(), LostRefused: c.lostRefused.Load(), LostShutdown: c.lostShutdown.Load(),
		Dropped: c.dropped.Load(), Reconnects: c.reconnects.Load(), Garbled: c.garbled.Load(),
		Queued: b.out.len(), Waiting: b.in.len(),
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	s.Connected, s.Addr = b.addr != "", b.addr
	return s
}

// Lost returns how many envelopes Publish took that were not confirmed by Redis:
// the sum of the Lost counts of Stats.
func (b *Bus) Lost() uint64 { return b.counts.lost() }

// Health returns nil while both connections are up, Redis takes what is
// published and receive keeps up. Else it says why not; the error wraps
// ErrNotRunning, ErrUnavailable or ErrOverflow, or is Redis' answer.
func (b *Bus) Health() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.addr == "" && b.cause == nil:
		return ErrNotRunning
	case b.cause != nil:
		return b.cause
	case b.denied != nil:
		return fmt.Errorf("redisbus: redis refuses envelopes: %w", b.denied)
	case b.counts.overflow.Load() != 0:
		return fmt.Errorf("%w: %d envelopes dropped so far", ErrOverflow, b.counts.dropped.Load())
	}
	return nil
}

// account counts the answers to a batch and logs the first refusal of a row, within
// limits: Redis may refuse one channel and take the next.
func (b *Bus) account(errs []error) {
	var published, refused, lost uint64
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
		return // says nothing about what Redis thinks of the envelopes
	}
	b.mu.Lock()
	before := b.denied
	b.denied = denied
	b.mu.Unlock()
	if denied != nil && before == nil {
		b.limit.Log(slog.LevelError, "redis refuses envelopes; they are lost", "name", b.cfg.Name, "lost", refused, "error", denied)
	}
}

// setUp notes a link and lets Publish accept.
func (b *Bus) setUp(l *link) {
	b.mu.Lock()
	b.addr, b.cause = l.addr, nil
	b.mu.Unlock()
	b.out.open()
}

// setDown notes that there is no link; Publish fails with cause.
func (b *Bus) setDown(cause error) {
	b.out.close(cause)
	b.mu.Lock()
	b.addr, b.cause = "", cause
	b.mu.Unlock()
}

// lose notes that a link has failed. What waits is not kept for the next one:
// it would arrive late, behind a gap of what is refused meanwhile.
func (b *Bus) lose(err error) {
	if err == nil {
		err = errors.New("connection closed")
	}
	b.mu.Lock()
	addr := b.addr
	b.since = time.Now()
	b.mu.Unlock()
	b.counts.noteRefused(err)
	b.setDown(fmt.Errorf("%w: %w", ErrUnavailable, err))
	waiting := b.out.drop()
	b.counts.lostConnection.Add(uint64(waiting))
	b.cfg.Logger.Warn("redis connection lost; other instances are not reached until it is back",
		"name", b.cfg.Name, "redis", addr, "error", shown(err))
}

// recover notes a new link and logs what the outage cost.
func (b *Bus) recover(l *link) {
	b.setUp(l)
	lost := b.counts.lost()
	b.mu.Lock()
	since, before := b.since, b.lostAt
	b.lostAt = lost
	b.mu.Unlock()
	b.cfg.Logger.Info("redis connection restored", "name", b.cfg.Name, "redis", l.addr,
		"after", time.Since(since).Round(time.Millisecond), "lost", lost-before)
}

// end notes that Run is over.
func (b *Bus) end() {
	b.out.close(ErrNotRunning)
	lost := b.out.drop()
	b.counts.lostShutdown.Add(uint64(lost))
	if lost > 0 {
		b.cfg.Logger.Warn("envelopes were not sent before the bus ended", "name", b.cfg.Name, "lost", lost)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.addr, b.cause, b.denied = "", nil, nil
}
