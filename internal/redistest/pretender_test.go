package redistest_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ignis-go/ignis/internal/redistest"
)

// caller is a client of a Pretender.
type caller struct {
	net.Conn
	t *testing.T
	r *bufio.Reader
}

func call(t *testing.T, p *redistest.Pretender) *caller {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(p.URL(), "redis://"))
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.SetDeadline(time.Now().Add(time.Minute)) // only a failing test reaches it
	t.Cleanup(func() { _ = conn.Close() })
	return &caller{conn, t, bufio.NewReader(conn)}
}

func (c *caller) send(args ...string) {
	c.t.Helper()
	text := fmt.Sprintf("*%d\r\n", len(args))
	for _, a := range args {
		text += fmt.Sprintf("$%d\r\n%s\r\n", len(a), a)
	}
	if _, err := io.WriteString(c, text); err != nil {
		c.t.Fatal(err)
	}
}

// expect reads a reply and compares it with want. In want, PORT stands for the server's port and
// TIME for any time in microseconds.
func (c *caller) expect(want string) {
	c.t.Helper()
	_, port, _ := net.SplitHostPort(c.RemoteAddr().String())
	want = strings.ReplaceAll(want, "PORT", port)
	got := make([]byte, len(strings.ReplaceAll(want, "TIME", "1700000000000000")))
	if _, err := io.ReadFull(c.r, got); err != nil {
		c.t.Fatal(err)
	}
	pattern := "^" + strings.ReplaceAll(regexp.QuoteMeta(want), "TIME", `\d{16}`) + "$"
	if !regexp.MustCompile(pattern).Match(got) {
		c.t.Fatalf("answered %q, want %q", got, want)
	}
}

// A Pretender answers like a Redis, a Sentinel and a Cluster.
func TestPretender(t *testing.T) {
	p := redistest.Pretend(t)
	c := call(t, p)
	for _, row := range [][2]string{
		{"HELLO 3", "%3\r\n+proto\r\n:3\r\n+version\r\n+7.2.0\r\n+role\r\n+master\r\n"},
		{"PING", "+PONG\r\n"},
		{"CLIENT SETNAME x", "+OK\r\n"},
		{"ROLE", "*3\r\n$6\r\nmaster\r\n:0\r\n*0\r\n"},
		{"SENTINEL get-master-addr-by-name mymaster", "*2\r\n$9\r\n127.0.0.1\r\n+PORT\r\n"},
		{"SENTINEL SENTINELS mymaster", "*0\r\n"},
		{"CLUSTER SLOTS", "*1\r\n*3\r\n:0\r\n:16383\r\n*2\r\n$9\r\n127.0.0.1\r\n:PORT\r\n"},
		{"cluster nodes", "$61\r\nid 127.0.0.1:PORT@1 myself,master - 0 0 1 connected 0-16383\n\r\n"},
		{"EVALSHA x 0", "*4\r\n:1\r\n:1\r\n:TIME\r\n:0\r\n"},
		{"EVAL x 0", "*4\r\n:1\r\n:1\r\n:TIME\r\n:0\r\n"},
		{"PUBLISH unsubscribed hello", ":1\r\n"},
		{"SUBSCRIBE a b", ">3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n>3\r\n$9\r\nsubscribe\r\n$1\r\nb\r\n:2\r\n"},
		{"PSUBSCRIBE c*", ">3\r\n$10\r\npsubscribe\r\n$2\r\nc*\r\n:3\r\n"},
		{"PUBLISH a hello", ">3\r\n$7\r\nmessage\r\n$1\r\na\r\n$5\r\nhello\r\n:1\r\n"}, // it receives its own message
		{"PUBLISH c hello", ":1\r\n"},
		{"UNSUBSCRIBE a", ">3\r\n$11\r\nunsubscribe\r\n$1\r\na\r\n:2\r\n"},
		{"PUBLISH a hello", ":1\r\n"},
	} {
		c.send(strings.Fields(row[0])...)
		c.expect(row[1])
	}
	other := call(t, p)
	other.send("PUBLISH", "b", "two\r\nlines")
	other.expect(":1\r\n")
	c.expect(">3\r\n$7\r\nmessage\r\n$1\r\nb\r\n$10\r\ntwo\r\nlines\r\n")
}

