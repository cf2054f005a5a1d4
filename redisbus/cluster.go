package redisbus

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/redis/rueidis"
)

// checkCluster learns the nodes of the Cluster, and fails when this one does
// not see the majority of the masters: what it took would reach few or nobody.
func (f *finder) checkCluster(ctx context.Context, l *link) error {
	limited, cancel := context.WithTimeout(ctx, f.cfg.ProbeTimeout)
	defer cancel()
	b := l.client.B()
	replies := l.client.DoMulti(limited, b.ClusterNodes().Build(), b.ClusterSlots().Build())
	nodes, err := replies[0].ToString()
	if reply, ok := rueidis.IsRedisErr(err); ok && strings.Contains(reply.Error(), "cluster support disabled") {
		return f.notClustered(ctx, l)
	}
	if err != nil {
		if judged := judge(toCluster, err); judged != nil {
			return late(ctx, judged, l.timeout)
		}
		return f.clusterUnknown(ctx, l, err)
	}
	switch masters, reachable := countMasters(nodes); {
	case masters == 0:
		return errors.New("this node is not part of a Cluster: it knows no master with slots")
	case reachable <= masters/2:
		return fmt.Errorf("this node sees %d of the Cluster's %d masters, no majority", reachable, masters)
	}
	slots, err := replies[1].ToArray()
	if err == nil {
		host, _, _ := net.SplitHostPort(l.addr)
		f.learned = masterAddrs(slots, host)
		return nil
	}
	if judged := judge(toCluster, err); judged != nil {
		return late(ctx, judged, l.timeout)
	}
	f.say("slots", "redis does not tell this user the Cluster's nodes: "+
		"only those of the configuration are used; allow CLUSTER SLOTS", l, err)
	return nil
}

// notClustered is what a node means that says it belongs to no Cluster.
func (f *finder) notClustered(ctx context.Context, l *link) error {
	if f.target.mode == detect {
		return f.checkMaster(ctx, l)
	}
	return &refusal{errors.New("this Redis is not part of a Cluster; for one Redis there is redis://")}
}

// clusterUnknown makes do without CLUSTER NODES, which Redis answered with err.
func (f *finder) clusterUnknown(ctx context.Context, l *link, err error) error {
	limited, cancel := context.WithTimeout(ctx, f.cfg.ProbeTimeout)
	defer cancel()
	node, failed := l.hello(limited)
	switch {
	case failed != nil:
		return late(ctx, failed, l.timeout)
	case node.mode == "standalone":
		return f.notClustered(ctx, l)
	case node.mode != "cluster" && f.target.mode == detect:
		return f.checkMaster(ctx, l) // it did not say, and one address is a single Redis' more often
	}
	f.say("cluster", "redis does not let this user ask about the Cluster: whether a node sees the majority is not checked, "+
		"and only the nodes of the configuration are used; allow CLUSTER NODES and CLUSTER SLOTS", l, err)
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
