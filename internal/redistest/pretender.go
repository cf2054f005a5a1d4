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

// Nonsense contains replies that have crashed processes that trusted the replies of Redis.
var Nonsense = []string{
	"+OK\r\n", ":1\r\n", "$-5\r\n", ">-5\r\n", "~-3\r\n", "*99999999999999\r\n", "%4611686018427387904\r\n",
	"$?\r\n;-5\r\n", "$80000000000\r\n",
	">3\r\n$9\r\nsubscribe\r\n$12\r\nws:broadcast\r\n:1\r\n>3\r\n$9\r\nsubscribe\r\n$12\r\nws:broadcast\r\n:1\r\n",
	"HTTP/1.1 400 Bad Request\r\n\r\n",
}

// Pretender is a fake server that acts as a Redis, as a Sentinel whose master is itself, and as a
// Cluster with a single node, until it is told what to answer instead. It delivers messages to
// channels but not to patterns. Its methods are safe for concurrent use.
type Pretender struct {
	listener net.Listener
	wg       sync.WaitGroup

	mu      sync.Mutex
	command string
	answer  string
	conns   map[net.Conn]map[string]bool // channels by connection
}

// Pretend starts a Pretender that ends with the test.
func Pretend(t testing.TB) *Pretender {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &Pretender{listener: l, conns: make(map[net.Conn]map[string]bool)}
	p.wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			p.mu.Lock()
			p.conns[conn] = make(map[string]bool)
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

// URL returns the URL of the server.
func (p *Pretender) URL() string { return "redis://" + p.listener.Addr().String() }

// Answer sets the answer to a command, whose name must be in upper case. An empty name restores the
// default answers.
func (p *Pretender) Answer(command, answer string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.command, p.answer = command, answer
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
	for subscriptions := 0; ; {
		args, err := readCommand(r)
		if err != nil {
			return
		}
		p.mu.Lock()
		answer := p.answer
		if p.command != args[0] {
			answer = p.pretended(conn, args, &subscriptions)
		}
		p.mu.Unlock()
		if _, err := io.WriteString(conn, answer); err != nil {
			return
		}
	}
}

// pretended returns the answer that Redis would give. The caller holds mu.
func (p *Pretender) pretended(conn net.Conn, args []string, subscriptions *int) string {
	port := p.listener.Addr().(*net.TCPAddr).Port
	switch args[0] {
	case "HELLO":
		return "%2\r\n+proto\r\n:3\r\n+version\r\n+7.2.0\r\n"
	case "PING":
		return "+PONG\r\n"
	case "PUBLISH":
		for sub, channels := range p.conns {
			if channels[args[1]] {
				_, _ = fmt.Fprintf(sub, ">3\r\n$7\r\nmessage\r\n$%d\r\n%s\r\n$%d\r\n%s\r\n", len(args[1]), args[1], len(args[2]), args[2])
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
		return fmt.Sprintf("*1\r\n*3\r\n:0\r\n:16383\r\n*2\r\n$9\r\n127.0.0.1\r\n:%d\r\n", port)
	case "SUBSCRIBE", "PSUBSCRIBE", "UNSUBSCRIBE":
		var b strings.Builder
		for _, name := range args[1:] {
			*subscriptions++
			p.conns[conn][name] = true
			kind := strings.ToLower(args[0])
			fmt.Fprintf(&b, ">3\r\n$%d\r\n%s\r\n$%d\r\n%s\r\n:%d\r\n", len(kind), kind, len(name), name, *subscriptions)
		}
		return b.String()
	case "EVALSHA", "EVAL": // the answer of claim.lua for an instant that was not claimed before
		return fmt.Sprintf("*4\r\n:1\r\n:1\r\n:%d\r\n:0\r\n", time.Now().UnixMicro())
	}
	return "+OK\r\n"
}

func readCommand(r *bufio.Reader) ([]string, error) {
	n, err := readHeader(r)
	if err != nil {
		return nil, err
	}
	args := make([]string, n)
	for i := range args {
		size, err := readHeader(r)
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

// readHeader reads a line that consists of a character and a number, and returns the number.
func readHeader(r *bufio.Reader) (int, error) {
	line, err := r.ReadString('\n')
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimSpace(line[1:]))
}
