package main

import (
	"context"
	"hash/fnv"
	"math"
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

// quoteAt returns a quote that is the same on every instance: slow and fast waves, and noise.
func quoteAt(symbol string, number uint64) Quote {
	h := fnv.New64a()
	_, _ = h.Write([]byte(symbol))
	base, phase := int64(80_00+h.Sum64()%170_00), float64(h.Sum64()%1000)
	_, _ = h.Write(strconv.AppendUint(nil, number, 10))
	wave := func(cents, ticks float64) float64 {
		return cents * math.Sin(2*math.Pi*float64(number)/ticks+phase*cents)
	}
	bid := base + int64(wave(300, 4000)+wave(60, 470)+wave(14, 61)) + int64(h.Sum64()%9) - 4
	return Quote{Symbol: symbol, Bid: bid, Ask: bid + 2, Number: number}
}
