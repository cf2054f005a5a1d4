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
	// second, so that the timestamps of all attempts differ, by which a receiver tells an
	// attempt from a recorded request.
	firstPause = time.Second
	maxPause   = time.Minute
	// gonePause is the time for which no events are sent after the status 410. The
	// Standard Webhooks specification asks to stop. A proxy can answer 410 by mistake, so
	// that is not for good.
	gonePause = time.Hour
)

// deliverAll delivers events until ctx has ended and the queue is empty, or for
// DrainTimeout after ctx has ended.
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
// until work has ended.
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

// deliver sends a batch until the endpoint accepts or refuses it, or until its first event
// is too old; then it returns the batch to the lane. If the endpoint refuses several events,
// deliver sends each half by itself. pause is the time before the second
// attempt. deliver returns the pause for the next batch.
func (c *Client) deliver(ctx context.Context, l *lane, batch []queued, pause time.Duration) time.Duration {
	body, err := c.encode(typeEvents, newEventsData(batch, c.queue.lostSoFar()))
	if err != nil { // impossible, because the events are valid JSON
		c.lose(batch, LostInvalid, err)
		return firstPause
	}
	id := newID()
	sent := false
	for time.Since(batch[0].at) <= c.cfg.EventMaxAge {
		if c.queue.stopped(time.Now()) {
			c.queue.settle(batch, LostGone)
			return firstPause
		}
		p, wait, ok := c.events.circuit.admit()
		if ok {
			if sent {
				c.queue.retried()
			}
			sent = true
			err := c.send(ctx, p, id, body)
			if err == nil {
				c.queue.settle(batch, "")
				return firstPause
			}
			if r, refused := errors.AsType[*eventsRefused](err); refused {
				if half := len(batch) / 2; half > 0 && r.cause == LostRefused {
					// One event, which a client may have written, must not make others be lost.
					pause = c.deliver(ctx, l, batch[:half], firstPause)
					return c.deliver(ctx, l, batch[half:], pause)
				}
				c.lose(batch, r.cause, err)
				return firstPause
			}
			if ctx.Err() == nil {
				c.limit.Log(slog.LevelWarn, "webhook: events not delivered, will be sent again", "error", err)
			}
			wait = pause + rand.N(pause/2)
			pause = min(2*pause, maxPause)
		}
		// A long pause of the circuit must not keep events for longer than their age allows.
		wait = min(wait, max(c.cfg.EventMaxAge-time.Since(batch[0].at), 0)+time.Millisecond)
		if !sleep(ctx, wait) {
			c.queue.settle(batch, LostShutdown) // Run logs it
			return pause
		}
	}
	c.queue.giveBack(l, batch)
	return pause
}

// send sends a batch once.
func (c *Client) send(ctx context.Context, p pass, id string, body []byte) error {
	e := c.events
	timed, cancel := context.WithTimeoutCause(ctx, e.timeout, errTimeout)
	defer cancel()
	a, err := c.post(timed, e, id, body)
	if err == nil && !a.accepted() {
		err = refusedEvents(a)
		if a.retryAfter > 0 {
			e.circuit.hold(a.retryAfter)
		}
	}
	c.report(e, p, resultOf(a, err), err)
	e.count(err)
	return err
}

// eventsRefused is the error for events that must not be sent again.
type eventsRefused struct {
	cause  LossCause
	detail string
}

func (r *eventsRefused) Error() string { return r.LogCause() + ": " + r.detail }

// LogCause returns the text without the endpoint's answer.
func (r *eventsRefused) LogCause() string { return "webhook: events: refused by the endpoint" }

// refusedEvents returns the error for an answer that does not accept events.
func refusedEvents(a answer) error {
	switch a.status {
	case http.StatusGone:
		return &eventsRefused{LostGone, a.detail()}
	case http.StatusRequestEntityTooLarge, http.StatusUnprocessableEntity:
		return &eventsRefused{LostRefused, a.detail()}
	}
	return unexpected(typeEvents, a)
}

// lose counts and logs a batch that is lost. After the status 410, it also discards the
// events that are waiting, and stops the queue for gonePause.
func (c *Client) lose(batch []queued, cause LossCause, err error) {
	c.queue.settle(batch, cause)
	n := len(batch)
	if cause == LostGone {
		n += c.queue.stop(time.Now().Add(gonePause))
		c.limit.Log(slog.LevelError, "webhook: the endpoint wants no more events (410); none are sent for an hour", "error", err, "events", n)
		return
	}
	c.limit.Log(slog.LevelWarn, "webhook: events lost", "error", err, "events", n)
}
