package publish

import (
	"fmt"
	"sync"
	"time"

	"github.com/ignis-go/ignis/internal/herd"
)

// Config configures a [Publisher].
type Config struct {
	Addr       string // address of the server, host:port
	Centrifugo bool   // whether the server is Centrifugo; otherwise it is Ignis
	Key        string // API key
	Senders    int    // keep-alive connections that send requests, 1 to 100
	Size       int    // bytes of data in a message
	Window     int    // maximum number of messages that were published but not received yet
}

// patience is the maximum time for connecting, and for answers and messages that are still
// outstanding when no more requests are sent.
const patience = 10 * time.Second

// Publisher publishes messages to a room or channel with one subscriber.
type Publisher struct {
	senders []*sender
	sub     *subscriber
	flow    *flow
}

// Sample is the result of [Publisher.Run].
type Sample struct {
	Requests, Messages int64
	Wall               time.Duration // from the first request to the last answer
	P99                time.Duration // of the time from sending a request to reading its answer
	Lost               int64         // messages that the subscriber did not receive
	Reordered          int64         // messages that arrived after a later one of the same connection
	Repeated           int64         // messages that arrived more than once
}

// New connects a subscriber and the senders. The Publisher must be closed.
func New(c Config) (*Publisher, error) {
	if c.Senders < 1 || c.Senders > maxSenders {
		return nil, fmt.Errorf("%d senders: want 1 to %d", c.Senders, maxSenders)
	}
	p := &Publisher{flow: newFlow(c.Senders, c.Window)}
	var err error
	if p.sub, err = subscribe(c, p.flow); err != nil {
		return nil, fmt.Errorf("subscribing: %w", err)
	}
	for i := range c.Senders {
		s, err := dial(c, i)
		if err != nil {
			p.Close()
			return nil, err
		}
		p.senders = append(p.senders, s)
	}
	return p, nil
}

// Close closes all connections.
func (p *Publisher) Close() {
	p.sub.close()
	for _, s := range p.senders {
		_ = s.conn.Close()
	}
}

// Run publishes for the given time. Each sender sends a request with the given number of
// messages, waits for the answer, and sends the next one. Then Run waits until the
// subscriber has received all messages. It must not be called concurrently, nor after an
// error.
func (p *Publisher) Run(batch int, d time.Duration) (s Sample, err error) {
	giveUp := time.AfterFunc(d+patience, func() { p.flow.stop(errLate) })
	defer giveUp.Stop()
	p.flow.begin()
	var latency trips
	began := time.Now()
	var running sync.WaitGroup
	for _, from := range p.senders {
		running.Go(func() {
			if err := from.run(batch, began.Add(d), p.flow, &latency); err != nil {
				p.flow.stop(err)
			}
		})
	}
	running.Wait()
	s.Wall = time.Since(began)
	err = p.flow.finish(&s)
	s.Requests, s.P99 = latency.all.Count(), latency.all.Quantile(0.99)
	s.Messages = s.Requests * int64(batch)
	return s, err
}

// trips counts the durations of requests.
type trips struct {
	mu  sync.Mutex
	all herd.Histogram
}

func (t *trips) add(d time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.all.Add(d)
}
