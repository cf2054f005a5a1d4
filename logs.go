package ignis

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"

	"github.com/ignis-go/ignis/internal/ws"
)

// Log lines that clients, envelopes or callbacks can cause at will are limited by message
// and cause; see package loglimit.

func (s *Server) info(msg string, args ...any)   { s.limit.Log(slog.LevelInfo, msg, args...) }
func (s *Server) warn(msg string, args ...any)   { s.limit.Log(slog.LevelWarn, msg, args...) }
func (s *Server) errorf(msg string, args ...any) { s.limit.Log(slog.LevelError, msg, args...) }

// debugging reports whether debug lines are enabled. Code that runs for every client
// checks it first, because building the arguments of a line costs more than the check.
func (s *Server) debugging() bool {
	return s.cfg.Logger.Enabled(context.Background(), slog.LevelDebug) // there is no context to pass to the handler
}

// refused counts and logs a failed handshake. Either it is the client's fault, or the application
// or its middleware makes every handshake fail, which is an error. remote is the address that
// Accept has returned, if any.
func (s *Server) refused(r *http.Request, remote string, span *SpanEnd, err error) {
	h, _ := errors.AsType[*ws.HandshakeError](err)
	limited, ok := errors.AsType[*limitError](err)
	if !ok {
		remote = r.RemoteAddr
	}
	hook(s, "Refused", s.cfg.Hooks.Refused, RefusedInfo{remote, h.Status, h.Reason})
	span.refused(h.Status, h.Reason, err)
	if ok {
		s.counts.refusal(limited.refusal).Add(1)
		s.warn("connection refused", "remote", remote, "error", limited)
		return
	}
	if h.Reason == reasonRefused || h.Reason == reasonOrigin {
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
		panic(http.ErrAbortHandler) // makes net/http close the connection; see HandshakeError
	}
}
