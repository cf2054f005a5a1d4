package jwtauth

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"
)

// The pauses after fetches that failed.
const (
	minRetry = time.Second
	maxRetry = time.Minute
)

// remoteSource contains the keys of a JWK set that is fetched.
type remoteSource struct {
	source
	cfg        JWKS
	algorithms algorithmSet
	fetcher    fetcher
	busy       chan struct{} // holds a value during a fetch
	wake       chan struct{} // tells follow that a fetch was requested

	// Guarded by source.mu.
	running bool          // follow is running
	last    time.Time     // when the last fetch began
	attempt chan struct{} // closed when the requested or current fetch ends; nil if there is none
}

func newRemoteSource(j JWKS) (*remoteSource, error) {
	name, u, err := checkURL(j.URL)
	if err != nil {
		return nil, err
	}
	if j, err = j.withDefaults(); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	set, err := algorithmsNamed(j.Algorithms)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	s := &remoteSource{
		cfg: j, algorithms: set, fetcher: newFetcher(j, u),
		busy: make(chan struct{}, 1), wake: make(chan struct{}, 1),
	}
	s.status.Name = name
	return s, nil
}

// follow fetches the JWK set immediately, unless Reload has just done so, then at intervals
// and when want asks for it, until ctx is done.
func (v *Verifier) follow(ctx context.Context, s *remoteSource) {
	s.setRunning(true)
	defer s.setRunning(false)
	timer := time.NewTimer(s.firstPause())
	defer timer.Stop()
	failures := 0
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-s.wake:
			if !s.wanted() {
				continue // Reload has fetched it in the meantime
			}
		}
		if err := v.load(ctx, s); err == nil {
			failures = 0
		} else {
			failures++
		}
		timer.Reset(s.pause(failures))
	}
}

// pause returns the time until the next fetch. It varies, so that servers that were started
// together do not all fetch at the same time.
func (s *remoteSource) pause(failures int) time.Duration {
	pause := s.cfg.Refresh
	if failures > 0 {
		pause = min(minRetry<<min(failures-1, 10), maxRetry, pause)
	}
	return pause - pause/10 + time.Duration(rand.Int64N(int64(pause)/5+1))
}

// firstPause returns the time until follow fetches for the first time.
func (s *remoteSource) firstPause() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.status.Loaded.IsZero() || s.status.Err != nil {
		return 0
	}
	return s.cfg.Refresh - time.Since(s.last)
}

// setRunning records whether follow is running, so that want can request fetches. When follow
// ends, setRunning releases the calls that wait for one.
func (s *remoteSource) setRunning(running bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running = running
	if !running {
		s.endLocked()
	}
}

func (s *remoteSource) wanted() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.attempt != nil
}

// want requests a fetch because of an unknown key ID, unless one began less than MinRefresh
// ago. It returns a channel that is closed when the fetch has ended, or nil if there will
// be none.
func (s *remoteSource) want() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.attempt != nil:
	case !s.running:
		return nil
	case !s.last.IsZero() && time.Since(s.last) < s.cfg.MinRefresh:
		s.status.Unknown++
		return nil
	default:
		s.attempt = make(chan struct{})
		select {
		case s.wake <- struct{}{}:
		default: // follow has not read an earlier value yet
		}
	}
	return s.attempt
}

// ignored counts a token with an unknown key ID that is refused without a fetch.
func (s *remoteSource) ignored() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.status.Unknown++
}

// load fetches the JWK set and uses its keys. There is one fetch at a time.
func (v *Verifier) load(ctx context.Context, s *remoteSource) error {
	select {
	case s.busy <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-s.busy }()
	s.begin()
	defer s.end()
	keys, skipped, err := s.fetchKeys(ctx)
	if err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		s.failed(v.log, err)
		return err
	}
	s.took(v.log, keys, skipped)
	v.rebuild()
	return nil
}

func (s *remoteSource) begin() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last = time.Now()
	s.status.Attempts++
	if s.attempt == nil {
		s.attempt = make(chan struct{})
	}
}

func (s *remoteSource) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.endLocked()
}

func (s *remoteSource) endLocked() {
	if s.attempt != nil {
		close(s.attempt)
		s.attempt = nil
	}
}

// fetchKeys returns the keys of the JWK set.
func (s *remoteSource) fetchKeys(ctx context.Context) ([]*key, []error, error) {
	text, err := s.fetcher.fetch(ctx)
	if err != nil {
		return nil, nil, err
	}
	list, skipped, err := parseKeys(text, s.cfg.MaxKeys)
	if err != nil {
		return nil, nil, err
	}
	public := list[:0]
	for i, k := range list {
		if k.Secret != nil {
			skipped = append(skipped, fmt.Errorf("key %d: a secret cannot come from a server", i+1))
			continue
		}
		public = append(public, k)
	}
	return bindSource(public, skipped, "", s.algorithms)
}
