package jwtauth

import (
	"log/slog"
	"sync"
	"time"
)

// SourceStatus describes the keys of one file or JWKS.
type SourceStatus struct {
	// Name is the path of the file, or the URL of the JWKS without its query.
	Name string
	// Keys is the number of keys that tokens are verified with.
	Keys int
	// Skipped is the number of keys in the JWK set that cannot be used.
	Skipped int
	// Loaded is when the keys were last read successfully. Zero: never.
	Loaded time.Time
	// Err is the error of the last attempt to read the keys. Nil: it succeeded, or there
	// has been none.
	Err error
	// Attempts counts how often the keys were fetched. It is 0 for a file.
	Attempts uint64
	// Failures counts how often the keys could not be fetched, or a changed file could
	// not be used.
	Failures uint64
	// Unknown counts tokens with an unknown key ID that were refused without a fetch,
	// because the last one was less than MinRefresh ago or MaxWaiting tokens were waiting.
	Unknown uint64
}

// source contains what files and JWK sets have in common.
type source struct {
	mu     sync.Mutex
	keys   []*key
	status SourceStatus
}

func (s *source) current() []*key {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.keys
}

func (s *source) snapshot() SourceStatus {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.status
}

// took records keys that were read, and logs what has changed.
func (s *source) took(log *slog.Logger, keys []*key, skipped []error) {
	s.mu.Lock()
	before := s.status
	changed := !sameKeys(s.keys, keys)
	s.keys = keys
	s.status.Keys, s.status.Skipped = len(keys), len(skipped)
	s.status.Loaded, s.status.Err = time.Now(), nil
	s.mu.Unlock()
	switch {
	case changed:
		log.Info("keys to verify tokens with were read", "from", before.Name, "keys", len(keys))
		if len(skipped) > 0 {
			log.Warn("some keys cannot be used to verify tokens", "from", before.Name, "skipped", len(skipped), "first", skipped[0])
		}
	case before.Err != nil:
		log.Info("keys to verify tokens with can be read again", "from", before.Name)
	}
}

// failed records that keys could not be read. It logs the same error only once in a row.
func (s *source) failed(log *slog.Logger, err error) {
	s.mu.Lock()
	before := s.status
	s.status.Err = err
	s.status.Failures++
	s.mu.Unlock()
	if before.Err == nil || before.Err.Error() != err.Error() {
		what := "keys to verify tokens with cannot be read; the previous ones stay valid"
		if before.Keys == 0 {
			what = "keys to verify tokens with cannot be read; until they can, tokens that need them are refused"
		}
		log.Warn(what,
			"from", before.Name, "keys", before.Keys, "error", err)
	}
}

// sameKeys reports whether two lists consist of equal keys in the same order.
func sameKeys(a, b []*key) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if !a[i].equal(b[i]) {
			return false
		}
	}
	return true
}
