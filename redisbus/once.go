package redisbus

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redis/rueidis"

	"github.com/ignis-go/ignis/internal/redisconn"
)

// maxClaim is the maximum size of a claim's value, in bytes.
const maxClaim = 256 << 10

// Claim stores value in Redis for ttl unless the key is taken, so that of several instances
// that claim a key, only one succeeds. It returns nil if it has stored value, and the value
// that is stored otherwise. The key has at most 128 bytes. Claims are for the idempotency
// keys of package httpapi.
//
// Claim does not wait for a connection. If Redis is not available, it returns an error that
// wraps [ErrUnavailable] or [ErrNotRunning]. After any other error it is unknown whether the
// value was stored.
func (b *Bus) Claim(ctx context.Context, key string, value []byte, ttl time.Duration) (existing []byte, err error) {
	if len(value) == 0 || len(value) > maxClaim || len(key) > 128 {
		return nil, fmt.Errorf("redisbus: claim: the key has %d bytes and the value %d; want at most 128, and 1 to %d", len(key), len(value), maxClaim)
	}
	err = b.once(ctx, "claim", func(ctx context.Context, l *link) error {
		name := b.cfg.Prefix + redisconn.ClaimsKey + key
		for range 3 { // the key may end between the two commands
			set := l.client.B().Set().Key(name).Value(rueidis.BinaryString(value)).Nx().Px(ttl).Build()
			if err := l.client.Do(ctx, set).Error(); !rueidis.IsRedisNil(err) {
				return err
			}
			found, err := l.client.Do(ctx, l.client.B().Get().Key(name).Build()).AsBytes()
			if !rueidis.IsRedisNil(err) {
				existing = found
				return err
			}
		}
		return errors.New("the key is claimed and released again and again")
	})
	if err != nil {
		return nil, err
	}
	return existing, nil
}

// Replace replaces the value of a key that the caller has claimed. The key is taken for ttl from
// now on. Errors are as for [Bus.Claim].
func (b *Bus) Replace(ctx context.Context, key string, value []byte, ttl time.Duration) error {
	if len(value) == 0 || len(value) > maxClaim {
		return fmt.Errorf("redisbus: claim: the value has %d bytes; want 1 to %d", len(value), maxClaim)
	}
	return b.once(ctx, "replace", func(ctx context.Context, l *link) error {
		set := l.client.B().Set().Key(b.cfg.Prefix + redisconn.ClaimsKey + key).Value(rueidis.BinaryString(value)).Px(ttl).Build()
		return l.client.Do(ctx, set).Error()
	})
}

// Release releases a key that the caller has claimed. Errors are as for [Bus.Claim].
func (b *Bus) Release(ctx context.Context, key string) error {
	return b.once(ctx, "release", func(ctx context.Context, l *link) error {
		return l.client.Do(ctx, l.client.B().Del().Key(b.cfg.Prefix+redisconn.ClaimsKey+key).Build()).Error()
	})
}

// once calls f with a link to the node that stores claims.
func (b *Bus) once(ctx context.Context, what string, f func(context.Context, *link) error) error {
	l, running, _ := b.commands.current()
	switch {
	case !running:
		return ErrNotRunning
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case l == nil:
		if err := b.Health(); err != nil {
			return err
		}
		return ErrUnavailable
	}
	if err := b.store().onOwner(ctx, l, f); err != nil {
		b.counts.storeFailures.Add(1)
		return fmt.Errorf("redisbus: %s: %w", what, at(l.addr, err))
	}
	return nil
}
