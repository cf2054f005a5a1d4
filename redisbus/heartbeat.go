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

// heartbeatChannel is the prefix, after Config.Prefix, of the channels on which buses
// hear themselves. Servers do not subscribe to these channels.
const heartbeatChannel = "ignis:bus:"

// newOwn returns the name of a channel that no other bus uses.
func newOwn() string { return heartbeatChannel + rand.Text() }

// hear takes a heartbeat from the Redis client. The client's reader calls it, so it
// must not block. A previous heartbeat that nobody has taken is outdated.
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

// beat checks that the link carries messages from end to end: what it publishes on
// its own channel must come back over the subscribed connection. If the user may not
// do that, or Redis accepts no messages now, both connections must at least answer.
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

// sendBeat publishes a heartbeat and returns its text, or "" if Redis does not accept
// it; l.denied then holds Redis' answer.
func (l *link) sendBeat(ctx context.Context) (text string, err error) {
	if l.own == "" {
		return "", nil
	}
	l.beats++
	// Another link of the same bus may receive it too, while the bus changes nodes.
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

// silent reports whether Redis refuses the heartbeat permanently, because of the
// user's rights. Otherwise it accepts nothing at the moment.
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
			return fmt.Errorf("%w: redis accepts what is published on this bus's own channel but does not deliver it within %v",
				ErrDeadSubscription, l.timeout)
		}
	}
}

// pingSub checks that the subscribed connection answers. If the user may not send
// PING, the refusal still shows that the connection works.
func (l *link) pingSub(ctx context.Context) error {
	err := judge(toPing, l.sub.Do(ctx, l.sub.B().Ping().Build()).Error())
	if err != nil {
		return fmt.Errorf("subscribed connection: %w", err)
	}
	return nil
}
