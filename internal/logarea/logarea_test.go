package logarea

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
)

// newLog returns a logger that writes messages and areas to the buffer.
func newLog(l *Levels, b *bytes.Buffer) *slog.Logger {
	return slog.New(l.Handler(slog.NewTextHandler(b, &slog.HandlerOptions{
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey || a.Key == slog.LevelKey {
				return slog.Attr{}
			}
			return a
		},
	})))
}

func TestLevels(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	l := NewLevels()
	log := newLog(l, &b)
	redis, webhook := With(log, Redis), With(log, Webhook).With("more", 1)
	grouped := log.WithGroup("g").With(Key, Redis) // not an area
	write := func() string {
		b.Reset()
		for _, log := range []*slog.Logger{log, redis, webhook, grouped} {
			log.Debug("d")
			log.Info("i")
			log.Warn("w")
		}
		return strings.ReplaceAll(strings.TrimSpace(b.String()), "\n", "; ")
	}
	for _, test := range []struct {
		others slog.Level
		areas  map[string]slog.Level
		want   string
	}{
		{slog.LevelError, nil, ""},
		{slog.LevelWarn, nil, "msg=w; msg=w area=redis; msg=w area=webhook more=1; msg=w g.area=redis"},
		{slog.LevelError, map[string]slog.Level{Redis: slog.LevelInfo}, "msg=i area=redis; msg=w area=redis"},
		{slog.LevelError, map[string]slog.Level{Webhook: slog.LevelDebug}, "msg=d area=webhook more=1; msg=i area=webhook more=1; msg=w area=webhook more=1"},
		{slog.LevelWarn, map[string]slog.Level{Redis: slog.LevelError, Webhook: slog.LevelError}, "msg=w; msg=w g.area=redis"},
	} {
		l.Set(test.others, test.areas)
		if got := write(); got != test.want {
			t.Errorf("%v %v: logged %s\nwant %s", test.others, test.areas, got, test.want)
		}
	}
}

func TestLevelsAreInfoAtFirst(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	log := With(newLog(NewLevels(), &b), Server)
	log.Debug("no")
	log.Info("yes")
	if got := b.String(); got != "msg=yes area=server\n" {
		t.Errorf("logged %s", got)
	}
}

// The levels can change while lines are written.
func TestLevelsAreConcurrent(t *testing.T) {
	t.Parallel()
	l := NewLevels()
	log := With(slog.New(l.Handler(slog.DiscardHandler)), Redis)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range 1000 {
			log.Info("x")
		}
	}()
	for range 1000 {
		l.Set(slog.LevelWarn, map[string]slog.Level{Redis: slog.LevelDebug})
	}
	<-done
}
