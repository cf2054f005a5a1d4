package ignis

import "log/slog"

// The log lines that clients, envelopes or callbacks can cause at will are limited, by
// message and cause: package loglimit says how.

func (s *Server) info(msg string, args ...any)   { s.limit.Log(slog.LevelInfo, msg, args...) }
func (s *Server) warn(msg string, args ...any)   { s.limit.Log(slog.LevelWarn, msg, args...) }
func (s *Server) errorf(msg string, args ...any) { s.limit.Log(slog.LevelError, msg, args...) }
