package ignis

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"

	"github.com/ignis-go/ignis/internal/ws"
)

// The log lines that clients, envelopes or callbacks can cause at will are limited, by
// message and cause: package loglimit says how.

func (s *Server) info(msg string, args ...any)   { s.limit.Log(slog.LevelInfo, msg, args...) }
func (s *Server) warn(msg string, args ...any)   { s.limit.Log(slog.LevelWarn, msg, args...) }
func (s *Server) errorf(msg string, args ...any) { s.limit.Log(slog.LevelError, msg, args...) }

// debugging reports whether debug lines are wanted. What every client causes asks
// first: to put a line's arguments together costs more than to look.
func (s *Server) debugging() bool {
	return s.cfg.Logger.Enabled(context.Background(), slog.LevelDebug) // handlers take a context; there is none to tell of
}

// refused counts and logs a handshake that failed: by the client's fault, or because
// the application or its middleware made it impossible, which lets nobody in.
func (s *Server) refused(r *http.Request, err error) {
	h, _ := errors.AsType[*ws.HandshakeError](err)
	hook(s, "Refused", s.cfg.Hooks.Refused, RefusedInfo{r.RemoteAddr, h.Status, h.Reason})
	if h.Reason == reasonRefused {
		s.counts.refusedAccept.Add(1)
		s.warn("connection refused", "remote", r.RemoteAddr, "origin", strings.Join(r.Header.Values("Origin"), ", "), "error", h.Err)
		return
	}
	if !h.ServerFault() {
		s.counts.refusedUpgrade.Add(1)
		s.info("connection refused: handshake", "remote", r.RemoteAddr, "error", err)
		return
	}
	s.counts.failedUpgrade.Add(1)
	s.errorf("connection failed: "+h.Reason, "remote", r.RemoteAddr, "error", err)
	if h.Status == 0 {
		panic(http.ErrAbortHandler) // net/http then closes the connection; see HandshakeError
	}
}
