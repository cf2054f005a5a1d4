package redisbus_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// fakeRedis speaks enough RESP3 for a bus, and gives the answers that a test wants.
type fakeRedis struct {
	l net.Listener

	mu      sync.Mutex
	answers map[string]string // by command, or command and first argument; "" for the usual answer
	subs    map[net.Conn]map[string]bool
	conns   map[net.Conn]bool
	hellos  int
}

func startFake(t *testing.T) *fakeRedis {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := &fakeRedis{
		l: l, answers: make(map[string]string),
		subs: make(map[net.Conn]map[string]bool), conns: make(map[net.Conn]bool),
	}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			f.mu.Lock()
			f.conns[conn] = true
			f.mu.Unlock()
			all.Go(func() { f.serve(conn) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		f.mu.Lock()
		for conn := range f.conns {
			conn.Close()
		}
		f.mu.Unlock()
		all.Wait()
	})
	return f
}

func (f *fakeRedis) addr() string { return f.l.Addr().String() }

// answer sets the answer to a command; what names it and may include the first
// argument.
func (f *fakeRedis) answer(what, reply string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.answers[strings.ToUpper(what)] = reply
}

// greeted returns the number of connections that were opened.
func (f *fakeRedis) greeted() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.hellos
}

// send writes to all connections that are subscribed, or to all others.
func (f *fakeRedis) send(subscribed bool, text string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for conn := range f.conns {
		if (f.subs[conn] != nil) == subscribed {
			_, _ = io.WriteString(conn, text)
		}
	}
}

func (f *fakeRedis) serve(conn net.Conn) {
	defer conn.Close()
	defer func() {
		f.mu.Lock()
		delete(f.conns, conn)
		delete(f.subs, conn)
		f.mu.Unlock()
	}()
	r := bufio.NewReader(conn)
	for {
		args, err := readCommand(r)
		if err != nil {
			return
		}
		f.mu.Lock()
		_, err = io.WriteString(conn, f.reply(conn, args))
		f.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// reply returns the answer to a command. The caller holds mu.
func (f *fakeRedis) reply(conn net.Conn, args []string) string {
	name := strings.ToUpper(args[0])
	for n := range 2 {
		if n == 1 && len(args) > 1 {
			name += " " + strings.ToUpper(args[1])
		}
		if set := f.answers[name]; set != "" {
			return set
		}
	}
	push := ">"
	if strings.HasPrefix(f.answers["HELLO"], "-") {
		push = "*" // RESP2
	}
	switch strings.ToUpper(args[0]) {
	case "HELLO":
		f.hellos++
		return "%3\r\n$6\r\nserver\r\n$5\r\nredis\r\n$5\r\nproto\r\n:3\r\n$4\r\nrole\r\n$6\r\nmaster\r\n"
	case "PING":
		return "+PONG\r\n"
	case "ROLE":
		return "*3\r\n$6\r\nmaster\r\n:0\r\n*0\r\n"
	case "CLUSTER":
		if strings.EqualFold(args[1], "slots") {
			return "*0\r\n"
		}
		line := "id 127.0.0.1:1@2 myself,master - 0 0 1 connected 0-16383\n"
		return fmt.Sprintf("$%d\r\n%s\r\n", len(line), line)
	case "SUBSCRIBE", "PSUBSCRIBE":
		if f.subs[conn] == nil {
			f.subs[conn] = make(map[string]bool)
		}
		var all strings.Builder
		for _, channel := range args[1:] {
			f.subs[conn][channel] = true
			kind := strings.ToLower(args[0])
			fmt.Fprintf(&all, "%s3\r\n$%d\r\n%s\r\n$%d\r\n%s\r\n:%d\r\n", push, len(kind), kind, len(channel), channel, len(f.subs[conn]))
		}
		return all.String()
	case "PUBLISH":
		for sub, channels := range f.subs {
			if channels[args[1]] {
				fmt.Fprintf(sub, "%s3\r\n$7\r\nmessage\r\n$%d\r\n%s\r\n$%d\r\n%s\r\n", push, len(args[1]), args[1], len(args[2]), args[2])
			}
		}
		return ":1\r\n"
	default:
		return "+OK\r\n"
	}
}

func readCommand(r *bufio.Reader) ([]string, error) {
	n, err := readLength(r, '*')
	if err != nil {
		return nil, err
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

func readLength(r *bufio.Reader, kind byte) (int, error) {
	line, err := r.ReadString('\n')
	if err != nil {
		return 0, err
	}
	if line[0] != kind {
		return 0, fmt.Errorf("read %q, want %c", line, kind)
	}
	return strconv.Atoi(strings.TrimSpace(line[1:]))
}
