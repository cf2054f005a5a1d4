package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/alecthomas/kong"

	"github.com/ignis-go/ignis/wire"

	"github.com/ignis-go/ignis/emitter"
	"github.com/ignis-go/ignis/internal/herd"
	"github.com/ignis-go/ignis/redisbus"
)

// heartbeat is the time between two heartbeats of a client.
const heartbeat = 20 * time.Second

// Run measures until the duration is over or ctx is done.
func (c *benchCmd) Run(ctx context.Context, _ *kong.Context, std *stdio) error {
	u, addr, err := c.check(ctx)
	if err != nil {
		return err
	}
	cfg := herd.Config{
		Addr: addr, Host: u.Host, Path: u.RequestURI(), Token: c.Token, Encrypt: c.Encrypt,
		Heartbeat: heartbeat, TimeBursts: true,
	}
	if c.Rooms > 1 {
		cfg.Rooms = int(c.Rooms)
	}
	redis, err := c.loadQuietly(c.Redis, "", std)
	if err != nil {
		return err
	}
	if redis.URL != "" {
		s, err := newBenchSender(ctx, redis)
		if err != nil {
			return redisError(err)
		}
		defer s.close()
		cfg.Publish = s.publish
	}
	b := &bench{benchCmd: c, out: std.err, self: os.Getpid()}
	cfg.Tick = b.tick
	if b.herd, err = herd.New(cfg); err != nil {
		return err
	}
	defer b.herd.Close()
	defer b.herd.Leave(context.WithoutCancel(ctx)) // also after an interrupt
	if err := b.measure(ctx); err != nil {
		return err
	}
	if c.JSON {
		err = json.NewEncoder(std.out).Encode(b.result)
	} else {
		err = b.print(std.out)
	}
	return errors.Join(err, b.result.verdict(redis.URL != ""))
}

// bench is one measurement.
type bench struct {
	*benchCmd
	herd *herd.Herd
	out  io.Writer // receives the progress
	self int       // ID of this process

	last       time.Time // time of the last line of progress
	deliveries int64     // deliveries at that time
	sending    bool
	result     benchResult
}

// cpuUse contains the CPU times of this process and of the server.
type cpuUse struct{ self, server time.Duration }

func (b *bench) use() (u cpuUse, err error) {
	if u.self, err = herd.CPUTime(b.self); err == nil && b.PID > 0 {
		u.server, err = herd.CPUTime(int(b.PID))
	}
	return u, err
}

// measure connects the clients, sends messages, and fills in the result.
func (b *bench) measure(ctx context.Context) error {
	r := &b.result
	var empty, full float64
	before, err := b.use()
	if err == nil && b.PID > 0 {
		empty, err = herd.ResidentSize(int(b.PID))
	}
	if err != nil {
		return usage("check that the process is running and belongs to you", "--pid: %w", err)
	}
	took, err := b.herd.Connect(ctx, int(b.Clients), b.rooms())
	r.Clients = int(b.Clients)
	r.Connected, _ = b.herd.Live()
	if err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return &exitError{exitFailed, err, connectHint(b.herd.Failed(), b.Encrypt)}
	}
	r.ConnectSeconds = took.Seconds()
	r.ConnectsPerSecond = float64(b.Clients) / took.Seconds()
	err = b.herd.Pump(ctx, time.Second) // time for joining the rooms
	connected, useErr := b.use()
	if b.PID > 0 && useErr == nil {
		full, useErr = herd.ResidentSize(int(b.PID))
	}
	if err = errors.Join(err, useErr); err != nil {
		return ignoreEnd(ctx, err)
	}
	b.sending, b.last = true, time.Time{}
	_, r.ClosedBefore = b.herd.Live()
	b.herd.Reset()
	began := time.Now()
	err = b.send(ctx)
	r.interrupted = ctx.Err() != nil
	if r.interrupted { // messages in flight should still arrive
		err = b.herd.Await(context.WithoutCancel(ctx), 0)
	}
	seconds := time.Since(began).Seconds()
	if err != nil { // the figures so far are printed nevertheless
		r.failed, r.EndedEarly = err, oneLine(err.Error())
	}
	after, useErr := b.use()
	b.count(seconds, after.self-connected.self)
	if b.PID > 0 && useErr == nil { // the server is still running
		n := float64(b.Clients)
		r.Server = &serverResult{
			ConnectCPUMicros:  float64((connected.server - before.server).Microseconds()) / n,
			DeliveryCPUMicros: float64((after.server - connected.server).Microseconds()) / float64(max(1, r.Deliveries)),
			CPU:               (after.server - connected.server).Seconds() / seconds,
			ResidentBytes:     full, ResidentPerClient: (full - empty) / n,
		}
	}
	return nil
}

// rooms returns the number of rooms among which the clients are distributed, or 0 if they
// need not join any.
func (b *bench) rooms() int {
	if b.Rooms > 1 {
		return int(b.Rooms)
	}
	return 0
}

