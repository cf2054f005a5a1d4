package redisbus

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"slices"
	"time"

	"github.com/redis/rueidis"

	"github.com/ignis-go/ignis/wire"
)

// Sizes of what the client allocates per connection. Its own defaults are half
// a mebibyte each way; a subscriber reads in bursts, so it gets the larger part.
const (
	readBuffer  = 64 << 10
	writeBuffer = 32 << 10
	ringScale   = 6 // 2^6 commands or batches in flight; one or two are
)

// minKeepAlive is how often the client may ask of its own. If its first PING falls due
// before it has started its reader, two goroutines read, and it panics.
const minKeepAlive = time.Second

// link is a live way to one Redis node: a connection that publishes and, for a
// bus, one that is subscribed. It never reconnects: it ends, and its owner
// makes the next one.
type link struct {
	addr    string
	client  rueidis.Client
	sub     rueidis.DedicatedClient // nil: publish only
	release func()                  // of sub
	subDone <-chan error            // closed when no message will come any more
	conns   *conns
	timeout time.Duration
}

// dialLink connects to the node at addr. With onMessage it subscribes too, and
// returns when Redis has confirmed all subscriptions. When ctx ends first, so
// does the attempt; afterwards the link does not depend on ctx.
func dialLink(ctx context.Context, c *Config, t *target, addr string, onMessage func(string)) (*link, error) {
	ctx, cancel := context.WithTimeout(ctx, c.ProbeTimeout)
	defer cancel()
	l := &link{addr: addr, conns: newConns(), timeout: c.ProbeTimeout}
	stop := context.AfterFunc(ctx, func() { l.conns.cut(context.Cause(ctx)) })
	defer stop()
	err := l.open(ctx, l.option(c, &t.option, addr), onMessage)
	if err == nil && !stop() {
		err = context.Cause(ctx) // cut at the last moment
	}
	if err != nil {
		l.close()
		return nil, classify(because(ctx, l.conns.because(err)))
	}
	l.conns.seal()
	return l, nil
}

// option builds the client's options: the target's credentials and transport,
// and nothing that acts behind our back.
func (l *link) option(c *Config, base *rueidis.ClientOption, addr string) rueidis.ClientOption {
	o := *base
	transport := *base
	o.InitAddress = []string{addr}
	o.Sentinel = rueidis.SentinelOption{}
	o.ClientName = c.Name
	o.ForceSingleClient = true
	o.DisableRetry = true // a retry could publish twice
	o.DisableCache = true
	o.AlwaysPipelining = true // a reader is always there: it sees a lost connection at once
	o.PipelineMultiplex = -1  // one connection: two could reorder
	o.BlockingPoolSize = 2
	o.BlockingPipeline = -1
	o.RingScaleEachConn = ringScale
	o.ReadBufferEachConn, o.WriteBufferEachConn = readBuffer, writeBuffer
	o.ConnWriteTimeout = c.ProbeTimeout
	if o.Dialer.Timeout <= 0 {
		o.Dialer.Timeout = c.ProbeTimeout
	}
	// The client sends a PING of its own as often as this says. It matters on
	// servers without RESP3, where our probe goes over another connection.
	o.Dialer.KeepAlive = max(c.ProbeInterval, minKeepAlive)
	o.DialFn = nil
	dialer := o.Dialer
	o.DialCtxFn = func(ctx context.Context, dst string, _ *net.Dialer, _ *tls.Config) (net.Conn, error) {
		return l.conns.dial(ctx, &transport, dst, &dialer, transport.TLSConfig, c.MaxIncoming)
	}
	return o
}

func (l *link) open(ctx context.Context, o rueidis.ClientOption, onMessage func(string)) error {
	client, err := rueidis.NewClient(o)
	l.client = client // also with an error there may be something to close
	if err != nil {
		return err
	}
	if err := l.ping(ctx); err != nil {
		return err
	}
	if onMessage == nil {
		return nil
	}
	return l.subscribe(ctx, onMessage)
}

