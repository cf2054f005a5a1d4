// Package logtest provides a log that tests can read while it is being written.
package logtest

import (
	"bytes"
	"log/slog"
	"strings"
	"sync"
)

// Log is a log in memory. The zero value is empty and ready to use. The methods may be called
// concurrently.
type Log struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write appends to the log. It always succeeds.
func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

// Logger returns a logger that writes to the log as text.
func (l *Log) Logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

// String returns the log.
func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// Has reports whether the log contains text.
func (l *Log) Has(text string) bool { return strings.Contains(l.String(), text) }

// Count returns how many times the log contains text.
func (l *Log) Count(text string) int { return strings.Count(l.String(), text) }

// Lines returns the lines of the log.
func (l *Log) Lines() []string { return lines(l.String()) }

// Take returns the lines of the log and empties it.
func (l *Log) Take() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	defer l.text.Reset()
	return lines(l.text.String())
}

func lines(text string) []string {
	text = strings.TrimSuffix(text, "\n")
	if text == "" {
		return nil
	}
	return strings.Split(text, "\n")
}
