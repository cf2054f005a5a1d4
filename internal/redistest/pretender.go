package redistest

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// Nonsense contains replies that have crashed processes that trusted Redis.
var Nonsense = []string{
	"+OK\r\n", ":1\r\n", "$-5\r\n", ">-5\r\n", "~-3\r\n", "*99999999999999\r\n", "%4611686018427387904\r\n",
	"$?\r\n;-5\r\n", "$80000000000\r\n",
	">3\r\n$9\r\nsubscribe\r\n$12\r\nws:broadcast\r\n:1\r\n>3\r\n$9\r\nsubscribe\r\n$12\r\nws:broadcast\r\n:1\r\n",
	"HTTP/1.1 400 Bad Request\r\n\r\n",
}

// Pretender is a fake server that acts as a Redis, as a Sentinel that reports itself as the
// master, and as a Cluster with a single node. A test can replace its replies. It delivers
// messages to subscribers of channels but not of patterns. Its methods are safe for concurrent
// use.
type Pretender struct {
	listener net.Listener
	wg       sync.WaitGroup

	mu       sync.Mutex
	answers  map[string]string            // by command, or by command and first argument
	conns    map[net.Conn]map[string]bool // channels and patterns by connection
	accepted int
}

// Pretend starts a Pretender that ends with the test.
func Pretend(t testing.TB) *Pretender {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &Pretender{listener: l, answers: make(map[string]string), conns: make(map[net.Conn]map[string]bool)}
	p.wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			p.mu.Lock()
			p.conns[conn] = make(map[string]bool)
			p.accepted++
			p.mu.Unlock()
			p.wg.Go(func() { p.serve(conn) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		p.Drop()
		p.wg.Wait()
	})
	return p
}

// Addr returns the host and port of the server.
func (p *Pretender) Addr() string { return p.listener.Addr().String() }

// URL returns the URL of the server.
func (p *Pretender) URL() string { return "redis://" + p.Addr() }

// Answer sets the reply to a command, such as "PUBLISH", or to a command with a certain first
// argument, such as "CLUSTER NODES". Case does not matter. An empty answer restores the default.
// While the reply to HELLO is an error, messages are delivered in the format of RESP2.
func (p *Pretender) Answer(command, answer string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.answers[strings.ToUpper(command)] = answer
}

// Reset restores the default replies to all commands.
func (p *Pretender) Reset() {
	p.mu.Lock()
	defer p.mu.Unlock()
	clear(p.answers)
}

// Accepted returns how many connections have been accepted so far.
func (p *Pretender) Accepted() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.accepted
}

// Send writes text to all connections with a subscription, or to all others.
func (p *Pretender) Send(subscribed bool, text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for conn, channels := range p.conns {
		if len(channels) > 0 == subscribed {
			_, _ = io.WriteString(conn, text)
		}
	}
}

// Drop closes all connections.
func (p *Pretender) Drop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for conn := range p.conns {
		_ = conn.Close()
	}
}

