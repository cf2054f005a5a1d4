package cron

import "log/slog"

// Log lines about instants are limited by message and cause, so that a job that is due every
// second cannot flood the log. See package loglimit.

func (j *Job) warn(msg string, args ...any)   { j.limit.Log(slog.LevelWarn, msg, args...) }
func (j *Job) errorf(msg string, args ...any) { j.limit.Log(slog.LevelError, msg, args...) }
