package redisbus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ignis-go/ignis/internal/redisconn"
	"github.com/ignis-go/ignis/wire"
)

// Commands that wait for ReceiveCommands. If there are more, they are dropped, and the stored
// commands are read again.
const (
	maxCommands     = 4096
	maxCommandBytes = 4 << 20
)

var errNotReceiving = errors.New("ReceiveCommands is not running")

// commandState is the state of a Bus that concerns commands. Its methods may be called concurrently.
type commandState struct {
	receiving atomic.Bool    // ReceiveCommands runs
	in        *queue[string] // open while ReceiveCommands runs
	missed    atomic.Bool    // commands were dropped

	mu      sync.Mutex
	link    *link         // the current link; nil if there is none
	running bool          // Run runs
	changed chan struct{} // closed when link or running changes
}

func newCommandState() commandState {
	return commandState{in: newQueue[string](maxCommands, maxCommandBytes, errNotReceiving), changed: make(chan struct{})}
}

// use sets the link, and whether Run runs.
func (c *commandState) use(l *link, running bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.link == l && c.running == running {
		return
	}
	c.link, c.running = l, running
	close(c.changed)
	c.changed = make(chan struct{})
}

// current returns the link, whether Run runs, and a channel that is closed when either changes.
func (c *commandState) current() (*link, bool, <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.link, c.running, c.changed
}

// take returns the queued commands, and whether others were dropped.
func (c *commandState) take() (list [][]byte, missed bool) {
	items, size := c.in.take(nil), 0
	for _, text := range items {
		size += len(text)
	}
	c.in.give(len(items), size)
	for _, text := range items {
		list = append(list, []byte(text))
	}
	return list, c.missed.Swap(false)
}

// commandArrived queues a command. The Redis client's reader calls it, so it must not block.
func (b *Bus) commandArrived(text string) {
	if len(text) > wire.MaxCommand {
		b.counts.commandsDropped.Add(1)
		b.limit.Log(slog.LevelWarn, "a command from redis is too large and is dropped", "name", b.cfg.Name, "redis", b.node(), "bytes", len(text))
		return
	}
	if errors.Is(b.commands.in.put(text, len(text)), ErrQueueFull) {
		b.counts.commandsDropped.Add(1)
		b.commands.missed.Store(true)
		b.commands.in.signal() // wakes ReceiveCommands even if the queue is empty
	}
}

// SendCommands sends commands to all instances, and stores those that have a time in Redis
// until then. It returns when Redis has confirmed them. While Redis is unavailable, it tries
// again until ctx is done; the error then wraps ctx's error and the last failure. It returns an
// error immediately if Run is not running (ErrNotRunning), if too many commands are stored
// (ErrTooManyCommands), or if Redis refuses them because of the user's rights.
func (b *Bus) SendCommands(ctx context.Context, list ...wire.EncodedCommand) error {
	if err := checkCommands(list); err != nil {
		return err
	}
	var pauses backoff
	var last error
	for {
		l, running, changed := b.commands.current()
		switch {
		case !running:
			return ErrNotRunning
		case ctx.Err() != nil:
			return b.notSent(ctx, last)
		case l == nil:
			select {
			case <-changed:
			case <-ctx.Done():
			}
			continue
		}
		err := b.store().send(ctx, l, list)
		if err == nil {
			b.counts.commandsSent.Add(uint64(len(list)))
			return nil
		}
		b.counts.storeFailures.Add(1)
		if final(err) {
			return fmt.Errorf("redisbus: redis does not accept commands: %w", at(l.addr, err))
		}
		if last == nil || ctx.Err() == nil { // an attempt that ctx has ended has no reason of its own
			last = at(l.addr, err)
		}
		pauses.wait(ctx)
	}
}

// notSent returns the error for commands that were not accepted before ctx was done.
func (b *Bus) notSent(ctx context.Context, last error) error {
	if last == nil {
		last = b.Health()
	}
	if last == nil {
		return fmt.Errorf("redisbus: commands were not sent: %w", context.Cause(ctx))
	}
	return fmt.Errorf("redisbus: commands were not sent: %w: %w", context.Cause(ctx), last)
}

