package redisbus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"
)

// doubts tracks periods in which envelopes that Redis accepted may not have reached all
// instances: the nodes of a Cluster do not report messages that they could not pass on.
type doubts struct {
	made  time.Time // when the link was made
	apart []apart   // masters that its node does not reach
	from  time.Time // start of the current period; zero if there is none
	// The start of the period of a lost link, and whether its node may have accepted
	// envelopes without delivering them.
	lostFrom time.Time
	unknown  bool
}

// update records the masters that the link's node does not reach. If a period has ended, it
// returns the start of the period.
func (d *doubts) update(seen []apart, now time.Time) (ended time.Time) {
	d.apart = seen
	if len(seen) == 0 {
		ended, d.from = d.from, time.Time{}
		return ended
	}
	if d.from.IsZero() {
		d.from = now
	}
	for _, a := range seen {
		from := now.Add(-a.quiet) // the node notices only after a while
		if from.Before(d.made) {
			from = d.made
		}
		if from.Before(d.from) {
			d.from = from
		}
	}
	return ended
}

// lose records that the link is gone, and why.
func (d *doubts) lose(err error) {
	*d = doubts{lostFrom: d.from, unknown: isAstray(err) || len(d.apart) > 0}
}

// recover returns the time from which envelopes may have been missed, and how many of this
// bus's envelopes were lost, or "unknown".
func (d *doubts) recover(heard time.Time, lost uint64) (from time.Time, count any) {
	from, count = heard, lost
	if !d.lostFrom.IsZero() && d.lostFrom.Before(heard) {
		from = d.lostFrom
	}
	if d.unknown {
		count = "unknown"
	}
	d.lostFrom, d.unknown = time.Time{}, false
	return from, count
}

// maxShown is the maximum number of nodes that an error lists.
const maxShown = 3

// partial returns an error that lists the nodes that are cut off.
func partial(list []apart) error {
	var text []string
	for _, a := range list[:min(len(list), maxShown)] {
		text = append(text, a.String())
	}
	if more := len(list) - maxShown; more > 0 {
		text = append(text, fmt.Sprintf("and %d more", more))
	}
	return errors.New(strings.Join(text, "; "))
}

// noteApart records and logs which part of the Cluster the link's node does not
// reach.
func (b *Bus) noteApart(l *link) {
	now := time.Now()
	b.mu.Lock()
	before := b.doubts.apart
	from := b.doubts.update(l.apart, now)
	b.mu.Unlock()
	switch {
	case !from.IsZero():
		b.limit.Log(slog.LevelInfo, "the Cluster is whole again", "name", b.cfg.Name, "redis", l.addr,
			"lost", "unknown", "missed", "unknown", "missed_for", now.Sub(from).Round(time.Millisecond))
		b.missed(from, now)
	case slices.ContainsFunc(l.apart, func(a apart) bool { return !slices.ContainsFunc(before, a.same) }):
		b.limit.Log(slog.LevelWarn, "a part of the Cluster is cut off", "name", b.cfg.Name, "redis", l.addr,
			"error", partial(l.apart), "lost", "unknown", "missed", "unknown")
	}
}

// handOver changes from one link to the next, which already works but does not deliver yet.
// Nothing is published in the meantime. Envelopes that arrive within about one round trip are
// lost, so that none is delivered twice.
func (b *Bus) handOver(ctx context.Context, l, next *link) {
	from := time.Now()
	l.open.Store(false)
	// When the mark arrives at the new node, everything published on the old node before it
	// has arrived there as well.
	limited, cancel := context.WithTimeout(ctx, min(callWait, l.timeout))
	defer cancel()
	mark := "left " + l.addr
	if l.own != "" && next.own != "" &&
		l.client.Do(limited, l.client.B().Publish().Channel(l.own).Message(mark).Build()).Error() == nil {
		_, _ = next.awaitBeat(limited, mark) // it does not arrive if the nodes do not see each other
	}
	l.close()
	next.open.Store(true)
	until := time.Now()
	b.counts.reconnects.Add(1)
	b.mu.Lock()
	b.addr = next.addr
	b.mu.Unlock()
	b.commands.use(next, true)
	b.limit.Log(slog.LevelInfo, "moved to the node of the Cluster that all instances prefer", "name", b.cfg.Name,
		"redis", next.addr, "left", l.addr, "missed", "unknown", "missed_for", until.Sub(from).Round(time.Millisecond))
	b.missed(from, until)
	b.probed(next)
}
