package redisbus

import (
	"context"
	"errors"
	"net"
	"slices"
	"sync/atomic"
	"time"

	"github.com/redis/rueidis"

	"github.com/ignis-go/ignis/internal/redisconn"
	"github.com/ignis-go/ignis/wire"
)

// link consists of the connections to one Redis node: one that publishes and, for a bus, one
// that is subscribed. It never reconnects. When it ends, its owner makes a new link.
type link struct {
	addr    string
	client  rueidis.Client
	sub     rueidis.DedicatedClient // nil if the link only publishes
	release func()                  // releases sub
	subDone <-chan error            // closed when no more messages will arrive
	conns   *conns
	timeout time.Duration
	prefix  string // prepended to all channels

	calls int         // number of Publisher calls that use the link, guarded by the Publisher's mutex
	open  atomic.Bool // whether received envelopes are delivered, which starts when the bus decides to use the link
	self  string      // the node's ID, in a Cluster
	apart []apart     // masters that the node does not reach

	own     string         // heartbeat channel; "" for none
	mute    error          // why commands do not arrive; nil if they do
	heard   chan heartbeat // heartbeats received on it
	beats   uint64
	awaited atomic.Pointer[string] // text of the last heartbeat; nil before the first
	lag     time.Duration          // of the last heartbeat; 0 if none came back
	denied  error                  // Redis' refusal of the last heartbeat; nil if it was accepted
	// proven is when the last successful check was sent: a heartbeat that arrived, or a
	// PING that was answered on the subscribed connection. Everything published before
	// that has arrived.
	proven time.Time
	subErr error // why subDone was closed; valid after close has returned
}

// inbox defines what a bus subscribes to.
type inbox struct {
	own     string       // heartbeat channel, without the prefix
	message func(string) // handles the messages of the other channels
	command func(string) // handles commands
}

// dialLink connects to the node at addr. If in is not nil, it also subscribes, and returns
// when Redis has confirmed all subscriptions. If ctx is done first, the attempt fails. A
// returned link does not depend on ctx.
func dialLink(ctx context.Context, c *Config, t *redisconn.Target, addr string, in *inbox) (*link, error) {
	parent := ctx
	ctx, cancel := context.WithTimeout(ctx, c.ProbeTimeout)
	defer cancel()
	l := &link{addr: addr, conns: newConns(), timeout: c.ProbeTimeout, prefix: c.Prefix}
	stop := context.AfterFunc(ctx, func() { l.conns.cut(context.Cause(ctx)) })
	defer stop()
	err := l.connect(ctx, t.NodeOption(c.settings(), addr, l.conns.dial), in)
	if err == nil && !stop() {
		err = context.Cause(ctx) // ctx was done just before stop
	}
	if err != nil {
		l.close()
		return nil, late(parent, because(ctx, l.conns.because(err)), l.timeout)
	}
	l.conns.seal()
	return l, nil
}

func (l *link) connect(ctx context.Context, o rueidis.ClientOption, in *inbox) error {
	client, err := rueidis.NewClient(o)
	l.client = client // even with an error, there may be a client to close
	if err != nil {
		return judge(toConnect, err)
	}
	if err := l.ping(ctx); err != nil {
		return err
	}
	if in == nil {
		return nil
	}
	return l.subscribe(ctx, in)
}

