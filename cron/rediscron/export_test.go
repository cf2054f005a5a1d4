package rediscron

import (
	"context"
	"log/slog"
	"strconv"
	"time"

	"github.com/redis/rueidis"
)

// LeavePause is how often a client is left at most.
const LeavePause = leavePause

// AskWhileLeft asks over a client that is left between when it was chosen and when it is
// used, so many times.
func (s *Store) AskWhileLeft(ctx context.Context, times int) error {
	_, err := s.do(ctx, toRuns, func(ctx context.Context, client rueidis.Client) rueidis.RedisResult {
		if times--; times >= 0 {
			s.leave(ctx, client)
			s.leaving.Wait()
			s.left = s.left.Add(-leavePause)
		}
		return client.Do(ctx, client.B().Ping().Build())
	})
	return err
}

// AwaitLook waits until the nodes that were due are looked at.
func (s *Store) AwaitLook() { s.replicas.ended.Wait() }

// LookAgain lets so much time pass that all nodes are due.
func (s *Store) LookAgain() {
	s.replicas.mu.Lock()
	defer s.replicas.mu.Unlock()
	s.replicas.next = time.Time{}
	for _, n := range s.replicas.nodes {
		n.looked = n.looked.Add(-lookAgain)
	}
}

// What is looked at, at most, and what is logged.
const (
	MaxNodes  = maxNodes
	MaxWarned = maxWarned
)

// LookAtMany looks at so many nodes with replicas, and returns how many are kept.
func LookAtMany(log *slog.Logger, nodes int) int {
	r := newReplicas(log, 0)
	defer r.close()
	for i := range nodes {
		addr := "node:" + strconv.Itoa(i)
		r.connected(addr, nil)
		if n := r.nodes[addr]; n != nil {
			r.note(n, "role:master\r\nconnected_slaves:1\r\n", nil, false)
		}
	}
	return len(r.nodes)
}

// LookBefore connects, and lets a client look that does not know the node.
func (s *Store) LookBefore(ctx context.Context) error {
	client, err := s.connected(ctx)
	if err == nil {
		s.replicas.look(stranger{client})
		s.AwaitLook()
	}
	return err
}

// stranger is a client that knows no nodes.
type stranger struct{ rueidis.Client }

func (stranger) Nodes() map[string]rueidis.Client { return nil }
