package redisbus_test

import (
	"context"
	"log/slog"
	"math"
	"strconv"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/ignis-go/ignis/internal/redistest"
	"github.com/ignis-go/ignis/redisbus"
)

// BenchmarkReceive measures the cost of receiving messages from a real Redis. An operation
// is an envelope of 200 bytes delivered to receive. A script in Redis publishes the
// envelopes, so this process only receives.
func BenchmarkReceive(b *testing.B) {
	r := redistest.Start(b)
	client, err := rueidis.NewClient(rueidis.ClientOption{
		InitAddress: []string{r.Addr()}, ForceSingleClient: true, DisableCache: true,
		ConnWriteTimeout: time.Minute,
	})
	if err != nil {
		b.Fatal(err)
	}
	defer client.Close()
	bus, err := redisbus.New(redisbus.Config{
		URL: r.URL(), Logger: slog.New(slog.DiscardHandler), QueueMessages: 1 << 30, QueueBytes: math.MaxInt,
	})
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(b.Context()))
	ready, done := make(chan struct{}), make(chan error, 1)
	var got atomic.Int64
	go func() {
		done <- bus.Run(ctx, func() { close(ready) }, func(envelopes ...[]byte) { got.Add(int64(len(envelopes))) })
	}()
	<-ready
	script := rueidis.NewLuaScript(`local e = string.rep("x", 200)
		for i = 1, tonumber(ARGV[1]) do redis.call("PUBLISH", "ws:room:r", e) end`)
	b.ResetTimer()
	from := processTime(b)
	for sent := 0; sent < b.N; {
		n := min(b.N-sent, 10_000) // Redis limits the output buffer of a subscriber
		if err := script.Exec(ctx, client, nil, []string{strconv.Itoa(n)}).NonRedisError(); err != nil {
			b.Fatal(err)
		}
		sent += n
		redistest.Wait(b, "the messages", func() bool { return got.Load() == int64(sent) })
	}
	b.StopTimer()
	b.ReportMetric(float64((processTime(b)-from).Nanoseconds())/float64(b.N), "cpu-ns/message")
	cancel()
	if err := <-done; err != nil {
		b.Fatal(err)
	}
}

// processTime returns the CPU time that this process has used.
func processTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
