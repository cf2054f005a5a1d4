package cron

import "log/slog"

// Lines that come with instants are limited, by message and cause, so that a job that is
// due each second cannot flood the log: package loglimit says how.

func (j *Job) warn(msg string, args ...any)   { j.limit.Log(slog.LevelWarn, msg, args...) }
func (j *Job) errorf(msg string, args ...any) { j.limit.Log(slog.LevelError, msg, args...) }
