package main

import (
	"errors"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ignis-go/ignis/client"
	"github.com/ignis-go/ignis/internal/redistest"
	"github.com/ignis-go/ignis/wire"
)

// draining waits until the server is not ready, and checks that it says why.
func draining(t *testing.T, address string) {
	t.Helper()
	redistest.Wait(t, "the server to be unready", func() bool {
		code, _, body := get(t, "http://"+address+"/readyz")
		return code == http.StatusServiceUnavailable && strings.Contains(body, `"draining"`)
	})
	if code, _, _ := get(t, "http://"+address+"/healthz"); code != http.StatusOK {
		t.Errorf("/healthz answers %d", code)
	}
}

// On SIGTERM the server becomes unready, serves and accepts clients for --drain-delay, warns
// them, and closes them within --drain-window.
func TestDrainOnSIGTERM(t *testing.T) {
	t.Parallel()
	p, address := serve(t, nil, "--dev", "--log-level", "info", "--drain-delay", "3s", "--drain-window", "2s")
	a := dial(t, address, nil)
	p.signal(syscall.SIGTERM)
	draining(t, address)
	b := dial(t, address, nil)
	converse(t, a, b)
	for _, c := range []*client.Conn{a, b} {
		warned := false
		for {
			m, err := c.Receive(withTimeout(t))
			if err == nil {
				data, ok := wire.DecodeDraining(m.Data)
				warned = warned || m.Event == wire.EventDraining && ok && data.RetryAfter > 0
				continue
			}
			var closed *client.CloseError
			if !errors.As(err, &closed) || closed.Code != wire.CloseGoingAway || !warned {
				t.Errorf("a client, warned %v, got %v", warned, err)
			}
			break
		}
	}
	if code := p.wait(); code != 0 {
		t.Errorf("ended with exit code %d", code)
	}
	for _, want := range []string{"it is not ready, but still accepts", "closing clients", "server has shut down"} {
		p.logged(want)
	}
}

// A second signal, of any kind, ends a drain immediately.
func TestSecondSignalEndsDrain(t *testing.T) {
	t.Parallel()
	for _, second := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		p, address := serve(t, nil, "--dev", "--drain-delay", "1h")
		dial(t, address, nil)
		p.signal(syscall.SIGTERM)
		draining(t, address)
		p.signal(second)
		if code := p.wait(); code != exitSignal+int(second) {
			t.Errorf("%v: ended with exit code %d", second, code)
		}
	}
}

// SIGINT, as by Ctrl-C, ends the server without the delay and the window.
func TestInterruptDoesNotDrain(t *testing.T) {
	t.Parallel()
	p, address := serve(t, nil, "--dev", "--drain-delay", "1h", "--drain-window", "1h")
	c := dial(t, address, nil)
	p.signal(os.Interrupt)
	var closed *client.CloseError
	if m, err := c.Receive(withTimeout(t)); !errors.As(err, &closed) || closed.Code != wire.CloseGoingAway {
		t.Errorf("the client got %+v, %v", m, err)
	}
	if code := p.wait(); code != 0 {
		t.Errorf("ended with exit code %d", code)
	}
}

// A command over Redis drains the server that it names, which ends with status 0. The others
// continue.
func TestDrainByCommand(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t)
	var processes [2]*process
	var clients [2]*client.Conn
	var ids [2]string
	for i := range processes {
		p, address := serve(t, []string{"IGNIS_REDIS=" + redis.URL()}, "--dev", "--log-level", "info")
		_, rest, _ := strings.Cut(p.logged("server is ready"), "server=")
		processes[i], clients[i], ids[i] = p, dial(t, address, nil), strings.Fields(rest)[0]
	}
	redis.Do("PUBLISH", wire.ChannelCommands, string(wire.Drain{ServerID: ids[1]}.Encode("1").Text))
	if code := processes[1].wait(); code != 0 {
		t.Errorf("ended with exit code %d", code)
	}
	processes[1].logged("command to drain received")
	if _, err := clients[0].Request(withTimeout(t), wire.EventJoin, map[string][]string{"rooms": {"a"}}); err != nil {
		t.Errorf("the client of the other server: %v", err)
	}
}

// Clients of a running server are closed at the maximum age, also if it is set later.
func TestMaxConnectionAgeFlag(t *testing.T) {
	t.Parallel()
	p, address := serve(t, nil, "--dev", "--log-level", "info", "--max-connection-age", "2s")
	began := time.Now()
	c := dial(t, address, nil)
	var closed *client.CloseError
	var err error
	for err == nil {
		_, err = c.Receive(withTimeout(t))
	}
	if !errors.As(err, &closed) || closed.Code != wire.CloseGoingAway || closed.Reason != "Connection too old" {
		t.Errorf("the client got %v", err)
	}
	if since := time.Since(began); since < 1700*time.Millisecond {
		t.Errorf("closed after %v", since)
	}
	p.signal(syscall.SIGTERM)
	if code := p.wait(); code != 0 {
		t.Errorf("ended with exit code %d", code)
	}
}
