package redisbus_test

import (
	"context"
	"log/slog"
	"regexp"
	"sync"
	"testing"

	"github.com/ignis-go/ignis/internal/logtest"
	"github.com/ignis-go/ignis/internal/redistest"
	"github.com/ignis-go/ignis/redisbus"
)

// A bus logs these lines, with these attributes.
func TestLogLines(t *testing.T) {
	r := redistest.Start(t)
	allow := func() {
		r.Do("acl", "setuser", "app", "on", ">secret", "+@all", "resetchannels",
			"&ws:broadcast", "&ws:room:*", "&ws:client:*", "&ws:user:*")
	}
	allow()
	hold := make(chan struct{})
	release := sync.OnceFunc(func() { close(hold) })
	c := impatient("redis://app:secret@" + r.Addr())
	c.Name, c.QueueMessages = "bus", 4
	n := run(t, c, func([]byte) { <-hold })
	defer release()

	// Redis refuses two envelopes.
	for range 2 {
		if err := n.Publish("elsewhere", []byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	redistest.Wait(t, "Redis to refuse", func() bool { return n.Stats().LostRefused == 2 })
	// One envelope is in receive, three wait, and the others are dropped.
	for range 8 {
		r.Do("publish", "ws:room:r", "x")
	}
	redistest.Wait(t, "envelopes to be dropped", func() bool { return n.Stats().Dropped == 4 })
	release()
	redistest.Wait(t, "the others to be received", func() bool { return n.Stats().Received == 4 })
	n.publish("accepted again")
	n.healthy()
	// The connection is lost while two envelopes wait.
	r.Pause()
	n.publish("a")
	n.publish("b")
	r.Kill()
	n.down()

	r.Restart()
	allow()
	n.healthy()
	for _, line := range []string{
		`level=ERROR msg="redis refuses envelopes; they are lost" name=bus redis=` + r.Addr() + ` lost=[12] error="NOPERM .*"`,
		`level=ERROR msg="envelopes from redis are dropped: receive does not keep up" name=bus redis=` + r.Addr(),
		`level=INFO msg="receive keeps up again" name=bus redis=` + r.Addr() + ` dropped=4`,
		`level=WARN msg="redis connection lost; other instances are not reached until it is back" name=bus redis=` + r.Addr() + ` error=.+`,
		`level=INFO msg="redis connection restored" name=bus redis=` + r.Addr() + ` after=[0-9.]+m?s lost=[2-4] missed=unknown missed_for=[0-9.]+m?s`,
	} {
		if !regexp.MustCompile(line).MatchString(n.log.String()) {
			t.Errorf("the log does not match %s", line)
		}
	}
	if t.Failed() {
		t.Log(n.log)
	}
}

// Failed attempts to connect are logged with the cause.
func TestLogLinesOfFailedAttempts(t *testing.T) {
	r := redistest.Start(t)
	var log logtest.Log
	c := impatient(r.URL())
	c.Name, c.Logger = "bus", slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelWarn}))
	bus, err := redisbus.New(c)
	if err != nil {
		t.Fatal(err)
	}
	r.Kill()
	ready, done := make(chan struct{}), make(chan error, 1)
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	defer func() { stop(); <-done }()
	go func() { done <- bus.Run(ctx, func() { close(ready) }, func(...[]byte) {}) }()
	said := func(msg string) func() bool {
		line := regexp.MustCompile(`level=WARN msg="` + msg + `" name=bus redis="redis at ` + r.Addr() + `" error=.+`)
		return func() bool { return line.MatchString(log.String()) }
	}
	redistest.Wait(t, "a failed start", said("redis is not ready"))
	r.Restart()
	<-ready
	r.Kill()
	redistest.Wait(t, "a failed attempt to reconnect", said("redis is not back"))
}