// subscribe returns when all subscriptions are confirmed.
func (l *link) subscribe(ctx context.Context, in *inbox) error {
	patterns := wire.Patterns()
	for i := range patterns {
		patterns[i] = l.prefix + patterns[i]
	}
	own, commands := l.prefix+in.own, l.prefix+wire.ChannelCommands
	want := 1 + len(patterns)
	confirmed := make(chan struct{}, want+2)
	l.heard = make(chan heartbeat, 1)
	l.sub, l.release = l.client.Dedicate()
	l.subDone = l.sub.SetPubSubHooks(rueidis.PubSubHooks{
		OnMessage: func(m rueidis.PubSubMessage) {
			if m.Pattern == "" && m.Channel == own {
				l.hear(m.Message)
				return
			}
			switch {
			case !l.open.Load():
			case m.Pattern == "" && m.Channel == commands:
				in.command(m.Message)
			default:
				in.message(m.Message)
			}
		},
		OnSubscription: func(s rueidis.PubSubSubscription) {
			if s.Kind == "subscribe" || s.Kind == "psubscribe" {
				select {
				case confirmed <- struct{}{}:
				default: // ignore unrequested confirmations
				}
			}
		},
	})
	b := l.sub.B()
	replies := l.sub.DoMulti(ctx,
		b.Subscribe().Channel(l.prefix+wire.ChannelBroadcast).Build(),
		b.Psubscribe().Pattern(patterns...).Build(),
		b.Subscribe().Channel(own).Build(),
		b.Subscribe().Channel(commands).Build(),
	)
	for _, r := range replies[:2] {
		if err := r.Error(); err != nil {
			return judge(toSubscribe, err)
		}
	}
	for i, missing := range []*error{&l.denied, &l.mute} { // a bus can do without these two
		if *missing = replies[2+i].Error(); *missing == nil {
			want++
		} else if err := judge(toBeat, *missing); err != nil {
			return err
		}
	}
	if l.denied == nil {
		l.own = own
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

// ping checks that Redis replies over the publishing connection.
func (l *link) ping(ctx context.Context) error {
	limited, cancel := context.WithTimeout(ctx, l.timeout)
	defer cancel()
	err := l.client.Do(limited, l.client.B().Ping().Build()).Error()
	return late(ctx, judge(toPing, err), l.timeout)
}

// publish sends a batch in one round trip, in order, and waits for the replies. It sets
// errs[i] to the error for items[i], and returns the first error after which the link is
// unusable. If errs[i] is not a reply of Redis, items[i] may or may not have been sent.
func (l *link) publish(parent context.Context, items []wire.Publication, errs []error) error {
	ctx, cancel := context.WithTimeout(parent, l.timeout)
	defer cancel()
	commands := make(rueidis.Commands, len(items))
	b := l.client.B()
	for i := range items {
		commands[i] = b.Publish().Channel(l.prefix + items[i].Channel).Message(rueidis.BinaryString(items[i].Envelope)).Build()
	}
	var broken error
	for i, r := range l.client.DoMulti(ctx, commands...) {
		if errs[i] = r.Error(); errs[i] != nil && broken == nil {
			broken = judge(toPublish, errs[i])
		}
	}
	if errors.Is(broken, errSealed) || errors.Is(broken, rueidis.ErrClosing) {
		if err := l.conns.err(); err != nil {
			broken = err
		}
	}
	return late(parent, l.conns.because(broken), l.timeout)
}

// close ends the link. Once it returns, no more messages are delivered.
func (l *link) close() {
	l.conns.cut(errSealed)
	if l.sub != nil {
		l.sub.Close()
		for err := range l.subDone {
			l.subErr = err
		}
	}
	if l.client != nil {
		l.client.Close()
	}
}

// why returns the most informative of errs, the errors with which the users of a closed link
// ended. Some of them say only that the connection is gone.
func (l *link) why(errs ...error) error {
	for _, err := range append(errs, l.subErr) {
		switch {
		case err == nil, errors.Is(err, errHungUp), errors.Is(err, errSealed), errors.Is(err, rueidis.ErrClosing),
			errors.Is(err, net.ErrClosed), errors.Is(err, context.Canceled):
		default:
			return err
		}
	}
	return errs[0]
}

// ended reports whether a connection is gone.
func (l *link) ended() bool {
	return isClosed(l.conns.gone)
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// without returns list without the elements of drop.
func without(list []string, drop ...string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(s string) bool { return slices.Contains(drop, s) })
}
