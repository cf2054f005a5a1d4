package redisbus

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/redis/rueidis"

	"github.com/ignis-go/ignis/internal/redisconn"
)

// checkCluster queries the nodes of the Cluster and this node's view of them. It fails if
// the node does not see the majority of the masters, because messages published on it
// would then reach few instances or none.
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
	view := readNodes(nodes)
	l.self, l.apart = view.self, view.since(l.apart)
	switch {
	case view.masters == 0:
		return &astray{errors.New("this node is not part of a Cluster: it knows no master with slots")}
	case view.reachable <= view.masters/2:
		return &astray{fmt.Errorf("this node sees %d of the Cluster's %d masters, no majority", view.reachable, view.masters)}
	}
	slots, err := replies[1].ToArray()
	if err == nil {
		host, _, _ := net.SplitHostPort(l.addr)
		f.members = readMembers(slots, host, view.failed)
		f.meet(l)
		return nil
	}
	if judged := judge(toCluster, err); judged != nil {
		return late(ctx, judged, l.timeout)
	}
	f.say("this redis user may not list the Cluster's nodes: "+
		"only the configured ones are used; allow CLUSTER SLOTS", l, err)
	return nil
}

// notClustered handles a node that says it does not belong to a Cluster.
func (f *finder) notClustered(ctx context.Context, l *link) error {
	if f.target.Mode == redisconn.Detect {
		return f.checkMaster(ctx, l)
	}
	return &refusal{errors.New("this Redis is not part of a Cluster; use redis:// for a single Redis")}
}

// clusterUnknown handles err, an error reply to CLUSTER NODES.
func (f *finder) clusterUnknown(ctx context.Context, l *link, err error) error {
	limited, cancel := context.WithTimeout(ctx, f.cfg.ProbeTimeout)
	defer cancel()
	node, failed := l.hello(limited)
	switch {
	case failed != nil:
		return late(ctx, failed, l.timeout)
	case node.mode == "standalone":
		return f.notClustered(ctx, l)
	case node.mode != "cluster" && f.target.Mode == redisconn.Detect:
		return f.checkMaster(ctx, l) // its mode is unknown, and a single address is usually that of a single Redis
	}
	f.say("this redis user may not query the Cluster: whether a node sees the majority is not checked, "+
		"and only the configured nodes are used; allow CLUSTER NODES and CLUSTER SLOTS", l, err)
	return nil
}
