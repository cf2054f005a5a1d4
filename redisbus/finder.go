package redisbus

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ignis-go/ignis/internal/redisconn"
)

// finder finds the node to connect to, and checks that a node is still the right one.
// Only its owner's goroutine uses it.
type finder struct {
	notices // of checks that are skipped
	target  *redisconn.Target
	// members are the nodes that the Cluster last listed, and met the addresses, by ID, at
	// which nodes were reached.
	members []member
	met     map[string]string
	// slow is the node that did not reply in time. In a Cluster it is tried last.
	slow string
	// home is when to search again for a preferred node of a Cluster.
	home time.Time
	// next is the index of the Sentinel to ask next, and doubted has what is wrong with Sentinels.
	next    int
	doubted map[string]string
}

// candidate is a node to try.
type candidate struct {
	addr string
	by   string // the Sentinels that named it; "" if it is configured or was listed by the Cluster
}

// connect makes a link to the first candidate that works, or to a node that is preferred to
// it. The error lists all nodes that were tried.
func (f *finder) connect(ctx context.Context, in *inbox) (*link, error) {
	candidates, err := f.candidates(ctx)
	if err != nil {
		return nil, err
	}
	var failed failures
	tried := map[string]bool{f.slow: true} // nodes that best must not try
	for _, c := range candidates {
		l, err := f.try(ctx, c.addr, in)
		tried[c.addr] = true
		if err == nil {
			l = f.best(ctx, l, in, tried)
			l.open.Store(true)
			return l, nil
		}
		if err = at(c.addr, err); c.by != "" {
			err = fmt.Errorf("named by %s: %w", c.by, err)
		}
		failed = append(failed, err)
		if ctx.Err() != nil {
			break
		}
	}
	return nil, failed
}

func (f *finder) try(ctx context.Context, addr string, in *inbox) (*link, error) {
	l, err := dialLink(ctx, f.cfg, f.target, addr, in)
	if err != nil {
		return nil, err
	}
	if err := f.check(ctx, l); err != nil {
		l.close()
		return nil, err
	}
	return l, nil
}

// candidates returns the nodes to try, in order.
func (f *finder) candidates(ctx context.Context) ([]candidate, error) {
	if f.target.Mode == redisconn.Sentinel {
		return f.masters(ctx)
	}
	list := f.target.Addrs
	if f.target.Mode != redisconn.Single {
		list = f.order()
	}
	candidates := make([]candidate, len(list))
	for i, addr := range list {
		candidates[i].addr = addr
	}
	return candidates, nil
}

// check checks that a link works and that its node is still the right one.
func (f *finder) check(ctx context.Context, l *link) error {
	if err := f.alive(ctx, l); err != nil {
		return err
	}
	switch f.target.Mode {
	case redisconn.Cluster, redisconn.Detect:
		return f.checkCluster(ctx, l)
	default:
		return f.checkMaster(ctx, l)
	}
}

// alive checks that a link works.
func (f *finder) alive(ctx context.Context, l *link) error {
	if l.sub == nil {
		return l.ping(ctx)
	}
	err := l.beat(ctx)
	if err == nil && l.denied != nil && l.silent() {
		f.say("this redis user may not use the bus's heartbeat channel: "+
			"a dead subscription is not detected while redis replies to PING; allow "+f.cfg.Prefix+redisconn.HeartbeatChannel+"*", l, l.denied)
	}
	return err
}

// checkMaster checks that the node of a link is a master.
func (f *finder) checkMaster(ctx context.Context, l *link) error {
	err := l.master(ctx)
	if errors.Is(err, errNoRole) {
		f.say("this redis user may not query the role of a node: "+
			"a replica, whose messages do not reach other instances, is not detected; allow ROLE", l, err)
		return nil
	}
	return err
}
