package doctor

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync"

	"github.com/redis/rueidis"

	"github.com/ignis-go/ignis/internal/redisconn"
)

// redisName is the name of the connections in Redis' CLIENT LIST.
const redisName = "ignis-doctor"

// node is a client of one Redis node.
type node struct {
	rueidis.Client
	addr  string
	conns *connections
}

// connections are the connections of a node. The client does not close a connection whose
// peer hangs when a context is done, so they are closed here.
type connections struct {
	mu     sync.Mutex
	open   []net.Conn
	closed bool
	cancel context.CancelFunc // of dialing
}

// dialer returns a function that dials until the connections are cut.
func (c *connections) dialer() redisconn.DialFunc {
	var life context.Context
	life, c.cancel = context.WithCancel(context.Background())
	return func(
		_ context.Context, o *rueidis.ClientOption, addr string, d *net.Dialer, t *tls.Config, limit int,
	) (net.Conn, error) {
		conn, err := redisconn.Open(life, o, addr, d, t, limit)
		if err != nil {
			return nil, err
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.closed {
			_ = conn.Close()
			return nil, net.ErrClosed
		}
		c.open = append(c.open, conn)
		return conn, nil
	}
}

// cut closes all connections, and those that are made later.
func (c *connections) cut() {
	c.cancel()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	for _, conn := range c.open {
		_ = conn.Close()
	}
}

// dialNode connects to the node of t at addr.
func (r *redisChecks) dialNode(ctx context.Context, t *redisconn.Target, addr string) (*node, error) {
	n := &node{addr: addr, conns: &connections{}}
	dial := n.conns.dialer()
	defer n.guard(ctx)()
	settings := redisconn.Settings{
		Name: redisName, ProbeInterval: r.c.Timeout, ProbeTimeout: r.c.Timeout, MaxIncoming: redisconn.DefaultLimit,
	}
	var err error
	n.Client, err = rueidis.NewClient(t.NodeOption(settings, addr, dial))
	if err == nil {
		return n, nil
	}
	n.close()
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return nil, fmt.Errorf("%s: %w", addr, err)
}

func (n *node) close() {
	n.conns.cut()
	if n.Client != nil {
		n.Close()
	}
}

// guard cuts the connections of the node when ctx is done, until the returned function is
// called.
func (n *node) guard(ctx context.Context) (stop func() bool) {
	return context.AfterFunc(ctx, n.conns.cut)
}

// find connects to the node that servers use: the only one, the master that the Sentinels
// name, or the master of the Cluster that owns slot 0.
func (r *redisChecks) find(ctx context.Context) (*node, error) {
	switch r.target.Mode {
	case redisconn.Sentinel:
		limited, cancel := context.WithTimeout(ctx, r.c.Timeout/2) // leaves time for the master
		defer cancel()
		r.votes = r.askSentinels(limited)
		addr := r.master()
		if addr == "" {
			return nil, errors.New("no Sentinel names a master")
		}
		return r.dialNode(ctx, &r.target, addr)
	case redisconn.Cluster, redisconn.Detect:
		return r.findInCluster(ctx)
	default:
		return r.dialNode(ctx, &r.target, r.target.Addrs[0])
	}
}

// findInCluster asks all nodes in the URL for the owner of slot 0, and connects to it. If no
// node knows it, it connects to the first one that answers.
func (r *redisChecks) findInCluster(ctx context.Context) (*node, error) {
	limited, cancel := context.WithTimeout(ctx, r.c.Timeout/2) // leaves time for the owner
	defer cancel()
	r.members = make([]member, len(r.target.Addrs))
	var asked sync.WaitGroup
	for i, addr := range r.target.Addrs {
		asked.Go(func() {
			owner, err := r.askForOwner(limited, addr)
			r.members[i] = member{addr, owner, err}
		})
	}
	asked.Wait()
	var errs []error
	use := ""
	for _, m := range r.members {
		switch {
		case m.err != nil:
			errs = append(errs, m.err)
		case m.owner != "":
			return r.dialNode(ctx, &r.target, m.owner)
		case use == "":
			use = m.addr
		}
	}
	if use == "" {
		return nil, errors.Join(errs...)
	}
	return r.dialNode(ctx, &r.target, use)
}

// member is a node in the URL of a Cluster.
type member struct {
	addr, owner string // owner of slot 0, "" if the node does not say
	err         error  // why the node cannot be used
}

// askForOwner asks the node at addr for the owner of slot 0.
func (r *redisChecks) askForOwner(ctx context.Context, addr string) (string, error) {
	n, err := r.dialNode(ctx, &r.target, addr)
	if err != nil {
		return "", err
	}
	defer n.close()
	defer n.guard(ctx)()
	slots, err := n.Do(ctx, n.B().ClusterSlots().Build()).ToArray()
	if _, refused := rueidis.IsRedisErr(err); err != nil && !refused {
		return "", fmt.Errorf("%s: %w", addr, err)
	}
	return ownerOfSlot0(slots, addr), nil
}

// ownerOfSlot0 returns the address of the master of slot 0 in a reply to CLUSTER SLOTS of the
// node at asked, or "".
func ownerOfSlot0(slots []rueidis.RedisMessage, asked string) string {
	for i := range slots {
		slot, err := slots[i].ToArray() // first last master replica...
		if err != nil || len(slot) < 3 {
			continue
		}
		master, err := slot[2].ToArray() // host port id ...
		if first, e := slot[0].AsInt64(); e != nil || err != nil || first != 0 || len(master) < 2 {
			continue
		}
		host, _ := master[0].ToString()
		port, err := master[1].AsInt64()
		if host == "" {
			host, _, _ = net.SplitHostPort(asked)
		}
		if err == nil && host != "?" {
			return net.JoinHostPort(host, strconv.FormatInt(port, 10))
		}
	}
	return ""
}

// vote is the answer of a Sentinel.
type vote struct {
	sentinel, master string
	err              error
}

// askSentinels asks all Sentinels for the master.
func (r *redisChecks) askSentinels(ctx context.Context) []vote {
	votes := make([]vote, len(r.target.Addrs))
	var asked sync.WaitGroup
	for i, addr := range r.target.Addrs {
		asked.Go(func() {
			master, err := r.askSentinel(ctx, addr)
			votes[i] = vote{addr, master, err}
		})
	}
	asked.Wait()
	return votes
}

func (r *redisChecks) askSentinel(ctx context.Context, addr string) (string, error) {
	o := &r.target.Option
	n, err := r.dialNode(ctx, &redisconn.Target{Option: rueidis.ClientOption{
		Username: o.Sentinel.Username, Password: o.Sentinel.Password, TLSConfig: o.Sentinel.TLSConfig,
		Dialer: o.Sentinel.Dialer, DialFn: o.DialFn, DialCtxFn: o.DialCtxFn,
	}}, addr)
	if err != nil {
		return "", err
	}
	defer n.close()
	defer n.guard(ctx)()
	reply, err := n.Do(ctx, n.B().SentinelGetMasterAddrByName().Master(o.Sentinel.MasterSet).Build()).AsStrSlice()
	switch {
	case rueidis.IsRedisNil(err):
		return "", fmt.Errorf("%s: it knows no master %q", addr, o.Sentinel.MasterSet)
	case err != nil:
		return "", fmt.Errorf("%s: %w", addr, err)
	case len(reply) != 2:
		return "", fmt.Errorf("%s: malformed address of the master", addr)
	}
	return net.JoinHostPort(reply[0], reply[1]), nil
}

// master returns the master that most Sentinels name, or "".
func (r *redisChecks) master() (addr string) {
	count := make(map[string]int)
	for _, v := range r.votes {
		if v.err != nil {
			continue
		}
		if count[v.master]++; count[v.master] > count[addr] {
			addr = v.master
		}
	}
	return addr
}
