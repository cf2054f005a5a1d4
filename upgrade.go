package ignis

import (
	"net"
	"net/http"

	"github.com/ignis-go/ignis/internal/ws"
)

// ServeHTTP upgrades the request to a WebSocket connection. It responds with 426 if the
// request does not ask for an upgrade, with 400 or 405 if the request is malformed, with
// the status of the error if Accept refuses it, with 429 if its address exceeds one of the
// limits per address, and with 503 while the server is full or not running.
//
// The http.ResponseWriter must be an [http.Hijacker] or have an Unwrap method (see
// [http.ResponseController]). If middleware hides both, ServeHTTP responds with 500.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !s.enter() {
		if s != nil && s.isStopping() {
			s.counts.refusedStopping.Add(1)
		}
		w.Header().Set("Retry-After", "1")
		http.Error(w, "The server is not ready.", http.StatusServiceUnavailable)
		return
	}
	if s.cfg.Tracer != nil {
		s.connectTraced(w, r)
		return
	}
	s.connect(w, r, nil, "")
}

// connect serves a request that enter has registered. If it has a span, connect sets what is
// known at its end.
func (s *Server) connect(w http.ResponseWriter, r *http.Request, span *SpanEnd, traceparent string) {
	served := false
	defer func() {
		if !served { // refused, or Accept panicked
			s.exit()
		}
	}()
	if s.refuseFull(w, r, span) {
		return
	}
	nc, early, window, a, ok := s.upgrade(w, r, span)
	if served = ok; ok {
		span.upgraded(s.serve(nc, early, window, a, traceparent))
	}
}

// refuseFull refuses the request if the server has no room for another client, and reports
// whether it did.
func (s *Server) refuseFull(w http.ResponseWriter, r *http.Request, span *SpanEnd) bool {
	switch {
	case s.counts.open.Load() > int64(s.tuning.Load().MaxClients):
		s.counts.refusedFull.Add(1)
		s.warn("connection refused: the limit Config.MaxClients is reached", "remote", r.RemoteAddr)
		s.answerFull(w, r, span, "full")
		return true
	case s.memory.scarce.Load():
		s.counts.refusedMemory.Add(1)
		s.warn("connection refused: the memory budget is nearly used up (Config.MemoryLimit)", "remote", r.RemoteAddr)
		s.answerFull(w, r, span, "out of memory")
		return true
	}
	return false
}

// answerFull answers a request for which the server has no room.
func (s *Server) answerFull(w http.ResponseWriter, r *http.Request, span *SpanEnd, reason string) {
	span.refused(http.StatusServiceUnavailable, reason, nil)
	hook(s, "Refused", s.cfg.Hooks.Refused, RefusedInfo{r.RemoteAddr, http.StatusServiceUnavailable, reason})
	w.Header().Set("Retry-After", "5")
	http.Error(w, "The server has no room for another connection.", http.StatusServiceUnavailable)
}

// enter registers a request as a task that a later shutdown waits for. It reports false
// if the server does not accept requests.
func (s *Server) enter() bool {
	if !s.begin() {
		return false
	}
	s.counts.open.Add(1)
	return true
}

// exit ends the task that enter began.
func (s *Server) exit() {
	s.counts.open.Add(-1)
	s.tasks.Done()
}

// upgrade upgrades the request, or responds with an error.
func (s *Server) upgrade(w http.ResponseWriter, r *http.Request, span *SpanEnd) (nc net.Conn, early []byte, window uint8, a Accepted, ok bool) {
	entered := false
	defer func() {
		if entered && !ok {
			s.leaveFrom(a.RemoteAddr)
		}
	}()
	terms := ws.Terms{Deflate: s.cfg.Compression, Accept: func(r *http.Request) (string, *ws.HandshakeError) {
		var refused *ws.HandshakeError
		if a, refused = s.accept(r); refused == nil {
			refused = s.enterFrom(w, a.RemoteAddr)
			entered = refused == nil
		}
		return a.Subprotocol, refused
	}}
	nc, early, window, err := ws.Upgrade(w, r, terms)
	if err != nil {
		s.refused(r, a.RemoteAddr, span, err)
	}
	return nc, early, window, a, err == nil
}
