package main

import (
	"context"
	"hash/fnv"
	"strconv"
	"sync"
	"time"
)

// Market holds the latest quote of each symbol.
type Market struct {
	mu     sync.Mutex
	quotes map[string]Quote
}

// Quote returns the latest quote of a symbol.
func (m *Market) Quote(symbol string) (q Quote, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	q, ok = m.quotes[symbol]
	return q, ok
}

// set stores a quote.
func (m *Market) set(q Quote) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.quotes == nil {
		m.quotes = make(map[string]Quote)
	}
	m.quotes[q.Symbol] = q
}

// exchange stands in for a stock exchange. Every instance of the dashboard has its own
// connection to the exchange and receives all quotes.
type exchange struct {
	symbols []string
	tick    time.Duration
}

// publishAll calls publish with the current quote of each symbol.
func (e exchange) publishAll(publish func(Quote)) {
	now := uint64(time.Now().UnixNano() / int64(e.tick))
	for _, symbol := range e.symbols {
		publish(quoteAt(symbol, now))
	}
}

// follow calls publishAll at each tick until ctx is done.
func (e exchange) follow(ctx context.Context, publish func(Quote)) {
	ticker := time.NewTicker(e.tick)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			e.publishAll(publish)
		case <-ctx.Done():
			return
		}
	}
}

// quoteAt returns a pseudorandom quote that is the same on every instance.
func quoteAt(symbol string, number uint64) Quote {
	h := fnv.New64a()
	_, _ = h.Write([]byte(symbol))
	base := int64(50_00 + h.Sum64()%200_00)
	_, _ = h.Write(strconv.AppendUint(nil, number, 10))
	bid := base + int64(h.Sum64()%200) - 100
	return Quote{Symbol: symbol, Bid: bid, Ask: bid + 2, Number: number}
}
