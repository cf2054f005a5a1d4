package ignis

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// logLimit lets a log line through once per period and counts the others, so
// that what clients do cannot flood the log.
type logLimit struct {
	mu    sync.Mutex
	lines map[string]*limitedLine // by message, of which there are two dozen
}

type limitedLine struct {
	next    time.Time
	skipped int
}

const logPeriod = 10 * time.Second

// allow reports whether the line may be written, and how many like it were not
// since the last.
func (l *logLimit) allow(message string) (skipped int, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.lines == nil {
		l.lines = make(map[string]*limitedLine)
	}
	line := l.lines[message]
	if line == nil {
		line = &limitedLine{}
		l.lines[message] = line
	}
	now := time.Now()
	if now.Before(line.next) {
		line.skipped++
		return 0, false
	}
	line.next = now.Add(logPeriod)
	skipped, line.skipped = line.skipped, 0
	return skipped, true
}

// The log lines that clients, envelopes or callbacks can cause at will are
// limited.

func (s *Server) info(msg string, args ...any)   { s.logLimited(slog.LevelInfo, msg, args) }
func (s *Server) warn(msg string, args ...any)   { s.logLimited(slog.LevelWarn, msg, args) }
func (s *Server) errorf(msg string, args ...any) { s.logLimited(slog.LevelError, msg, args) }

func (s *Server) logLimited(level slog.Level, msg string, args []any) {
	ctx := context.Background() // handlers take one; there is none to tell of
	if !s.cfg.Logger.Enabled(ctx, level) {
		return
	}
	skipped, ok := s.limit.allow(msg)
	if !ok {
		return
	}
	if skipped > 0 {
		args = append(args, "skipped", skipped)
	}
	s.cfg.Logger.Log(ctx, level, msg, args...)
}
