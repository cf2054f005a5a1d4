package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/ignis-go/ignis/bench/internal/publish"
)

const publishing = "publish"

const publishingIntro = "Messages to a room, or channel, with one subscriber are published with the server's HTTP API on keep-alive connections. Each connection sends its next request when the last one was answered: first requests with one message, then batches. " +
	"The reference is the program Centrifugo, because Ignis on Bun has no HTTP API. Both servers require an API key and run without Redis. Centrifugo logs only errors, and its channel has no history. " +
	"Ignis publishes a batch with `/v1/publish/batch`, Centrifugo with `/api/batch`. The time of a request is measured by its sender, which shares a core with the subscriber."

func publishText(z sizes) string {
	return fmt.Sprintf("1 subscriber, %d bytes of data, %d connections, at most %s messages in flight, %v of single messages and %v of batches of %d a round",
		z.Size, z.Senders, thousands(redisWindow), z.Publish, z.Publish, z.Batch)
}

// runPublish measures publishing over HTTP, first single messages and then batches.
func runPublish(ctx context.Context, t *trial) error {
	const key = "bench.0123456789abcdef0123456789abcdef" // protects nothing
	srv, err := t.servePublish(ctx, key)
	if err != nil {
		return err
	}
	defer srv.kill()
	p, err := t.startPublisher(ctx, publish.Config{
		Addr: srv.addr, Centrifugo: t.system.name == centrifugo, Key: key,
		Senders: t.Senders, Size: t.Size, Window: redisWindow,
	})
	if err != nil {
		return err
	}
	defer p.kill()
	one, err := t.publish(ctx, srv, p, 1)
	if err != nil {
		return fmt.Errorf("single messages: %w", err)
	}
	many, err := t.publish(ctx, srv, p, t.Batch)
	if err != nil {
		return fmt.Errorf("batches: %w", err)
	}
	one.Values[keyBatchRate] = many.Values[keyRate] * float64(t.Batch)
	one.Values[keyBatchCPU] = many.Values[keyCPU] / float64(t.Batch)
	one.Values[keyBatchTimes] = one.Values[keyCPU] / one.Values[keyBatchCPU]
	one.Lost += many.Lost
	one.Reordered += many.Reordered
	one.Repeated += many.Repeated
	one.HerdBusy = max(one.HerdBusy, many.HerdBusy)
	one.Foreign = max(one.Foreign, many.Foreign)
	t.got[publishing] = one
	return srv.alive()
}

// servePublish starts a server with an HTTP API and without Redis.
func (t *trial) servePublish(ctx context.Context, key string) (*server, error) {
	if t.system.name == centrifugo {
		return t.serveCentrifugo(ctx, t.system, serverCore, key)
	}
	return t.serve(ctx, t.system, serverCore, "-redis", "", "-api-key", key)
}

// publish measures requests with the given number of messages. A warm-up is not counted.
func (t *trial) publish(ctx context.Context, srv *server, p *process, batch int) (o outcome, err error) {
	warm, err := tell[publish.Sample](ctx, p, publishOrder{Batch: batch, Duration: t.Publish / 10})
	if err != nil {
		return o, err
	}
	if err := waitQuiet(ctx, srv.pid()); err != nil {
		return o, err
	}
	began, err := beginSpan(srv.pid(), p.pid(), t.redisPID)
	if err != nil {
		return o, err
	}
	s, err := tell[publish.Sample](ctx, p, publishOrder{Batch: batch, Duration: t.Publish})
	if err != nil {
		return o, err
	}
	u, err := began.end()
	if err != nil {
		return o, err
	}
	return outcome{
		Values: map[string]float64{
			keyRate: float64(s.Requests) / s.Wall.Seconds(),
			keyCPU:  per(u.cpu, s.Requests),
			keyP99:  s.P99.Seconds(),
		},
		Lost:      warm.Lost + s.Lost,
		Reordered: warm.Reordered + s.Reordered,
		Repeated:  warm.Repeated + s.Repeated,
		HerdBusy:  u.herdBusy, Foreign: u.foreign,
	}, nil
}

// publishArgument makes this program run as the publisher, which executes orders like the herd.
const publishArgument = "publisher"

// publishOrder tells the publisher to connect or to publish.
type publishOrder struct {
	publish.Config // of the server to connect to; if it has no address, the order is to publish
	Batch          int
	Duration       time.Duration
}

// startPublisher starts a publisher on the herd's core and connects it.
func (l *lab) startPublisher(ctx context.Context, c publish.Config) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	p, err := start("the publisher", herdCore, l.dir, []string{"GOMAXPROCS=1", "GOGC=400"}, self, publishArgument)
	if err != nil {
		return nil, err
	}
	if _, err := tell[publish.Sample](ctx, p, publishOrder{Config: c}); err != nil {
		p.kill()
		return nil, err
	}
	return p, nil
}

// publishMain is the main function of the publisher's process. It executes the orders from in
// until EOF.
func publishMain(_ context.Context, in io.Reader, out io.Writer) error {
	var p *publish.Publisher
	defer func() {
		if p != nil {
			p.Close()
		}
	}()
	return answerOrders(in, out, func(o publishOrder) (s publish.Sample, err error) {
		if o.Addr != "" {
			p, err = publish.New(o.Config)
			return s, err
		}
		return p.Run(o.Batch, o.Duration)
	})
}
