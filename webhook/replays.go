package webhook

import (
	"crypto/sha256"
	"sync"
)

// replays remembers requests that have been verified, for as long as their timestamps are
// within the tolerance. A recorded request has an ID and a timestamp that were there
// before. A request that its sender repeats has a newer timestamp.
type replays struct {
	limit     int
	tolerance int64 // in seconds, as all times here

	mu     sync.Mutex
	seen   map[replayKey]replay
	ends   map[int64][]replayKey // what may be forgotten, by the second in which
	forgot int64                 // the last second for which that has been done
}

// replayKey identifies a request by the beginning of the hash of its ID, so that all use
// the same amount of memory.
type replayKey [16]byte

func keyOf(id string) replayKey {
	sum := sha256.Sum256([]byte(id))
	return replayKey(sum[:16])
}

// replay is what is known about a request.
type replay struct {
	timestamp int64 // the newest, in seconds
	until     int64 // the second in which it may be forgotten
	progress  progress
}

// progress is what has become of a request.
type progress uint8

const (
	progressNone    progress = iota // it is new, or has failed
	progressRunning                 // its handler has not returned
	progressDone                    // its handler has succeeded
)

// add remembers a request and returns what has become of it so far. Its timestamp is no
// farther from now than the tolerance. With start set, the caller runs its handler if the
// result is progressNone.
func (r *replays) add(k replayKey, timestamp, now int64, start bool) (progress, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.forget(now)
	was, known := r.seen[k]
	switch {
	case known && timestamp <= was.timestamp:
		return was.progress, ErrReplayed
	case !known && len(r.seen) >= r.limit:
		return progressNone, ErrFull
	}
	until := max(timestamp+r.tolerance, r.forgot) + 1
	is := was.progress
	if start && is == progressNone {
		is = progressRunning
	}
	r.seen[k] = replay{timestamp, until, is}
	r.ends[until] = append(r.ends[until], k)
	return was.progress, nil
}

// forget removes what need not be remembered any longer. The caller holds mu.
func (r *replays) forget(now int64) {
	// Nothing is remembered for longer than this, so after a pause nothing is left. If the
	// clock was set back that far, nothing that is remembered has a timestamp that would be
	// accepted now.
	longest := 2*r.tolerance + 1
	if r.seen == nil || now > r.forgot+longest || now < r.forgot-longest {
		r.seen, r.ends, r.forgot = make(map[replayKey]replay), make(map[int64][]replayKey), now
		return
	}
	for r.forgot < now {
		r.forgot++
		for _, k := range r.ends[r.forgot] {
			if r.seen[k].until <= r.forgot { // otherwise it has come again
				delete(r.seen, k)
			}
		}
		delete(r.ends, r.forgot)
	}
}

// set notes what has become of a request.
func (r *replays) set(k replayKey, p progress) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if was, ok := r.seen[k]; ok {
		was.progress = p
		r.seen[k] = was
	}
}