// ignoreEnd returns err, or nil if ctx is done, because an interrupt is not a failure.
func ignoreEnd(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// send sends messages until the duration is over.
func (b *bench) send(ctx context.Context) error {
	if b.Burst == 0 {
		every := time.Duration(float64(time.Second) / b.Rate)
		return ignoreEnd(ctx, b.herd.Steady(ctx, every, time.Duration(b.Duration), int(b.Size)))
	}
	for end := time.Now().Add(time.Duration(b.Duration)); time.Now().Before(end) && ctx.Err() == nil; {
		if _, err := b.herd.Burst(ctx, int(b.Burst), int(b.Size), 0); err != nil {
			return ignoreEnd(ctx, err)
		}
		if live, _ := b.herd.Live(); live == 0 {
			break
		}
	}
	return nil
}

// count copies the figures of the herd to the result.
func (b *bench) count(seconds float64, cpu time.Duration) {
	r := &b.result
	_, r.Closed = b.herd.Live()
	r.Seconds = seconds
	r.Messages = b.herd.Published()
	r.Deliveries, r.Reordered, r.Repeated = b.herd.Deliveries, b.herd.Reordered, b.herd.Repeated
	r.DeliveriesPerSecond = float64(r.Deliveries) / seconds
	r.Lost = b.herd.Lost()
	r.closes, r.closesHint = b.herd.Closes(), lossHint(b.herd.Closed(), b.Encrypt)
	l := &b.herd.Latency
	r.LatencyMillis.P50, r.LatencyMillis.P99 = millis(l.Quantile(0.5)), millis(l.Quantile(0.99))
	r.LatencyMillis.P999, r.LatencyMillis.Max = millis(l.Quantile(0.999)), millis(l.Max())
	r.HerdBusy = cpu.Seconds() / seconds
}

// tick prints a line of progress.
func (b *bench) tick() {
	now := time.Now()
	live, closed := b.herd.Live()
	if !b.sending {
		fmt.Fprintf(b.out, "%d of %d clients are connected\n", live, b.Clients)
		return
	}
	if !b.last.IsZero() {
		rate := float64(b.herd.Deliveries-b.deliveries) / now.Sub(b.last).Seconds()
		fmt.Fprintf(b.out, "%d clients, %d messages, %.0f deliveries/s, %d outstanding, p99 %v, %d closed\n",
			live, b.herd.Published(), rate, b.herd.Expected(), b.herd.Latency.Quantile(0.99), closed)
	}
	b.last, b.deliveries = now, b.herd.Deliveries
}

// print prints the result as a table.
func (b *bench) print(w io.Writer) error {
	r := &b.result
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	line := func(name, format string, args ...any) { fmt.Fprintf(t, name+"\t"+format+"\n", args...) }
	line("clients", "%d connected in %.2f s (%.0f per second); the server closed %d before the measurement and %d during it",
		r.Connected, r.ConnectSeconds, r.ConnectsPerSecond, r.ClosedBefore, r.Closed)
	line("messages", "%d in %.1f s", r.Messages, r.Seconds)
	line("deliveries", "%d (%.0f per second); %d lost, %d reordered, %d repeated", r.Deliveries, r.DeliveriesPerSecond, r.Lost, r.Reordered, r.Repeated)
	l := r.LatencyMillis
	line("latency", "p50 %.2f ms, p99 %.2f ms, p99.9 %.2f ms, max %.2f ms", l.P50, l.P99, l.P999, l.Max)
	if s := r.Server; s != nil {
		line("server CPU", "%.2f us per delivery, %.1f us to connect a client; %.0f %% of a processor", s.DeliveryCPUMicros, s.ConnectCPUMicros, 100*s.CPU)
		line("server memory", "%.1f MB resident, growth %.2f KB per client", s.ResidentBytes/1e6, s.ResidentPerClient/1e3)
	}
	note := ""
	if r.HerdBusy > 0.9 {
		note = ", so it limited the rate"
	}
	line("this process", "busy for %.0f %% of the time%s", 100*r.HerdBusy, note)
	switch {
	case r.interrupted:
		line("interrupted", "the figures cover only the time until then")
	case r.failed != nil:
		line("ended early", "the figures cover only the time until then")
	}
	return t.Flush()
}

// benchSender publishes messages through Redis in the order of the calls. It does so in a
// separate goroutine, because the herd must not block.
type benchSender struct {
	bus     *redisbus.Publisher
	emitter *emitter.Emitter
	cancel  context.CancelFunc
	done    sync.WaitGroup
	wake    chan struct{}

	mu      sync.Mutex
	waiting []emitter.Message
	err     error
}

func newBenchSender(ctx context.Context, redis redisbus.Config) (*benchSender, error) {
	redis.StartTimeout, redis.Name = 5*time.Second, emitterName
	bus, err := redisbus.Dial(ctx, redis)
	if err != nil {
		return nil, err
	}
	e, err := emitter.New(bus, emitter.Config{})
	if err != nil {
		return nil, errors.Join(err, bus.Close())
	}
	s := &benchSender{bus: bus, emitter: e, wake: make(chan struct{}, 1)}
	ctx, s.cancel = context.WithCancel(context.WithoutCancel(ctx)) // messages that were counted are still sent
	s.done.Go(func() { s.run(ctx) })
	return s, nil
}

func (s *benchSender) run(ctx context.Context) {
	for {
		select {
		case <-s.wake:
		case <-ctx.Done():
			return
		}
		s.mu.Lock()
		batch := s.waiting
		s.waiting = nil
		s.mu.Unlock()
		if err := s.emitter.SendAll(ctx, batch...); err != nil {
			s.mu.Lock()
			s.err = err
			s.mu.Unlock()
			return
		}
	}
}

// publish queues a message. The error may be that of an earlier message.
func (s *benchSender) publish(room, data string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return redisError(s.err)
	}
	s.waiting = append(s.waiting, emitter.Message{
		To: wire.ToRoom(room), Event: herd.Event, Data: json.RawMessage(data),
	})
	select {
	case s.wake <- struct{}{}:
	default:
	}
	return nil
}

func (s *benchSender) close() {
	s.cancel()
	s.done.Wait()
	_ = s.bus.Close()
}
