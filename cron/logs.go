package cron

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// logPeriod is how often a line may repeat that comes with instants.
const logPeriod = 10 * time.Second

// logLimit lets a line through once per period and counts the others, so that a
// job that is due each second cannot flood the log.
type logLimit struct {
	mu    sync.Mutex
	lines map[string]*limitedLine // by message, of which there are a few
}

type limitedLine struct {
	next    time.Time
	skipped int
}

func (j *Job) warn(msg string, args ...any)   { j.log(slog.LevelWarn, msg, args) }
func (j *Job) errorf(msg string, args ...any) { j.log(slog.LevelError, msg, args) }

func (j *Job) log(level slog.Level, msg string, args []any) {
	j.limit.mu.Lock()
	if j.limit.lines == nil {
		j.limit.lines = make(map[string]*limitedLine)
	}
	line := j.limit.lines[msg]
	if line == nil {
		line = &limitedLine{}
		j.limit.lines[msg] = line
	}
	now := time.Now()
	if now.Before(line.next) {
		line.skipped++
		j.limit.mu.Unlock()
		return
	}
	line.next = now.Add(logPeriod)
	if line.skipped > 0 {
		args = append(args, "unlogged", line.skipped)
		line.skipped = 0
	}
	j.limit.mu.Unlock()
	j.cfg.Logger.Log(context.Background(), level, msg, args...) // handlers take one; there is none to tell of
}
