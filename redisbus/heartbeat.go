package redisbus

import (
	"context"
	"crypto/rand"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/rueidis"

	"github.com/ignis-go/ignis/internal/redisconn"
)

// newOwn returns a name for a heartbeat channel that no other bus uses.
func newOwn() string { return redisconn.HeartbeatChannel + rand.Text() }

// heartbeat is a heartbeat that has come back.
type heartbeat struct {
	text string
	at   time.Time
}

// hear takes a heartbeat from the Redis client. The client's reader calls it, so it must not
// block. It replaces an earlier heartbeat. Texts that the link does not await, from other links or
// from someone else, must not.
func (l *link) hear(text string) {
	if awaited := l.awaited.Load(); awaited == nil || *awaited != text {
		return
	}
	beat := heartbeat{text, time.Now()}
	for {
		select {
		case l.heard <- beat:
			return
		default:
		}
		select {
		case <-l.heard:
		default:
		}
	}
}

// beat checks that the link carries messages from end to end: a heartbeat must come back
// over the subscribed connection. If Redis refuses the heartbeat, because of the user's
// rights or because it accepts no messages at the moment, both connections must at least
// reply to PING.
func (l *link) beat(ctx context.Context) error {
	limited, cancel := context.WithTimeout(ctx, l.timeout)
	defer cancel()
	sent := time.Now()
	l.lag = 0
	taken, err := l.sendBeat(limited)
	switch {
	case err != nil:
		return late(ctx, err, l.timeout)
	case taken != "":
		var at time.Time
		if at, err = l.awaitBeat(limited, taken); err == nil {
			l.lag = max(at.Sub(sent), 1)
		}
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

// sendBeat publishes a heartbeat and returns its text, or "" if Redis refuses it; l.denied
// then holds Redis' reply.
func (l *link) sendBeat(ctx context.Context) (string, error) {
	if l.own == "" {
		return "", nil
	}
	l.beats++
	// The text identifies the link, because while the bus changes nodes, the heartbeat of
	// one link may also reach the other.
	text := l.addr + " " + strconv.FormatUint(l.beats, 10)
	l.awaited.Store(&text)
	err := l.client.Do(ctx, l.client.B().Publish().Channel(l.own).Message(text).Build()).Error()
	l.denied = nil
	if err == nil {
		return text, nil
	}
	if _, ok := rueidis.IsRedisErr(err); ok {
		l.denied = err
	}
	return "", judge(toBeat, err)
}

// silent reports whether Redis refuses heartbeats permanently, because of the user's rights.
func (l *link) silent() bool {
	reply, ok := rueidis.IsRedisErr(l.denied)
	return l.own == "" || ok && strings.HasPrefix(answer(reply), "NOPERM")
}

// awaitBeat waits until a heartbeat comes back, and returns when it arrived.
func (l *link) awaitBeat(ctx context.Context, text string) (at time.Time, err error) {
	for {
		select {
		case heard := <-l.heard:
			if heard.text == text {
				return heard.at, nil
			}
		case <-l.conns.gone:
			return at, l.conns.err()
		case <-ctx.Done():
			return at, fmt.Errorf("%w: redis accepted a heartbeat but did not deliver it within %v",
				ErrDeadSubscription, l.timeout)
		}
	}
}

// pingSub checks that Redis replies over the subscribed connection. If the user may not send
// PING, the error reply still shows that the connection works.
func (l *link) pingSub(ctx context.Context) error {
	err := judge(toPing, l.sub.Do(ctx, l.sub.B().Ping().Build()).Error())
	if err != nil {
		return fmt.Errorf("subscribed connection: %w", err)
	}
	return nil
}
