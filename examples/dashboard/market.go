package main

import (
	"context"
	"hash/fnv"
	"strconv"
	"sync"
	"time"
)

// Market knows the latest quote of each symbol.
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

// set notes a quote.
func (m *Market) set(q Quote) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.quotes == nil {
		m.quotes = make(map[string]Quote)
	}
	m.quotes[q.Symbol] = q
}

// exchange stands for the exchange, whose quotes every instance of the dashboard gets
// over a connection of its own.
type exchange struct {
	symbols []string
	tick    time.Duration
}

// ask calls publish with the current quote of each symbol.
func (e exchange) ask(publish func(Quote)) {
	now := uint64(time.Now().UnixNano() / int64(e.tick))
	for _, symbol := range e.symbols {
		publish(quoteAt(symbol, now))
	}
}

// follow does so at each tick, until ctx ends.
func (e exchange) follow(ctx context.Context, publish func(Quote)) {
	ticker := time.NewTicker(e.tick)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			e.ask(publish)
		case <-ctx.Done():
			return
		}
	}
}

// quoteAt returns a price that jumps around, and is the same for all who ask.
func quoteAt(symbol string, number uint64) Quote {
	h := fnv.New64a()
	_, _ = h.Write([]byte(symbol))
	base := int64(50_00 + h.Sum64()%200_00)
	_, _ = h.Write(strconv.AppendUint(nil, number, 10))
	bid := base + int64(h.Sum64()%200) - 100
	return Quote{Symbol: symbol, Bid: bid, Ask: bid + 2, Number: number}
}
