package redisbus

import (
	"context"
	"log/slog"
	"strconv"
	"time"

	"github.com/redis/rueidis"

	"github.com/ignis-go/ignis/wire"
)

// queued is an envelope that Publish has accepted.
type queued struct {
	wire.Publication
	at time.Duration // when it was accepted, since Bus.born
}

// outcome describes how publishing over a link ended.
type outcome struct {
	err  error
	rest []queued // accepted envelopes that are not accounted for
	// The errors of the last batch, which is at the start of rest, and how many bytes the
	// link had written before it.
	errs   []error
	before int64
}

// publishAll sends the envelopes that Publish accepts until the link fails, halt is closed,
// or ending is closed and the queue is empty.
func (b *Bus) publishAll(ctx context.Context, l *link, ending, halt <-chan struct{}) outcome {
	var taken []queued
	items := make([]wire.Publication, 0, batchMessages)
	errs := make([]error, batchMessages)
	for last := false; ; {
		taken = b.out.take(taken)
		for rest := taken; len(rest) > 0; {
			if isClosed(halt) {
				return outcome{rest: rest}
			}
			n, bytes := batch(len(rest), func(i int) int { return size(&rest[i].Publication) })
			items = items[:0]
			for i := range n {
				items = append(items, rest[i].Publication)
			}
			before := l.conns.written.Load()
			if err := l.publish(ctx, items, errs[:n]); err != nil {
				return outcome{err, rest, errs[:n], before}
			}
			b.account(errs[:n])
			b.out.give(n, bytes)
			rest = rest[n:]
		}
		switch {
		case len(taken) > 0:
			continue
		case last:
			return outcome{}
		}
		select {
		case <-b.out.wake:
		case <-halt:
			return outcome{}
		case <-ctx.Done():
			return outcome{err: context.Cause(ctx)}
		case <-ending:
			b.out.close(ErrNotRunning) // envelopes accepted before are still sent
			last = true
		}
	}
}

// settle accounts for the envelopes that a closed link may have sent, and requeues
// the rest.
func (b *Bus) settle(l *link, o outcome) {
	n, bytes := 0, 0
	if len(o.errs) > 0 {
		n = maySent(o.errs, l.conns.written.Load()-o.before, func(i int) *wire.Publication { return &o.rest[i].Publication })
	}
	for i := range n {
		bytes += size(&o.rest[i].Publication)
	}
	unknown := b.account(o.errs[:n])
	b.out.give(n, bytes)
	b.out.restore(o.rest[n:])
	if unknown > 0 {
		b.limit.Log(slog.LevelWarn, "envelopes were in flight when the redis connection was lost; "+
			"they may arrive late and after newer ones, or not at all", "name", b.cfg.Name, "redis", l.addr, "unconfirmed", unknown)
	}
}

// maySent returns how many of a batch's items a link may have sent: those with a reply, and
// those that start within the bytes that the link has written since, which may include bytes
// of other commands. The result is final only when the link is closed.
func maySent(errs []error, written int64, item func(int) *wire.Publication) int {
	n, begin := 0, int64(0)
	for i, err := range errs {
		if _, answered := rueidis.IsRedisErr(err); err == nil || answered || begin < written {
			n = i + 1
		}
		begin += encodedSize(item(i))
	}
	return n
}

// encodedSize returns the length of the command that publishes p.
func encodedSize(p *wire.Publication) int64 {
	const frame = len("*3\r\n$7\r\nPUBLISH\r\n") + 2*len("$\r\n\r\n")
	return int64(frame + len(strconv.Itoa(len(p.Channel))) + len(strconv.Itoa(len(p.Envelope))) + size(p))
}

// expire drops envelopes that have waited too long for a connection.
func (b *Bus) expire() {
	oldest := time.Since(b.born) - b.cfg.QueueAge
	n := b.out.dropWhile(func(q *queued) (bool, int) {
		expired := q.at < oldest
		if expired {
			b.counts.lostExpired.Add(1)
		}
		return expired, size(&q.Publication)
	})
	if n == 0 {
		return
	}
	b.limit.Log(slog.LevelWarn, "envelopes waited too long for redis and are dropped",
		"name", b.cfg.Name, "redis", b.target.String(), "lost", n, "age", b.cfg.QueueAge)
}