// A reply set with Answer applies only to its command, and to all connections.
func TestPretenderAnswers(t *testing.T) {
	p := redistest.Pretend(t)
	c, other := call(t, p), call(t, p)
	p.Answer("PING", "nonsense")
	for _, c := range []*caller{c, other} {
		c.send("PING")
		c.send("TIME")
		c.expect("nonsense+OK\r\n")
	}
	p.Answer("cluster nodes", "-ERR no\r\n")
	c.send("CLUSTER", "NODES")
	c.send("PING")
	c.expect("-ERR no\r\nnonsense")
	p.Answer("ping", "")
	c.send("PING")
	c.send("cluster", "nodes")
	c.expect("+PONG\r\n-ERR no\r\n")
	p.Answer("HELLO", "-ERR unknown command\r\n") // RESP2
	c.send("HELLO", "3")
	c.send("SUBSCRIBE", "a")
	c.expect("-ERR unknown command\r\n*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n")
	other.send("PUBLISH", "a", "hello")
	other.expect(":1\r\n")
	c.expect("*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$5\r\nhello\r\n")
	p.Reset()
	c.send("HELLO", "3")
	c.send("CLUSTER", "NODES")
	c.expect("%3\r\n+proto\r\n:3\r\n+version\r\n+7.2.0\r\n+role\r\n+master\r\n$61\r\nid ")
}

// Send writes either to subscribed connections or to all others, and Accepted counts both.
func TestPretenderSends(t *testing.T) {
	p := redistest.Pretend(t)
	c, other := call(t, p), call(t, p)
	c.send("SUBSCRIBE", "a")
	c.expect(">3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n")
	other.send("PING")
	other.expect("+PONG\r\n")
	p.Send(true, "to c")
	p.Send(false, "to the other")
	c.expect("to c")
	other.expect("to the other")
	if n := p.Accepted(); n != 2 {
		t.Errorf("%d connections, want 2", n)
	}
	p.Drop()
	for _, c := range []*caller{c, other} {
		if b, err := io.ReadAll(c.r); len(b) > 0 || err != nil {
			t.Errorf("after Drop: %q, %v", b, err)
		}
	}
	again := call(t, p)
	again.send("PING")
	again.expect("+PONG\r\n")
}

// The connection of a client that does not send valid commands is closed.
func TestPretenderHangsUp(t *testing.T) {
	p := redistest.Pretend(t)
	for _, nonsense := range []string{"PING\r\n", "*1\r\nx\r\n", "*x\r\n", "*0\r\n", "*-1\r\n", "*999999999\r\n", "*1\r\n$-3\r\n", "*1\r\n$999999999\r\n", "*1\r\n$4\r\nPI", "*1\r\n", ""} {
		c := call(t, p)
		if _, err := io.WriteString(c, nonsense); err != nil {
			t.Fatal(err)
		}
		_ = c.Conn.(*net.TCPConn).CloseWrite() // so that the server does not wait for more
		if b, err := io.ReadAll(c.r); len(b) > 0 || err != nil && !errors.Is(err, net.ErrClosed) {
			t.Errorf("%q: answered %q, %v", nonsense, b, err)
		}
	}
}

// A Pretender and its connections end with the test.
func TestPretenderEnds(t *testing.T) {
	var c *caller
	t.Run("test", func(inner *testing.T) {
		p := redistest.Pretend(inner)
		c = call(t, p)
		c.send("PING")
		c.expect("+PONG\r\n")
	})
	if b, err := io.ReadAll(c.r); len(b) > 0 || err != nil {
		t.Errorf("after the test: %q, %v", b, err)
	}
	if conn, err := net.Dial("tcp", c.RemoteAddr().String()); err == nil {
		_ = conn.Close()
		t.Error("the port is still open")
	}
}

func TestPretenderFromAnyGoroutine(t *testing.T) {
	p := redistest.Pretend(t)
	var all sync.WaitGroup
	for range 4 {
		c := call(t, p)
		all.Go(func() {
			for range 200 {
				p.Answer("PING", "+PONG\r\n")
				c.send("PING")
				c.send("PUBLISH", "a", "b")
				c.expect("+PONG\r\n:1\r\n")
			}
		})
	}
	all.Wait()
	p.Drop()
}
