package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"github.com/ignis-go/ignis/internal/longtest"
	"github.com/ignis-go/ignis/internal/testprog"
)

// setting returns the number in an environment variable, or its default.
func setting(t *testing.T, name string, byDefault int) int {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return byDefault
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}

// Clients that stop reading and a flood of messages to them do not make the server exceed its
// memory budget, including what the kernel buffers. Clients that read get everything.
//
// scripts/memory.sh runs this with 3,000 clients and a budget of 1 GiB.
func TestMemoryBudget(t *testing.T) {
	longtest.Mark(t)
	var (
		budget   = setting(t, "TEST_MEMORY_MIB", 128)
		stopped  = setting(t, "TEST_MEMORY_STOPPED", 300)
		messages = setting(t, "TEST_MEMORY_MESSAGES", 150)
	)
	const good, size, window = 5, 60 << 10, 4
	p, address := serve(t, []string{fmt.Sprintf("GOMEMLIMIT=%dMiB", budget)},
		"--dev", "--message-rate", "off", "--byte-rate", "off", "--slow-clients", "drop-newest")

	var received [good]atomic.Int64
	var readers sync.WaitGroup
	for i := range good {
		c := dial(t, address, map[string]string{"userId": "good"})
		if _, err := c.Join(withTimeout(t), "flood"); err != nil {
			t.Fatal(err)
		}
		readers.Go(func() {
			for want := int64(0); want < int64(messages); {
				m, err := c.Receive(withTimeout(t))
				var data struct{ N int64 }
				if err != nil || m.Decode(&data) != nil || data.N != want {
					t.Errorf("reader %d received %.100s, %v; want message %d", i, m.Data, err, want)
					return
				}
				want++
				received[i].Store(want)
			}
		})
	}
	for range stopped {
		stopReading(t, address)
	}

	watch := watchMemory(t, p.cmd.Process.Pid, address)
	sender := dial(t, address, map[string]string{"userId": "sender"})
	if _, err := sender.Join(withTimeout(t), "flood"); err != nil {
		t.Fatal(err)
	}
	go func() { // the sender is in the room, too
		for {
			if _, err := sender.Receive(context.Background()); err != nil {
				return
			}
		}
	}()
	padding := strings.Repeat("x", size)
	for n := range messages {
		data := map[string]any{"room": "flood", "n": n, "p": padding}
		if err := sender.Send(withTimeout(t), "x", data); err != nil {
			t.Fatal(err)
		}
		for i := range received {
			until(t, "the readers", func() bool { return t.Failed() || received[i].Load() > int64(n-window) })
		}
	}
	readers.Wait()
	peak, sockets := watch()
	t.Logf("budget %d MiB, %d clients that do not read: the process used up to %d MiB, and up to %d MiB with its sockets",
		budget, stopped, peak>>20, sockets>>20)
	if !testprog.Race && sockets >= int64(budget)<<20 {
		t.Errorf("the process exceeded its budget of %d MiB", budget)
	}
	p.logged("client cut off: the memory budget is nearly used up")
	until(t, "new connections", func() bool { return handshake(t, "http://"+address+"/ws", upgrade...) == http.StatusSwitchingProtocols })
}

// stopReading connects a client that joins the room flood and reads nothing.
func stopReading(t *testing.T, address string) {
	t.Helper()
	conn, early, _, err := ws.Dialer{NetDial: func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := new(net.Dialer).DialContext(ctx, network, addr)
		if err == nil {
			err = c.(*net.TCPConn).SetReadBuffer(4 << 10)
		}
		return c, err
	}}.Dial(withTimeout(t), "ws://"+address+"/ws")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	send := func(text string) {
		t.Helper()
		if _, err := conn.Write(ws.MustCompileFrame(ws.MaskFrame(ws.NewTextFrame([]byte(text))))); err != nil {
			t.Fatal(err)
		}
	}
	send(`{"event":"authenticate","data":{"userId":"slow","protocol":2}}`)
	send(`{"event":"join","data":{"rooms":["flood"]},"id":"1"}`)
	if early == nil {
		early = bufio.NewReader(conn)
	}
	for answered := false; !answered; {
		h, err := ws.ReadHeader(early)
		if err != nil {
			t.Fatal(err)
		}
		b := make([]byte, h.Length)
		var m struct{ Event string }
		if _, err := io.ReadFull(early, b); err != nil || json.Unmarshal(b, &m) != nil {
			t.Fatalf("received %q, %v", b, err)
		}
		answered = m.Event == "ack"
	}
}

// watchMemory measures the memory of a process and what the kernel has buffered for its
// connections. The returned function stops it and returns the peak of the former, and of the
// sum, in bytes.
func watchMemory(t *testing.T, pid int, address string) (stop func() (process, sum int64)) {
	_, port, _ := net.SplitHostPort(address)
	n, _ := strconv.Atoi(port)
	local := fmt.Sprintf(":%04X", n)
	quit, done := make(chan struct{}), make(chan struct{})
	var process, sum int64
	go func() {
		defer close(done)
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-quit:
				return
			case <-tick.C:
			}
			rss := residentSize(pid)
			process, sum = max(process, rss), max(sum, rss+buffered(local))
		}
	}()
	var once sync.Once
	end := func() { once.Do(func() { close(quit) }); <-done }
	t.Cleanup(end)
	return func() (int64, int64) { end(); return process, sum }
}

// residentSize returns the resident size of a process in bytes.
func residentSize(pid int) int64 {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	fields := strings.Fields(string(text))
	if len(fields) < 2 {
		return 0
	}
	pages, _ := strconv.ParseInt(fields[1], 10, 64)
	return pages * int64(os.Getpagesize())
}

// buffered returns the number of bytes that wait in the send buffers of the sockets with a
// local port.
func buffered(port string) (sum int64) {
	text, _ := os.ReadFile("/proc/net/tcp")
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if len(fields) < 5 || !strings.HasSuffix(fields[1], port) || fields[3] == "0A" {
			continue
		}
		queue, _, _ := strings.Cut(fields[4], ":")
		n, _ := strconv.ParseInt(queue, 16, 64)
		sum += n
	}
	return sum
}