func (b *Bus) store() store { return store{&b.cfg, &b.target} }

// ReceiveCommands calls stored with all stored commands when Run has connected, and again
// after every connection and whenever commands were dropped because they arrived faster than
// they were processed. It calls sent with commands as they arrive. It returns nil when ctx is
// done, or an error if the stored commands cannot be read within StartTimeout after Run has
// connected. If the user has no right to read them, it says so in the log, and the first time
// it calls stored without commands.
func (b *Bus) ReceiveCommands(ctx context.Context, stored, sent func(commands ...[]byte)) error {
	if !b.commands.receiving.CompareAndSwap(false, true) {
		return errors.New("redisbus: ReceiveCommands is already running")
	}
	defer b.commands.receiving.Store(false)
	b.commands.missed.Store(false)
	b.commands.in.open()
	defer func() {
		b.commands.in.close(errNotReceiving)
		b.commands.in.drop()
	}()
	r := reading{notices: notices{cfg: &b.cfg, limit: b.limit}, bus: b, stored: stored}
	for ctx.Err() == nil {
		l, _, changed := b.commands.current()
		var again <-chan time.Time
		if l != nil && l != r.done {
			wait, err := r.read(ctx, l)
			if err != nil {
				return err
			}
			again = wait
		}
		if r.known {
			list, missed := b.commands.take()
			if len(list) > 0 {
				b.counts.commands.Add(uint64(len(list)))
				sent(list...)
			}
			if missed {
				b.limit.Log(slog.LevelWarn, "commands from redis were dropped; the stored ones are read again", "name", b.cfg.Name, "redis", b.node())
				r.done = nil
				continue
			}
		}
		select {
		case <-ctx.Done():
		case <-changed:
		case <-again:
		case <-b.commands.in.wake:
		}
	}
	return nil
}

// reading reads the stored commands for ReceiveCommands.
type reading struct {
	notices // of missing rights
	bus     *Bus
	stored  func(commands ...[]byte)

	known bool  // stored has been called
	done  *link // the link over which the commands were last read; nil if they must be read
	since time.Time
	next  time.Duration // pause after a failure
}

// read reads the stored commands over l. If that fails for now, it returns a channel to wait for
// before the next attempt.
func (r *reading) read(ctx context.Context, l *link) (again <-chan time.Time, err error) {
	b := r.bus
	if r.since.IsZero() {
		r.since = time.Now()
	}
	if l.mute != nil {
		r.say("this redis user may not subscribe to commands: revocations of other instances are noticed only after the next connection; allow the channel "+
			b.cfg.Prefix+wire.ChannelCommands, l, l.mute)
	}
	list, large, more, err := b.store().read(ctx, l)
	switch {
	case ctx.Err() != nil:
		return nil, nil
	case err == nil:
		r.done, r.known, r.next = l, true, 0
		b.counts.commandsDropped.Add(uint64(large))
		if more || large > 0 {
			b.limit.Log(slog.LevelError, "redis stores more commands, or larger ones, than this bus reads; some may be missing",
				"name", b.cfg.Name, "redis", l.addr, "read", len(list), "too_large", large)
		}
		b.counts.commands.Add(uint64(len(list)))
		r.stored(list...)
		return nil, nil
	}
	b.counts.storeFailures.Add(1)
	if denied(err) {
		r.say("this redis user may not read stored commands: revocations that were made earlier, or during an outage, are not known; allow ZREVRANGE and the key "+
			b.cfg.Prefix+redisconn.CommandsKey, l, err)
		if r.done = l; !r.known {
			r.known = true
			r.stored()
		}
		return nil, nil
	}
	if !r.known && (final(err) || time.Since(r.since) >= b.cfg.StartTimeout) {
		return nil, fmt.Errorf("redisbus: the stored commands cannot be read: %w", at(l.addr, err))
	}
	b.limit.Log(slog.LevelWarn, "the stored commands cannot be read; revocations may be missing until they are", "name", b.cfg.Name, "redis", l.addr, "error", err)
	r.next = min(max(2*r.next, minPause), maxPause)
	return time.After(r.next), nil
}
