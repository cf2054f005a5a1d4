package redistest

import (
	"io"
	"net"
	"slices"
	"strconv"
	"sync"
	"testing"
)

// Partition is a Cluster whose nodes communicate through proxies, so that a test can cut the
// connection between any two nodes. Clients can reach all nodes.
type Partition struct {
	*Cluster

	mu    sync.Mutex
	ids   map[*Server]string
	cut   map[[2]string]bool // keyed by two ids in ascending order
	links map[*busLink]bool
	wg    sync.WaitGroup
}

// busLink is a connection of one node to another.
type busLink struct {
	between [2]string // ids in ascending order
	ends    []net.Conn
}

// StartPartition starts a Cluster of three masters that can be cut apart.
func StartPartition(t testing.TB) *Partition {
	t.Helper()
	p := &Partition{Cluster: &Cluster{}, ids: make(map[*Server]string), cut: make(map[[2]string]bool), links: make(map[*busLink]bool)}
	var listeners []net.Listener
	t.Cleanup(func() {
		for _, l := range listeners {
			_ = l.Close()
		}
		p.hangUp(func(*busLink) bool { return true })
		p.wg.Wait()
	})
	for range 3 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		listeners = append(listeners, l)
		port := strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
		// The timeout is long, so that a busy machine does not look like a cut.
		s := startNode(t, "--cluster-announce-bus-port", port, "--cluster-node-timeout", "5000")
		p.Nodes = append(p.Nodes, s)
		id := s.Do("cluster", "myid")
		p.mu.Lock()
		p.ids[s] = id
		p.mu.Unlock()
		p.wg.Go(func() { p.accept(l, s) })
	}
	p.create(t)
	return p
}

// Cut makes the proxies discard everything that the two nodes send each other.
func (p *Partition) Cut(a, b *Server) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cut[pair(p.ids[a], p.ids[b])] = true
}

// Heal lets all nodes reach each other again.
func (p *Partition) Heal() {
	p.mu.Lock()
	healed := p.cut
	p.cut = make(map[[2]string]bool)
	p.mu.Unlock()
	// Close these connections, because data is missing in their streams.
	p.hangUp(func(l *busLink) bool { return healed[l.between] })
}

// hangUp closes the connections that satisfy which.
func (p *Partition) hangUp(which func(*busLink) bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for l := range p.links {
		if which(l) {
			for _, end := range l.ends {
				_ = end.Close()
			}
		}
	}
}

func pair(a, b string) [2]string { return [2]string{min(a, b), max(a, b)} }

func (p *Partition) accept(l net.Listener, to *Server) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		p.wg.Go(func() { p.serve(conn, to) })
	}
}

// serve forwards a connection to a node. The header of the first message contains the id of
// the other node.
func (p *Partition) serve(conn net.Conn, to *Server) {
	defer conn.Close()
	const name, size = 40, 80 // where the id starts and ends in the header
	l := &busLink{ends: []net.Conn{conn}}
	p.mu.Lock()
	p.links[l] = true
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		delete(p.links, l)
		p.mu.Unlock()
	}()
	header := make([]byte, size)
	if _, err := io.ReadFull(conn, header); err != nil {
		return
	}
	back, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(to.port+busOffset)))
	if err != nil {
		return
	}
	defer back.Close()
	p.mu.Lock()
	l.ends, l.between = append(l.ends, back), pair(string(header[name:]), p.ids[to])
	p.mu.Unlock()
	var both sync.WaitGroup
	both.Go(func() { p.forward(l, back, conn, header) })
	both.Go(func() { p.forward(l, conn, back, nil) })
	both.Wait()
}

// forward copies data between connections, starting with first. It discards data while the
// nodes are cut apart.
func (p *Partition) forward(l *busLink, to, from net.Conn, first []byte) {
	defer to.Close()
	defer from.Close()
	buf := slices.Grow(first, 32<<10)
	for n := len(first); ; {
		p.mu.Lock()
		lost := p.cut[l.between]
		p.mu.Unlock()
		if !lost {
			if _, err := to.Write(buf[:n]); err != nil {
				return
			}
		}
		var err error
		if n, err = from.Read(buf[:cap(buf)]); err != nil {
			return
		}
	}
}
