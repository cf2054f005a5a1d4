package redisbus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"

	"github.com/ignis-go/ignis/internal/loglimit"
)

// finder finds the node to connect to, and says whether a node is still the
// right one. Its owner's one goroutine uses it.
type finder struct {
	cfg    *Config
	target *target
	limit  *loglimit.Limiter
	// learned are the nodes that a Cluster named last time; they replace none
	// of the configured ones.
	learned []string
	// last is the node of the previous link: tried last in a Cluster.
	last string
	// next is the index of the Sentinel to ask next.
	next int
	// said are the checks of which the log has that Redis does not allow them.
	said map[string]bool
}

// candidate is a node to try.
type candidate struct {
	addr string
	by   string // who names it: Sentinels; "": the configuration, or the Cluster
}

// connect makes a link to the right node: to the first of the candidates with
// which it works. Its error names each that was tried.
func (f *finder) connect(ctx context.Context, in *inbox) (*link, error) {
	candidates, err := f.candidates(ctx)
	if err != nil {
		return nil, err
	}
	var failed failures
	for _, c := range candidates {
		l, err := f.try(ctx, c.addr, in)
		if err == nil {
			f.last = c.addr
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
	if f.target.mode == sentinel {
		return f.masters(ctx)
	}
	list := slices.Clone(f.target.addrs)
	if f.target.mode != single {
		for _, addr := range f.learned {
			if !slices.Contains(list, addr) {
				list = append(list, addr)
			}
		}
		rand.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
		if rest := without(list, f.last); len(rest) < len(list) {
			list = append(rest, f.last)
		}
	}
	candidates := make([]candidate, len(list))
	for i, addr := range list {
		candidates[i].addr = addr
	}
	return candidates, nil
}

// check asks whether a link works and its node is still the right one.
func (f *finder) check(ctx context.Context, l *link) error {
	if err := f.alive(ctx, l); err != nil {
		return err
	}
	switch f.target.mode {
	case cluster, detect:
		return f.checkCluster(ctx, l)
	default:
		return f.checkMaster(ctx, l)
	}
}

// alive asks whether a link works.
func (f *finder) alive(ctx context.Context, l *link) error {
	if l.sub == nil {
		return l.ping(ctx)
	}
	err := l.beat(ctx)
	if err == nil && l.denied != nil && l.silent() {
		f.say("heartbeat", "redis does not let this user use the bus's own channel: "+
			"a subscription that is dead while redis answers PING is not noticed; allow "+f.cfg.Prefix+heartbeatChannel+"*", l, l.denied)
	}
	return err
}

// checkMaster asks the node of a link whether it is a master.
func (f *finder) checkMaster(ctx context.Context, l *link) error {
	err := l.master(ctx)
	if errors.Is(err, errNoRole) {
		f.say("role", "redis does not tell this user whether it is a master: "+
			"a replica, which carries no messages, is not noticed; allow ROLE", l, err)
		return nil
	}
	return err
}

// say logs once that a check is left out because Redis does not allow it.
func (f *finder) say(check, text string, l *link, err error) {
	if f.said[check] {
		return
	}
	if f.said == nil {
		f.said = make(map[string]bool)
	}
	f.said[check] = true
	f.limit.Log(slog.LevelWarn, text, "name", f.cfg.Name, "redis", l.addr, "error", err)
}