func (p *Pretender) serve(conn net.Conn) {
	defer func() {
		p.mu.Lock()
		delete(p.conns, conn)
		p.mu.Unlock()
		_ = conn.Close()
	}()
	r := bufio.NewReader(conn)
	for {
		args, err := readCommand(r)
		if err != nil {
			return
		}
		p.mu.Lock()
		_, err = io.WriteString(conn, p.reply(conn, args)) // while holding the lock, so that messages follow the reply
		p.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// reply returns the reply to a command. The caller holds mu.
func (p *Pretender) reply(conn net.Conn, args []string) string {
	name := strings.ToUpper(args[0])
	if answer := p.answers[name]; answer != "" {
		return answer
	}
	if len(args) > 1 {
		if answer := p.answers[name+" "+strings.ToUpper(args[1])]; answer != "" {
			return answer
		}
	}
	return p.pretended(conn, name, args)
}

// pretended returns the default reply to a command. The caller holds mu.
func (p *Pretender) pretended(conn net.Conn, name string, args []string) string {
	port := p.listener.Addr().(*net.TCPAddr).Port
	push := ">"
	if strings.HasPrefix(p.answers["HELLO"], "-") {
		push = "*" // RESP2
	}
	switch name {
	case "HELLO":
		return "%3\r\n+proto\r\n:3\r\n+version\r\n+7.2.0\r\n+role\r\n+master\r\n"
	case "PING":
		return "+PONG\r\n"
	case "PUBLISH":
		for sub, channels := range p.conns {
			if channels[args[1]] {
				_, _ = fmt.Fprintf(sub, "%s3\r\n$7\r\nmessage\r\n$%d\r\n%s\r\n$%d\r\n%s\r\n", push, len(args[1]), args[1], len(args[2]), args[2])
			}
		}
		return ":1\r\n"
	case "ROLE":
		return "*3\r\n$6\r\nmaster\r\n:0\r\n*0\r\n"
	case "SENTINEL":
		if strings.EqualFold(args[1], "GET-MASTER-ADDR-BY-NAME") {
			return fmt.Sprintf("*2\r\n$9\r\n127.0.0.1\r\n+%d\r\n", port)
		}
		return "*0\r\n"
	case "CLUSTER":
		if strings.EqualFold(args[1], "NODES") {
			line := fmt.Sprintf("id 127.0.0.1:%d@1 myself,master - 0 0 1 connected 0-16383\n", port)
			return fmt.Sprintf("$%d\r\n%s\r\n", len(line), line)
		}
		return fmt.Sprintf("*1\r\n*3\r\n:0\r\n:16383\r\n*2\r\n$9\r\n127.0.0.1\r\n:%d\r\n", port)
	case "SUBSCRIBE", "PSUBSCRIBE", "UNSUBSCRIBE":
		var b strings.Builder
		kind, channels := strings.ToLower(name), p.conns[conn]
		for _, channel := range args[1:] {
			if channels[channel] = true; name == "UNSUBSCRIBE" {
				delete(channels, channel)
			}
			fmt.Fprintf(&b, "%s3\r\n$%d\r\n%s\r\n$%d\r\n%s\r\n:%d\r\n", push, len(kind), kind, len(channel), channel, len(channels))
		}
		return b.String()
	case "ZREVRANGE":
		return "*0\r\n"
	case "EVALSHA", "EVAL": // the reply of claim.lua for an instant that was not claimed before
		if len(args) > 3 && strings.HasSuffix(args[3], ":commands") { // the reply of send.lua
			return ":0\r\n"
		}
		return fmt.Sprintf("*4\r\n:1\r\n:1\r\n:%d\r\n:0\r\n", time.Now().UnixMicro())
	}
	return "+OK\r\n"
}

func readCommand(r *bufio.Reader) ([]string, error) {
	n, err := readLength(r, '*')
	if err != nil {
		return nil, err
	}
	if n < 1 {
		return nil, fmt.Errorf("read a command of %d words", n)
	}
	args := make([]string, n)
	for i := range args {
		size, err := readLength(r, '$')
		if err != nil {
			return nil, err
		}
		b := make([]byte, size+2)
		if _, err := io.ReadFull(r, b); err != nil {
			return nil, err
		}
		args[i] = string(b[:size])
	}
	return args, nil
}

// maxLength is the maximum length in a command. It is more than any test sends.
const maxLength = 64 << 20

// readLength reads a line that consists of a character and a number, and returns the number.
func readLength(r *bufio.Reader, kind byte) (int, error) {
	line, err := r.ReadString('\n')
	if err != nil {
		return 0, err
	}
	if line[0] != kind {
		return 0, fmt.Errorf("read %q, want %c", line, kind)
	}
	n, err := strconv.Atoi(strings.TrimSpace(line[1:]))
	if err == nil && (n < 0 || n > maxLength) {
		err = fmt.Errorf("read %q, want at most %d", line, maxLength)
	}
	return n, err
}
