package webhook

import (
	"crypto/sha256"
	"sync"
)

// replays remembers verified requests as long as their timestamps are within the tolerance.
// A replayed request has a known ID, and a timestamp that is not newer than the last one
// with that ID. A request that its sender repeats has a newer timestamp.
type replays struct {
	limit     int
	tolerance int64 // in seconds, like all times here

	mu     sync.Mutex
	seen   map[replayKey]replay
	ends   map[int64][]replayKey // keys by the second from which they may be forgotten
	forgot int64                 // last second up to which keys have been forgotten
}

// replayKey is the beginning of the hash of a request's ID. Its size does not depend on the
// length of the ID.
type replayKey [16]byte

func keyOf(id string) replayKey {
	sum := sha256.Sum256([]byte(id))
	return replayKey(sum[:16])
}

// replay is what is known about a request.
type replay struct {
	timestamp int64 // of the last attempt
	until     int64 // second from which it may be forgotten
	progress  progress
}

// progress is the state of a request that Handler handles.
type progress uint8

const (
	progressNone    progress = iota // new, or failed
	progressRunning                 // the handler has not returned
	progressDone                    // the handler succeeded
)

// add remembers a request and returns its progress so far. The caller has checked that the
// timestamp is within the tolerance. If start is set and the result is progressNone, the
// caller must handle the request and then call set.
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

// forget removes requests whose timestamps are no longer within the tolerance. The caller
// holds mu.
func (r *replays) forget(now int64) {
	// The maximum time for which a request is remembered. After a pause of that length, no
	// request is left. If the clock was set back by that much, the timestamps of all
	// requests are too far in the future to be accepted.
	longest := 2*r.tolerance + 1
	if r.seen == nil || now > r.forgot+longest || now < r.forgot-longest {
		r.seen, r.ends, r.forgot = make(map[replayKey]replay), make(map[int64][]replayKey), now
		return
	}
	for r.forgot < now {
		r.forgot++
		for _, k := range r.ends[r.forgot] {
			if r.seen[k].until <= r.forgot { // otherwise the sender has repeated it
				delete(r.seen, k)
			}
		}
		delete(r.ends, r.forgot)
	}
}

// set records the progress of a request.
func (r *replays) set(k replayKey, p progress) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if was, ok := r.seen[k]; ok {
		was.progress = p
		r.seen[k] = was
	}
}
