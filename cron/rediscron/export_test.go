package rediscron

import (
	"context"
	"log/slog"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"testing/synctest"
	"time"

	"github.com/redis/rueidis"
)

// LeavePause is the minimum time between two replacements of a client.
const LeavePause = leavePause

// AskWhileLeft makes a call whose client is replaced the given number of times, after the call
// has chosen it and before the call uses it.
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

// AskOnce makes a call, and returns how often it was made.
func (s *Store) AskOnce(ctx context.Context) (times int, err error) {
	_, err = s.do(ctx, toRuns, func(ctx context.Context, client rueidis.Client) rueidis.RedisResult {
		times++
		return client.Do(ctx, client.B().Ping().Build())
	})
	return times, err
}

// AwaitLook waits until the due nodes have been checked.
func (s *Store) AwaitLook() { s.replicas.ended.Wait() }

// LookAgain makes all nodes due for a check.
func (s *Store) LookAgain() {
	s.replicas.mu.Lock()
	defer s.replicas.mu.Unlock()
	s.replicas.next = time.Time{}
	for _, n := range s.replicas.nodes {
		n.looked = n.looked.Add(-lookAgain)
	}
}

// Maximum numbers of nodes that are checked and logged.
const (
	MaxNodes  = maxNodes
	MaxWarned = maxWarned
)

// LookAtMany connects to many nodes with replicas and checks all of them together. It returns
// how many are kept.
func LookAtMany(log *slog.Logger, nodes int) int {
	r := newReplicas(log, 0)
	defer r.close()
	var all sync.WaitGroup
	for i := range nodes {
		addr := "node:" + strconv.Itoa(i)
		all.Go(func() {
			r.connected(addr, nil)
			r.mu.Lock()
			n := r.nodes[addr]
			r.mu.Unlock()
			if n != nil {
				r.note(n, "role:master\r\nconnected_slaves:1\r\n", nil, false)
			}
		})
	}
	all.Wait()
	return len(r.nodes)
}

// LookAt connects to a node with replicas and checks it.
func LookAt(log *slog.Logger, addr string, conn net.Conn) {
	r := newReplicas(log, 0)
	defer r.close()
	r.connected(addr, conn)
	r.note(r.nodes[addr], "role:master\r\nconnected_slaves:1\r\n", nil, false)
}

// LookBefore connects, and checks nodes that the client does not know yet.
func (s *Store) LookBefore(ctx context.Context) error {
	client, err := s.connected(ctx)
	if err == nil {
		s.replicas.look(stranger{Client: client})
		s.AwaitLook()
	}
	return err
}

// stranger is a client that does not list any nodes. If asked is set, its list waits for may.
type stranger struct {
	rueidis.Client
	asked *atomic.Int32 // number of queries
	may   <-chan struct{}
}

func (s stranger) Nodes() map[string]rueidis.Client {
	if s.asked != nil {
		s.asked.Add(1)
		<-s.may
	}
	return nil
}

// LookOften checks again while a check is running, and when nothing is due. It
// returns the number of queries.
func LookOften() int32 {
	r := newReplicas(slog.New(slog.DiscardHandler), time.Minute)
	defer r.close()
	r.connected("node:1", nil)
	may := make(chan struct{})
	c := stranger{asked: new(atomic.Int32), may: may}
	r.look(c)
	r.look(c)
	r.connected("node:2", nil)
	r.look(c)
	close(may)
	r.ended.Wait()
	r.next = time.Now().Add(time.Hour)
	r.look(c)
	r.ended.Wait()
	return c.asked.Load()
}

// CloseWhileLooking closes while a check is running, in fake time. It reports whether that had
// to wait for the check.
func CloseWhileLooking() (waited bool) {
	r := newReplicas(slog.New(slog.DiscardHandler), time.Minute)
	r.connected("node:1", nil)
	may, closed := make(chan struct{}), make(chan struct{})
	r.look(stranger{asked: new(atomic.Int32), may: may})
	go func() { defer close(closed); r.close() }()
	synctest.Wait()
	select {
	case <-closed:
	default:
		waited = true
	}
	close(may)
	<-closed
	return waited
}

// LooksSoon reports whether the next check is due within a moment, and not after the interval
// at which nodes are checked again.
func (s *Store) LooksSoon() bool {
	s.replicas.mu.Lock()
	defer s.replicas.mu.Unlock()
	return time.Until(s.replicas.next) <= lookSoon
}

// Due returns how many nodes would be checked, if the client knew them.
func (s *Store) Due() (n int) {
	s.replicas.mu.Lock()
	defer s.replicas.mu.Unlock()
	s.replicas.next = time.Time{}
	for _, node := range s.replicas.nodes {
		if time.Since(node.looked) >= lookAgain {
			n++
		}
	}
	return n
}

// Looks reports whether a check starts after Close.
func (s *Store) Looks() bool {
	s.LookAgain()
	s.replicas.look(stranger{})
	s.replicas.mu.Lock()
	defer s.replicas.mu.Unlock()
	return s.replicas.looking || !s.replicas.next.IsZero()
}
