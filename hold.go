package ignis

import "fmt"

// Hold keeps the server and its bus running until release is called. A shutdown waits for it as
// for callbacks, for at most ShutdownTimeout. Hold returns [ErrNotRunning] if the server has not
// started yet or is shutting down; a server that drains can still be held.
//
// Use it for work that takes several steps, of which the last ones must not fail because the bus
// has stopped meanwhile. Package httpapi holds the server during each request that changes
// something. Call release soon, and exactly once.
func (s *Server) Hold() (release func(), err error) {
	if !s.begin() {
		return nil, ErrNotRunning
	}
	s.counts.held.Add(1)
	return func() {
		s.counts.held.Add(-1)
		s.tasks.Done()
	}, nil
}

// begin registers a task that a later shutdown waits for. It reports false if the server is not
// running or is stopping.
func (s *Server) begin() bool {
	if s.running() != nil {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.isStopping() {
		return false
	}
	s.tasks.Add(1)
	return true
}

// lateError returns the error for a shutdown that took too long.
func (s *Server) lateError() error {
	late := fmt.Sprintf("%d callbacks did not return", s.counts.running.Load())
	if held := s.counts.held.Load(); held > 0 {
		late += fmt.Sprintf(", and %d callers of Hold did not release the server,", held)
	}
	return fmt.Errorf("ignis: %s within %v of shutdown", late, s.cfg.ShutdownTimeout)
}
