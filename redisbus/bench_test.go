package redisbus_test

import (
	"context"
	"log/slog"
	"math"
	"testing"

	"github.com/ignis-go/ignis/internal/redistest"
	"github.com/ignis-go/ignis/redisbus"
)

// BenchmarkPublish measures how much one instance can publish on a real Redis. An operation
// is an envelope of 200 bytes that Redis has confirmed. The instance is subscribed and
// receives all of them as well.
func BenchmarkPublish(b *testing.B) {
	r := redistest.Start(b)
	bus, err := redisbus.New(redisbus.Config{
		URL: r.URL(), Logger: slog.New(slog.DiscardHandler),
		QueueMessages: 1 << 30, QueueBytes: math.MaxInt, // so that Publish accepts everything
	})
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(b.Context()))
	ready, done := make(chan struct{}), make(chan error, 1)
	go func() { done <- bus.Run(ctx, func() { close(ready) }, func(...[]byte) {}) }()
	<-ready
	envelope := make([]byte, 200)
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N { // not b.Loop, because the wait below must be included
		if err := bus.Publish("ws:room:r", envelope); err != nil {
			b.Fatal(err)
		}
	}
	redistest.Wait(b, "Redis to confirm", func() bool { return bus.Stats().Queued == 0 })
	b.StopTimer()
	s := bus.Stats()
	b.ReportMetric(float64(s.Published)/b.Elapsed().Seconds(), "publishes/s")
	b.ReportMetric(float64(s.Dropped), "dropped")
	cancel()
	if err := <-done; err != nil || bus.Lost() > 0 {
		b.Fatal(err, bus.Lost())
	}
}

// BenchmarkPublisher measures the same for a single caller that waits for each reply.
func BenchmarkPublisher(b *testing.B) {
	for _, size := range []int{1, 100} {
		b.Run(map[int]string{1: "one", 100: "batch of 100"}[size], func(b *testing.B) {
			r := redistest.Start(b)
			p, err := redisbus.Dial(b.Context(), redisbus.Config{URL: r.URL()})
			if err != nil {
				b.Fatal(err)
			}
			defer p.Close()
			items := numbered(0, size)
			for b.Loop() {
				if errs := p.Publish(b.Context(), items...); errs != nil {
					b.Fatal(errs)
				}
			}
			b.ReportMetric(float64(b.N*size)/b.Elapsed().Seconds(), "publishes/s")
		})
	}
}