// subscribe returns when all subscriptions are confirmed.
func (l *link) subscribe(ctx context.Context, onMessage func(string)) error {
	patterns := wire.Patterns()
	want := 1 + len(patterns)
	confirmed := make(chan struct{}, want)
	l.sub, l.release = l.client.Dedicate()
	l.subDone = l.sub.SetPubSubHooks(rueidis.PubSubHooks{
		OnMessage: func(m rueidis.PubSubMessage) { onMessage(m.Message) },
		OnSubscription: func(s rueidis.PubSubSubscription) {
			if s.Kind == "subscribe" || s.Kind == "psubscribe" {
				select {
				case confirmed <- struct{}{}:
				default: // more confirmations than asked for: not ours
				}
			}
		},
	})
	b := l.sub.B()
	for _, r := range l.sub.DoMulti(ctx,
		b.Subscribe().Channel(wire.ChannelBroadcast).Build(),
		b.Psubscribe().Pattern(patterns...).Build(),
	) {
		if err := r.Error(); err != nil {
			return err
		}
	}
	for range want {
		select {
		case <-confirmed:
		case <-l.conns.gone:
			return l.conns.err()
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// ping asks the publishing connection to answer.
func (l *link) ping(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, l.timeout)
	defer cancel()
	return l.client.Do(ctx, l.client.B().Ping().Build()).Error()
}

// pingSub asks the subscribed connection to answer. A user who may not PING
// still shows that the connection works: the refusal is an answer.
func (l *link) pingSub(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, l.timeout)
	defer cancel()
	err := l.sub.Do(ctx, l.sub.B().Ping().Build()).NonRedisError()
	if err != nil {
		return fmt.Errorf("the subscribed connection does not answer: %w", err)
	}
	return nil
}

// publish sends a batch in one round trip, in order, and waits for the answers.
// errs[i] gets the error for items[i]. It returns the first error that is not
// Redis' answer: then the link is of no more use, and what happened to the
// items with an error is unknown.
func (l *link) publish(ctx context.Context, items []Item, errs []error) error {
	ctx, cancel := context.WithTimeout(ctx, l.timeout)
	defer cancel()
	commands := make(rueidis.Commands, len(items))
	b := l.client.B()
	for i := range items {
		commands[i] = b.Publish().Channel(items[i].Channel).Message(rueidis.BinaryString(items[i].Envelope)).Build()
	}
	var broken error
	for i, r := range l.client.DoMulti(ctx, commands...) {
		errs[i] = r.Error()
		if err := r.NonRedisError(); err != nil && broken == nil {
			broken = err
		}
	}
	if errors.Is(broken, errSealed) || errors.Is(broken, rueidis.ErrClosing) {
		if err := l.conns.err(); err != nil {
			broken = err
		}
	}
	return l.conns.because(broken)
}

// close ends the link and returns when no message will be handed over any more.
func (l *link) close() {
	l.conns.cut(errSealed)
	if l.sub != nil {
		l.sub.Close()
		for range l.subDone { //nolint:revive // empty: waits for the end
		}
	}
	if l.client != nil {
		l.client.Close()
	}
}

// ended reports whether one of the connections is gone.
func (l *link) ended() bool {
	select {
	case <-l.conns.gone:
		return true
	default:
		return false
	}
}

// role checks that the node is a master.
func (l *link) role(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, l.timeout)
	defer cancel()
	reply, err := l.client.Do(ctx, l.client.B().Role().Build()).ToArray()
	if unsupported(err) {
		return nil
	}
	if err != nil {
		return err
	}
	if len(reply) == 0 {
		return errors.New("malformed answer to ROLE")
	}
	if role, err := reply[0].ToString(); err != nil || role != "master" {
		return errors.New("this node is no master any more")
	}
	return nil
}

// without returns list without the entries of drop.
func without(list []string, drop ...string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(s string) bool { return slices.Contains(drop, s) })
}
