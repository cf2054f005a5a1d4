package redisbus_test

import (
	"bufio"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

// proxy forwards connections to a Redis. A test can change the backend of new and of existing
// connections.
type proxy struct {
	l net.Listener

	mu    sync.Mutex
	to    string
	conns map[*proxied]bool
}

// proxied is a connection through a proxy. Its backend may change.
type proxied struct {
	client net.Conn
	mu     sync.Mutex
	back   net.Conn
	busy   time.Time // when something last went through
}

// quiet is how long nothing goes through a connection before its backend changes: a
// request without its answer would be noticed as such, and not as a dead subscription.
const quiet = 50 * time.Millisecond

func startProxy(t *testing.T, to string) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{l: l, to: to, conns: make(map[*proxied]bool)}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			p.mu.Lock()
			back, err := net.Dial("tcp", p.to)
			if err != nil {
				client.Close()
				p.mu.Unlock()
				continue
			}
			c := &proxied{client: client, back: back}
			p.conns[c] = true
			p.mu.Unlock()
			all.Go(c.forward)
			all.Go(func() { c.backward(back) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		p.mu.Lock()
		for c := range p.conns {
			c.client.Close()
			c.backend().Close()
		}
		p.mu.Unlock()
		all.Wait()
	})
	return p
}

func (p *proxy) addr() string { return p.l.Addr().String() }

// lead directs new connections elsewhere.
func (p *proxy) lead(to string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.to = to
}

// swap directs all connections elsewhere, including existing ones, whose state,
// subscriptions included, is lost.
func (p *proxy) swap(t *testing.T, to string) {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.to = to
	for c := range p.conns {
		c.lockQuiet()
		back, err := net.Dial("tcp", to)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(back, "HELLO 3\r\nECHO marker\r\n")
		r := bufio.NewReader(back)
		for {
			line, err := r.ReadString('\n')
			if err != nil {
				t.Fatal(err)
			}
			if strings.HasPrefix(line, "marker") {
				break
			}
		}
		old := c.back
		c.back = back
		c.mu.Unlock()
		old.Close()
		go c.backward(back) // ends with back
	}
}

// lockQuiet locks c when nothing has gone through it for a while.
func (c *proxied) lockQuiet() {
	for {
		c.mu.Lock()
		wait := quiet - time.Since(c.busy)
		if wait <= 0 {
			return
		}
		c.mu.Unlock()
		time.Sleep(wait)
	}
}

func (c *proxied) backend() net.Conn {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.back
}

func (c *proxied) forward() {
	buf := make([]byte, 32<<10)
	for {
		n, err := c.client.Read(buf)
		if err != nil {
			c.backend().Close()
			return
		}
		c.mu.Lock()
		_, err = c.back.Write(buf[:n])
		c.busy = time.Now()
		c.mu.Unlock()
		if err != nil {
			c.client.Close()
			return
		}
	}
}

func (c *proxied) backward(back net.Conn) {
	_, _ = io.Copy(backwards{c}, back)
	if c.backend() == back {
		c.client.Close()
	}
}

// backwards is the way from the backend to the client.
type backwards struct{ c *proxied }

func (b backwards) Write(p []byte) (int, error) {
	b.c.mu.Lock()
	b.c.busy = time.Now()
	b.c.mu.Unlock()
	return b.c.client.Write(p)
}
