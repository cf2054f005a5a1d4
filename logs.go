package ignis

import (
	"errors"
	"log/slog"
	"net/http"

	"github.com/gobwas/ws"
)

// The log lines that clients, envelopes or callbacks can cause at will are limited, by
// message and cause: package loglimit says how.

func (s *Server) info(msg string, args ...any)   { s.limit.Log(slog.LevelInfo, msg, args...) }
func (s *Server) warn(msg string, args ...any)   { s.limit.Log(slog.LevelWarn, msg, args...) }
func (s *Server) errorf(msg string, args ...any) { s.limit.Log(slog.LevelError, msg, args...) }

// refusedUpgrade logs a handshake that failed. A middleware that wraps the
// ResponseWriter without giving access to it lets nobody in: that is an error.
func (s *Server) refusedUpgrade(r *http.Request, err error) {
	level := slog.LevelInfo
	if errors.Is(err, ws.ErrNotHijacker) {
		level = slog.LevelError
	}
	s.limit.Log(level, "connection refused: handshake", "remote", r.RemoteAddr, "error", err)
}
