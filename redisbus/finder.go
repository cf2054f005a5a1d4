package redisbus

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/redis/rueidis"
)

// finder finds the node to connect to, and says whether a node is still the
// right one. Its owner's one goroutine uses it.
type finder struct {
	cfg    *Config
	target *target
	// learned are the nodes that a Cluster named last time; they replace none
	// of the configured ones.
	learned []string
	// last is the node of the previous link: tried last in a Cluster.
	last string
	// first is the index of the Sentinel to ask first: one that answered.
	first int
}

// connect makes a link to the right node: to the first of the candidates with
// which it works. Its error names each that was tried.
func (f *finder) connect(ctx context.Context, onMessage func(string)) (*link, error) {
	addrs, err := f.candidates(ctx)
	if err != nil {
		return nil, err
	}
	var failed failures
	for _, addr := range addrs {
		l, err := f.try(ctx, addr, onMessage)
		if err == nil {
			f.last = addr
			return l, nil
		}
		if f.target.mode != single {
			err = fmt.Errorf("%s: %w", addr, err)
		}
		failed = append(failed, err)
		if ctx.Err() != nil {
			break
		}
	}
	return nil, failed
}

func (f *finder) try(ctx context.Context, addr string, onMessage func(string)) (*link, error) {
	l, err := dialLink(ctx, f.cfg, f.target, addr, onMessage)
	if err != nil {
		return nil, err
	}
	if err := f.check(ctx, l); err != nil {
		l.close()
		return nil, classify(err)
	}
	return l, nil
}

// candidates returns the addresses to try, in order.
func (f *finder) candidates(ctx context.Context) ([]string, error) {
	switch f.target.mode {
	case sentinel:
		master, err := f.master(ctx)
		return []string{master}, err
	case cluster, detect:
		list := slices.Clone(f.target.addrs)
		for _, addr := range f.learned {
			if !slices.Contains(list, addr) {
				list = append(list, addr)
			}
		}
		rand.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
		if rest := without(list, f.last); len(rest) < len(list) {
			list = append(rest, f.last)
		}
		return list, nil
	default:
		return f.target.addrs, nil
	}
}

// check asks the node of a link whether it answers and is still the right one.
func (f *finder) check(ctx context.Context, l *link) error {
	if err := l.ping(ctx); err != nil {
		return err
	}
	switch f.target.mode {
	case sentinel:
		return l.role(ctx)
	case cluster, detect:
		return f.checkCluster(ctx, l)
	default:
		return nil
	}
}

// moved asks the Sentinels whether the master is another one than addr. That
// they don't answer is no reason to leave a master that does.
func (f *finder) moved(ctx context.Context, addr string) error {
	if f.target.mode != sentinel {
		return nil
	}
	if master, err := f.master(ctx); err == nil && master != addr {
		return fmt.Errorf("the sentinels name another master, %s", master)
	}
	return nil
}

// master asks one Sentinel after the other for the address of the master.
func (f *finder) master(ctx context.Context) (string, error) {
	var failed failures
	for i := range f.target.addrs {
		at := (f.first + i) % len(f.target.addrs)
		addr, err := f.askSentinel(ctx, f.target.addrs[at])
		if err == nil {
			f.first = at
			return addr, nil
		}
		failed = append(failed, fmt.Errorf("sentinel %s: %w", f.target.addrs[at], err))
		if ctx.Err() != nil {
			break
		}
	}
	return "", failed
}

func (f *finder) askSentinel(ctx context.Context, addr string) (string, error) {
	base := &f.target.option
	t := target{option: rueidis.ClientOption{
		Username: base.Sentinel.Username, Password: base.Sentinel.Password,
		TLSConfig: base.Sentinel.TLSConfig, Dialer: base.Sentinel.Dialer,
		DialFn: base.DialFn, DialCtxFn: base.DialCtxFn,
	}}
	l, err := dialLink(ctx, f.cfg, &t, addr, nil)
	if err != nil {
		return "", err
	}
	defer l.close()
	ctx, cancel := context.WithTimeout(ctx, f.cfg.ProbeTimeout)
	defer cancel()
	set := base.Sentinel.MasterSet
	reply, err := l.client.Do(ctx, l.client.B().SentinelGetMasterAddrByName().Master(set).Build()).AsStrSlice()
	switch {
	case rueidis.IsRedisNil(err):
		return "", fmt.Errorf("it knows no master %q", set)
	case err != nil:
		return "", classify(err)
	case len(reply) != 2:
		return "", errors.New("malformed address of the master")
	}
	return net.JoinHostPort(reply[0], reply[1]), nil
}

// checkCluster learns the nodes of the Cluster, and fails when this one does
// not see the majority of the masters: what it took would reach few or nobody.
func (f *finder) checkCluster(ctx context.Context, l *link) error {
	ctx, cancel := context.WithTimeout(ctx, f.cfg.ProbeTimeout)
	defer cancel()
	b := l.client.B()
	replies := l.client.DoMulti(ctx, b.ClusterNodes().Build(), b.ClusterSlots().Build())
	nodes, err := replies[0].ToString()
	if reply, ok := rueidis.IsRedisErr(err); ok && strings.Contains(reply.Error(), "cluster support disabled") {
		if f.target.mode == detect {
			return nil
		}
		return &refusal{errors.New("this Redis is not part of a Cluster; for one Redis there is redis://")}
	}
	if unsupported(err) {
		return nil
	}
	if err != nil {
		return err
	}
	if masters, reachable := countMasters(nodes); masters > 0 && reachable <= masters/2 {
		return fmt.Errorf("this node sees %d of the Cluster's %d masters, no majority", reachable, masters)
	}
	if slots, err := replies[1].ToArray(); err == nil {
		host, _, _ := net.SplitHostPort(l.addr)
		f.learned = masterAddrs(slots, host)
	}
	return nil
}

// countMasters reads the answer to CLUSTER NODES: how many masters own slots,
// and how many of those the node does not take for failed.
func countMasters(nodes string) (masters, reachable int) {
	for line := range strings.Lines(nodes) {
		// id address flags master ping pong epoch link slot slot ...
		field := strings.Fields(line)
		if len(field) < 9 {
			continue
		}
		flags := strings.Split(field[2], ",")
		if !slices.Contains(flags, "master") {
			continue
		}
		masters++
		if !slices.ContainsFunc(flags, func(f string) bool {
			return f == "fail" || f == "fail?" || f == "noaddr" || f == "handshake"
		}) {
			reachable++
		}
	}
	return masters, reachable
}

// maxLearned bounds how many nodes of a Cluster are remembered.
const maxLearned = 64

// masterAddrs reads the answer to CLUSTER SLOTS: the addresses of the masters.
// A node without a name of its own is at the address that was asked.
func masterAddrs(slots []rueidis.RedisMessage, asked string) []string {
	var addrs []string
	for i := range slots {
		slot, err := slots[i].ToArray() // first last master replica...
		if err != nil || len(slot) < 3 || len(addrs) == maxLearned {
			continue
		}
		node, err := slot[2].ToArray() // host port id ...
		if err != nil || len(node) < 2 {
			continue
		}
		host, _ := node[0].ToString()
		port, err := node[1].AsInt64()
		if host == "" {
			host = asked
		}
		if err != nil || port < 1 || port > 65535 || host == "?" {
			continue
		}
		addr := net.JoinHostPort(host, strconv.FormatInt(port, 10))
		if !slices.Contains(addrs, addr) {
			addrs = append(addrs, addr)
		}
	}
	return addrs
}
