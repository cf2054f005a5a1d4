package redisbus

import (
	"context"
	"crypto/rand"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/rueidis"
)

// heartbeatChannel is what the name of the channel begins with on which a bus
// hears itself, behind the prefix. Servers do not subscribe to it: to them it is nothing.
const heartbeatChannel = "ignis:bus:"

// newOwn returns the name of a channel that no other bus uses.
func newOwn() string { return heartbeatChannel + rand.Text() }

// hear takes a heartbeat from the Redis client, whose reader must not wait. When
// nobody waits for the one before, that one is old.
func (l *link) hear(text string) {
	for {
		select {
		case l.heard <- text:
			return
		default:
		}
		select {
		case <-l.heard:
		default:
		}
	}
}

// beat shows that the link carries messages from end to end: what it publishes
// on its own channel has to come back over the subscribed connection. A user who
// may not do that, and a Redis that takes nothing now, at least have to answer on
// both connections.
func (l *link) beat(ctx context.Context) error {
	limited, cancel := context.WithTimeout(ctx, l.timeout)
	defer cancel()
	sent := time.Now()
	taken, err := l.sendBeat(limited)
	switch {
	case err != nil:
		return late(ctx, err, l.timeout)
	case taken != "":
		err = l.awaitBeat(limited, taken)
	default:
		if err = l.ping(limited); err == nil {
			err = l.pingSub(limited)
		}
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err == nil {
		l.proven = sent
	}
	return err
}

// sendBeat publishes a heartbeat and returns its text, or "" when Redis does not
// take it; l.denied has its answer then.
func (l *link) sendBeat(ctx context.Context) (text string, err error) {
	if l.own == "" {
		return "", nil
	}
	l.beats++
	// Another link of the same bus may hear it, too, while the bus moves to or from it.
	text = l.addr + " " + strconv.FormatUint(l.beats, 10)
	err = l.client.Do(ctx, l.client.B().Publish().Channel(l.own).Message(text).Build()).Error()
	l.denied = nil
	if err == nil {
		return text, nil
	}
	if _, ok := rueidis.IsRedisErr(err); ok {
		l.denied = err
	}
	return "", judge(toBeat, err)
}

// silent reports whether Redis refuses the heartbeat for good, because of the
// user's rights; else it takes nothing at all at the moment.
func (l *link) silent() bool {
	reply, ok := rueidis.IsRedisErr(l.denied)
	return l.own == "" || ok && strings.HasPrefix(answer(reply), "NOPERM")
}

// awaitBeat waits until a heartbeat comes back.
func (l *link) awaitBeat(ctx context.Context, text string) error {
	for {
		select {
		case heard := <-l.heard:
			if heard == text {
				return nil
			}
		case <-l.conns.gone:
			return l.conns.err()
		case <-ctx.Done():
			return fmt.Errorf("%w: redis takes what is published on this bus's own channel and does not deliver it within %v",
				ErrDeadSubscription, l.timeout)
		}
	}
}

// pingSub asks the subscribed connection to answer. A user who may not PING
// still shows that the connection works: the refusal is an answer.
func (l *link) pingSub(ctx context.Context) error {
	err := judge(toPing, l.sub.Do(ctx, l.sub.B().Ping().Build()).Error())
	if err != nil {
		return fmt.Errorf("the subscribed connection does not answer: %w", err)
	}
	return nil
}
