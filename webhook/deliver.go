package webhook

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"
)

const (
	// firstPause is the pause after the first failure; later ones double. It is at least a
	// second, so that each try has a timestamp of its own, by which a receiver tells it
	// from a request that somebody has recorded.
	firstPause = time.Second
	maxPause   = time.Minute
	// maxRetryAfter limits what the endpoint can ask for.
	maxRetryAfter = 5 * time.Minute
)

// deliverAll delivers the events of all lanes until ctx has ended and they are empty, or
// DrainTimeout after that.
func (c *Client) deliverAll(ctx context.Context) {
	work, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	var lanes sync.WaitGroup
	for _, l := range c.queue.lanes {
		lanes.Go(func() { c.deliverLane(ctx, work, l) })
	}
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		lanes.Wait()
	}()
	<-ctx.Done()
	timer := time.NewTimer(c.cfg.DrainTimeout)
	defer timer.Stop()
	select {
	case <-drained:
	case <-timer.C:
		cancel()
		<-drained
	}
}

// deliverLane delivers the events of a lane until ctx has ended and the lane is empty, or
// work has ended.
func (c *Client) deliverLane(ctx, work context.Context, l *lane) {
	pause := firstPause
	for work.Err() == nil {
		batch, old := c.queue.take(l, c.cfg.BatchEvents, time.Now().Add(-c.cfg.EventMaxAge))
		if old > 0 {
			c.limit.Log(slog.LevelWarn, "webhook: events lost", "cause", string(LostTooOld), "events", old)
		}
		if len(batch) > 0 {
			pause = c.deliver(work, l, batch, pause)
			continue
		}
		select {
		case <-l.wake:
		case <-ctx.Done():
			if len(l.wake) == 0 {
				return
			}
			<-l.wake
		}
	}
}

// deliver sends a batch until the endpoint accepts it, or refuses it for good, or its
// first event has become too old. In this case the others go back to the lane. It begins
// with the given pause between tries, and returns the one to begin with the next time.
func (c *Client) deliver(ctx context.Context, l *lane, batch []queued, pause time.Duration) time.Duration {
	body, err := c.encode(typeEvents, newEventsData(batch, c.queue.lostSoFar()))
	if err != nil { // cannot happen: the texts are valid
		c.lose(batch, LostInvalid, err)
		return firstPause
	}
	id := newID()
	sent := false
	for time.Since(batch[0].at) <= c.cfg.EventMaxAge {
		p, wait, ok := c.events.circuit.admit()
		if ok {
			if sent {
				c.queue.retried()
			}
			sent = true
			after, err := c.send(ctx, p, id, body)
			if err == nil {
				c.queue.settle(batch, "")
				return firstPause
			}
			if _, refused := errors.AsType[*refusal](err); refused {
				c.lose(batch, LostRefused, err)
				return firstPause
			}
			if ctx.Err() == nil {
				c.limit.Log(slog.LevelWarn, "webhook: events not delivered, trying again", "error", err)
			}
			wait = max(pause+rand.N(pause/2), min(after, maxRetryAfter))
			pause = min(2*pause, maxPause)
		}
		if !sleep(ctx, wait) {
			c.queue.settle(batch, LostShutdown) // Run logs it
			return pause
		}
	}
	c.queue.giveBack(l, batch)
	return pause
}

// send sends a batch once. It returns the time that the endpoint asks to wait for.
func (c *Client) send(ctx context.Context, p pass, id string, body []byte) (after time.Duration, err error) {
	e := c.events
	timed, cancel := context.WithTimeoutCause(ctx, e.timeout, errTimeout)
	defer cancel()
	a, err := c.post(timed, e, id, body)
	if err == nil && !a.accepted() {
		err = unexpected(e.kind, a)
		if givesUp(a.status) {
			err = &refusal{statusDetail(a.status, a.text()), nil}
		}
	}
	c.report(e, p, resultOf(a, err), err)
	e.count(err)
	return a.retryAfter, err
}

// givesUp reports whether a status says that it is of no use to send the same events again.
func givesUp(status int) bool {
	return status == http.StatusGone || status == http.StatusRequestEntityTooLarge || status == http.StatusUnprocessableEntity
}

// lose counts and logs a batch that is lost.
func (c *Client) lose(batch []queued, cause LossCause, err error) {
	c.queue.settle(batch, cause)
	c.limit.Log(slog.LevelWarn, "webhook: events lost", "error", err, "events", len(batch))
}

// sleep waits, and reports whether ctx has not ended meanwhile.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
