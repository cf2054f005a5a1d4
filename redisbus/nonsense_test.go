package redisbus_test

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/ignis-go/ignis/internal/longtest"
	"github.com/ignis-go/ignis/internal/redistest"
	"github.com/ignis-go/ignis/redisbus"
)

// valid reports whether answer, which is invalid for other commands, is valid for command.
func valid(command, answer string) bool {
	switch answer {
	case "+OK\r\n":
		return command == "PING" || command == "CLIENT"
	case ":1\r\n":
		return command == "PUBLISH" || command == "CLIENT"
	}
	return false
}

// TestNonsenseFromRedis checks that, whatever a server replies to any command of the bus, the
// connection is closed and the reason reported, nothing panics, memory is limited, and the bus
// reconnects.
func TestNonsenseFromRedis(t *testing.T) {
	longtest.Mark(t)
	type liar struct {
		*node
		server          *redistest.Pretender
		command, answer string
	}
	var liars []liar
	var ready []chan struct{}
	for _, command := range []string{"HELLO", "CLIENT", "SUBSCRIBE", "PSUBSCRIBE", "PING", "PUBLISH"} {
		for _, answer := range redistest.Nonsense {
			if valid(command, answer) {
				continue
			}
			server := redistest.Pretend(t)
			n, up := launch(t, impatient(server.URL()), nil)
			liars = append(liars, liar{n, server, command, answer})
			ready = append(ready, up)
		}
	}
	for i, l := range liars {
		l.await(ready[i])
		l.server.Answer(l.command, l.answer)
		switch l.command {
		case "PING": // soon sent on both connections
		case "PUBLISH":
			l.publish("x")
		default: // sent on a new connection
			l.server.Drop()
		}
	}
	for _, l := range liars {
		what := fmt.Sprintf("the bus to report %.30q as a reply to %s", l.answer, l.command)
		redistest.Wait(t, what, func() bool {
			err := l.Health()
			return errors.Is(err, redisbus.ErrUnavailable) && strings.Contains(err.Error(), "redis: ") ||
				l.command == "PUBLISH" && l.Stats().Garbled > 0 // it has reconnected already
		})
		l.server.Reset()
	}
	for _, l := range liars {
		l.healthy()
		if l.Stats().Garbled == 0 {
			t.Errorf("%.30q to %s has not been counted: %+v", l.answer, l.command, l.Stats())
		}
		if l.log.Count("use of closed") > 0 {
			t.Errorf("%.30q to %s: the log hides the reason:\n%s", l.answer, l.command, l.log)
		}
		if running := l.command == "PING" || l.command == "PUBLISH"; running && l.log.Count(": redis: ") == 0 {
			t.Errorf("%.30q to %s: the log does not contain the reason:\n%s", l.answer, l.command, l.log)
		}
	}
	var m runtime.MemStats
	if runtime.ReadMemStats(&m); m.HeapSys > 1<<30 {
		t.Errorf("the heap has %d bytes", m.HeapSys)
	}
}

// TestNonsenseAtStart checks that the error of Run contains the reason.
func TestNonsenseAtStart(t *testing.T) {
	server := redistest.Pretend(t)
	server.Answer("SUBSCRIBE", "+OK\r\n")
	const want = `: redis: unexpected reply to SUBSCRIBE: +"OK"`
	err := failToStart(t, impatient(server.URL()), want)
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("Run = %v", err)
	}
}

func TestNonsenseForPublisher(t *testing.T) {
	for _, answer := range redistest.Nonsense {
		if valid("PUBLISH", answer) {
			continue
		}
		server := redistest.Pretend(t)
		p := dial(t, impatient(server.URL()))
		server.Answer("PUBLISH", answer)
		errs := p.Publish(t.Context(), numbered(0, 2)...)
		if errs == nil || !errors.Is(errs[0], redisbus.ErrUnavailable) || !strings.Contains(errs[0].Error(), ": redis: ") {
			t.Errorf("%.30q to PUBLISH: %v", answer, errs)
		}
		server.Reset()
		if errs := p.Publish(t.Context(), numbered(0, 2)...); errs != nil {
			t.Errorf("after %.30q to PUBLISH: %v", answer, errs)
		}
	}
}

// TestMaxIncoming checks that a message within the limit arrives, and that a larger one closes
// the connection.
func TestMaxIncoming(t *testing.T) {
	t.Parallel()
	r := redistest.Start(t)
	c := impatient(r.URL())
	c.MaxIncoming = 100 << 10
	n := run(t, c, nil)
	free := run(t, impatient(r.URL()), nil)
	large := strings.Repeat("x", 99<<10)
	free.publish(large)
	if got := n.next(); got != large {
		t.Errorf("received %d bytes, want %d", len(got), len(large))
	}
	free.publish(large + large)
	redistest.Wait(t, "the message to be rejected", func() bool { return n.Stats().Garbled == 1 })
	n.healthy()
	if n.log.Count("larger than the limit of 102400 bytes") == 0 {
		t.Error(n.log)
	}
	exchange(t, "after it", free, n)
}
