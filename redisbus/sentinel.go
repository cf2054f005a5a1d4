package redisbus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/redis/rueidis"

	"github.com/ignis-go/ignis/internal/redisconn"
)

// Timeouts for Sentinels.
const (
	// sentinelGrace is how long to wait for the remaining Sentinels after the first answer:
	// a frozen one must not delay finding a master that two others name.
	sentinelGrace = 500 * time.Millisecond
	// sentinelWait is how long a probe waits for the Sentinel that it asks.
	sentinelWait = 2 * time.Second
)

// vote is a master and the Sentinels that name it.
type vote struct {
	addr string
	by   []string
}

func (v *vote) String() string { return "sentinel " + strings.Join(v.by, ", ") }

// majority returns how many of the configured Sentinels have to agree.
func (f *finder) majority() int { return len(f.target.Addrs)/2 + 1 }

// masters returns the master that a majority of the Sentinels names. If there is no
// majority, it returns all masters that Sentinels name, those with the most votes first. A
// Sentinel may be wrong while it is cut off from the others.
func (f *finder) masters(ctx context.Context) ([]candidate, error) {
	votes, failed := f.poll(ctx, f.target.Addrs, f.majority())
	if len(votes) == 0 {
		return nil, failed
	}
	if len(votes[0].by) >= f.majority() {
		votes = votes[:1]
	}
	candidates := make([]candidate, len(votes))
	for i := range votes {
		candidates[i] = candidate{votes[i].addr, votes[i].String()}
	}
	return candidates, nil
}

// moved returns an error if the master is no longer the node at addr. Each call asks the next
// Sentinel. If that one names another master, moved asks all of them, and a majority must
// name the same one. Sentinels that do not answer, or a single one that is cut off, are no
// reason to leave a working master.
func (f *finder) moved(ctx context.Context, addr string) error {
	if f.target.Mode != redisconn.Sentinel {
		return nil
	}
	f.next = (f.next + 1) % len(f.target.Addrs)
	first := f.target.Addrs[f.next]
	limited, cancel := context.WithTimeout(ctx, min(sentinelWait, f.cfg.ProbeTimeout))
	named, err := f.askSentinel(limited, first)
	cancel()
	switch {
	case ctx.Err() != nil:
		return nil
	case err != nil:
		f.doubt(first, addr, "a sentinel does not answer", err)
		return nil
	case named == addr:
		f.trust(first, addr)
		return nil
	}
	votes, _ := f.poll(ctx, f.target.Addrs, f.majority())
	for _, v := range votes {
		if v.addr != addr && len(v.by) >= f.majority() {
			return &astray{fmt.Errorf("%d of %d sentinels name another master, %s: %s",
				len(v.by), len(f.target.Addrs), v.addr, strings.Join(v.by, ", "))}
		}
	}
	if ctx.Err() == nil {
		f.doubt(first, addr, "a sentinel names another master than the others", errors.New("it names "+named))
	}
	return nil
}

// doubt logs what is wrong with a Sentinel, once until it agrees with the others again. addr is the
// node in use.
func (f *finder) doubt(sentinel, addr, text string, err error) {
	if f.doubted[sentinel] == text {
		return
	}
	if f.doubted == nil {
		f.doubted = make(map[string]string)
	}
	f.doubted[sentinel] = text
	f.limit.Log(slog.LevelWarn, text, "name", f.cfg.Name, "redis", addr, "sentinel", sentinel, "error", err)
}

// trust logs that a Sentinel that was doubted names the node in use.
func (f *finder) trust(sentinel, addr string) {
	if f.doubted[sentinel] == "" {
		return
	}
	delete(f.doubted, sentinel)
	f.limit.Log(slog.LevelInfo, "the sentinel names the master again", "name", f.cfg.Name, "redis", addr, "sentinel", sentinel)
}

// poll asks the Sentinels at addrs concurrently, until enough of them agree, all have
// answered, or the first answer is sentinelGrace old. The masters with the most votes
// come first.
func (f *finder) poll(ctx context.Context, addrs []string, enough int) (votes []vote, failed failures) {
	type answer struct {
		from, master string
		err          error
	}
	ctx, cancel := context.WithCancel(ctx)
	answers := make(chan answer, len(addrs))
	var asked sync.WaitGroup
	defer asked.Wait()
	defer cancel()
	for _, addr := range addrs {
		asked.Go(func() {
			master, err := f.askSentinel(ctx, addr)
			answers <- answer{addr, master, err}
		})
	}
	var grace <-chan time.Time
	for range addrs {
		select {
		case a := <-answers:
			if a.err != nil {
				failed = append(failed, fmt.Errorf("sentinel %w", at(a.from, a.err)))
				continue
			}
			if votes = count(votes, a.master, a.from); len(votes[0].by) >= enough {
				return votes, failed
			}
			if grace == nil {
				timer := time.NewTimer(sentinelGrace)
				defer timer.Stop()
				grace = timer.C
			}
		case <-grace:
			return votes, failed
		}
	}
	return votes, failed
}

// count adds a vote.
func count(votes []vote, addr, by string) []vote {
	i := slices.IndexFunc(votes, func(v vote) bool { return v.addr == addr })
	if i < 0 {
		return append(votes, vote{addr, []string{by}})
	}
	votes[i].by = append(votes[i].by, by)
	slices.SortStableFunc(votes, func(a, b vote) int { return len(b.by) - len(a.by) })
	return votes
}

func (f *finder) askSentinel(ctx context.Context, addr string) (string, error) {
	base := &f.target.Option
	t := redisconn.Target{Option: rueidis.ClientOption{
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
		return "", judge(toSentinel, err)
	case len(reply) != 2:
		return "", errors.New("malformed address of the master")
	}
	return net.JoinHostPort(reply[0], reply[1]), nil
}
