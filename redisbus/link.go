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
	prefix  string // of all channels

	calls int         // of a Publisher, whose mutex guards it
	open  atomic.Bool // whether what comes is handed over: not before it is settled that the link is used
	self  string      // the node's id, in a Cluster
	apart []apart     // the masters that it does not reach

	own    string      // the channel on which the link hears itself; "": none
	heard  chan string // what came on it
	beats  uint64
	denied error // why the last heartbeat was not taken, as Redis says; nil: it was
	// proven is when what was heard last, or what a PING on the subscribed
	// connection got an answer to, was sent: all that was published before has come.
	proven time.Time
	subErr error // why subDone was closed, once close has returned
}

// inbox is what a bus receives with.
type inbox struct {
	own     string       // a channel that nobody else uses, less the prefix
	message func(string) // takes what comes on the others
}

// dialLink connects to the node at addr. With an inbox it subscribes too, and
// returns when Redis has confirmed all subscriptions. When ctx ends first, so
// does the attempt; afterwards the link does not depend on ctx.
func dialLink(ctx context.Context, c *Config, t *redisconn.Target, addr string, in *inbox) (*link, error) {
	parent := ctx
	ctx, cancel := context.WithTimeout(ctx, c.ProbeTimeout)
	defer cancel()
	l := &link{addr: addr, conns: newConns(), timeout: c.ProbeTimeout, prefix: c.Prefix}
	stop := context.AfterFunc(ctx, func() { l.conns.cut(context.Cause(ctx)) })
	defer stop()
	err := l.connect(ctx, t.NodeOption(c.settings(), addr, l.conns.dial), in)
	if err == nil && !stop() {
		err = context.Cause(ctx) // cut at the last moment
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
	l.client = client // also with an error there may be something to close
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
	own := l.prefix + in.own
	want := 1 + len(patterns)
	confirmed := make(chan struct{}, want+1)
	l.heard = make(chan string, 1)
	l.sub, l.release = l.client.Dedicate()
	l.subDone = l.sub.SetPubSubHooks(rueidis.PubSubHooks{
		OnMessage: func(m rueidis.PubSubMessage) {
			if m.Pattern == "" && m.Channel == own {
				l.hear(m.Message)
				return
			}
			if l.open.Load() {
				in.message(m.Message)
			}
		},
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
	replies := l.sub.DoMulti(ctx,
		b.Subscribe().Channel(l.prefix+wire.ChannelBroadcast).Build(),
		b.Psubscribe().Pattern(patterns...).Build(),
		b.Subscribe().Channel(own).Build(),
	)
	for _, r := range replies[:2] {
		if err := r.Error(); err != nil {
			return judge(toSubscribe, err)
		}
	}
	if err := replies[2].Error(); err == nil {
		l.own = own
		want++
	} else if l.denied = err; judge(toBeat, err) != nil {
		return judge(toBeat, err)
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
	limited, cancel := context.WithTimeout(ctx, l.timeout)
	defer cancel()
	err := l.client.Do(limited, l.client.B().Ping().Build()).Error()
	return late(ctx, judge(toPing, err), l.timeout)
}

// publish sends a batch in one round trip, in order, and waits for the answers.
// errs[i] gets the error for items[i]. It returns the first error after which the
// link is of no more use. What happened to items whose error is not an answer of
// Redis is unknown.
func (l *link) publish(parent context.Context, items []Item, errs []error) error {
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

// close ends the link and returns when no message will be handed over any more.
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

// why returns the error among errs, which the parts of a closed link ended with,
// that says most: the one that ended first may only know that the connection is
// gone.
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

// ended reports whether one of the connections is gone.
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

// without returns list without the entries of drop.
func without(list []string, drop ...string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(s string) bool { return slices.Contains(drop, s) })
}
