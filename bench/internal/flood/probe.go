package flood

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ignis-go/ignis/internal/herd"
)

const (
	// interval is the time between two messages of a client.
	interval = 100 * time.Millisecond
	// entryInterval is the time between two newcomers, which only connect and authenticate.
	entryInterval = 250 * time.Millisecond
	// lateness is the maximum time for connecting, for authenticating, and for the last
	// answers.
	lateness = 5 * time.Second
)

// Probe is a group of well-behaved clients. Each sends a message every 100 ms, whether or
// not the previous one was answered, because otherwise a server that stalls for a second
// would delay only one message instead of ten.
type Probe struct {
	server  Target
	entered atomic.Int64 // connections so far
	clients []*client
	windows map[string]*window
}

// window holds the measurements under one name.
type window struct {
	trips, late, entries herd.Histogram
	lost, failed         int64
}

// Sample summarizes a window.
type Sample struct {
	P50, P99, Max      time.Duration // of round trips
	Count              int64         // round trips, including lost ones
	Lost               int64         // messages without an answer
	Late               time.Duration // p99 of the delay with which the probe itself sent messages
	EntryP50, EntryMax time.Duration // of the time from dialing until authenticated
	EntryFailed        int64         // newcomers that could not connect or authenticate
	Closed             int64         // clients whose connections have ended so far
}

// Target is the server of a probe.
type Target struct {
	Addr   string
	Secret string // key of the tokens; if empty, the server requires none
	// Attacked is set if the server is configured for the public internet. The clients then
	// join rooms, and report addresses like a proxy that the server trusts. Each has its
	// own address.
	Attacked bool
	TLS      bool
	Closed   bool // nobody can authenticate during the flood, so there are no newcomers then
}

// NewProbe connects and authenticates n clients. If the server relays messages to the
// sender's own room, as in development mode, or is attacked, the probe measures the time
// until a message comes back. Otherwise the server relays nothing, so the probe measures
// the time until a second authentication is answered.
func NewProbe(t Target, n int) (*Probe, error) {
	p := &Probe{server: t, windows: make(map[string]*window)}
	for i := range n {
		conn, r, id, err := p.enter()
		if err == nil && t.Attacked {
			id = fmt.Sprint("probe-", i)
			_, err = conn.Write(appendFrame(nil, fin|opText, fmt.Appendf(nil, `{"event":"join","data":{"rooms":[%q]}}`, id)))
		}
		if err != nil {
			p.Close()
			return nil, fmt.Errorf("connecting the probe: %w", err)
		}
		c := &client{conn: conn, message: p.message(id), done: make(chan struct{})}
		p.clients = append(p.clients, c)
		go c.read(r)
	}
	return p, nil
}

// message returns the frame that a client sends whose messages are relayed to room.
func (p *Probe) message(room string) []byte {
	if p.server.Secret != "" && !p.server.Attacked {
		return p.credentials(0)
	}
	return appendFrame(nil, fin|opText, fmt.Appendf(nil, `{"event":"probe","data":{"room":%q,"text":"Is anybody there?"}}`, room))
}

// enter opens a connection, authenticates, and returns the client's ID.
func (p *Probe) enter() (net.Conn, *bufio.Reader, string, error) {
	n := p.entered.Add(1)
	headers := ""
	if p.server.Attacked {
		headers = forwardedFor(fmt.Sprintf("198.51.%d.%d", 100+n/250, 1+n%250))
	}
	conn, r, err := dial(p.server.Addr, handshake(p.server.Addr, headers), p.server.TLS, lateness)
	if err != nil {
		return nil, nil, "", err
	}
	id, err := p.authenticate(conn, r, p.credentials(n))
	if err != nil {
		_ = conn.Close()
		return nil, nil, "", err
	}
	return conn, r, id, nil
}

// credentials returns the message that authenticates the n-th connection. Each is of
// another user.
func (p *Probe) credentials(n int64) []byte {
	if p.server.Secret == "" {
		return authentication("probe")
	}
	return authentication(Token(p.server.Secret, fmt.Sprint("probe-", n)))
}

func (p *Probe) authenticate(conn net.Conn, r *bufio.Reader, message []byte) (string, error) {
	_ = conn.SetDeadline(time.Now().Add(lateness))
	if _, err := conn.Write(message); err != nil {
		return "", err
	}
	op, payload, err := readFrame(r, nil)
	if err == nil && op == opClose {
		err = fmt.Errorf("the server closed the connection: %.200q", payload)
	}
	if err != nil {
		return "", err
	}
	var m struct {
		Event string
		Data  struct{ ID string }
	}
	if err := json.Unmarshal(payload, &m); err != nil {
		return "", err
	}
	if m.Event != "connected" {
		return "", fmt.Errorf("expected the connected event, but the server sent %.200q", payload)
	}
	return m.Data.ID, conn.SetDeadline(time.Time{})
}

// Close closes all connections.
func (p *Probe) Close() {
	for _, c := range p.clients {
		_ = c.conn.Close()
		<-c.done
	}
}

// Calm is the name of the window without a flood.
const Calm = "calm"

// Run measures for d, adds the measurements to the named window, and returns a summary of
// that window.
func (p *Probe) Run(ctx context.Context, name string, d time.Duration) (Sample, error) {
	w := p.windows[name]
	if w == nil {
		w = new(window)
		p.windows[name] = w
	}
	var newcomers sync.WaitGroup
	var mu sync.Mutex
	began := time.Now()
	step := interval / time.Duration(len(p.clients))
	entry := began
	for i := 0; ; i++ {
		at := began.Add(time.Duration(i) * step)
		if at.Sub(began) >= d {
			break
		}
		if !sleepUntil(ctx, at) {
			return Sample{}, context.Cause(ctx)
		}
		w.late.Add(time.Since(at))
		p.clients[i%len(p.clients)].ask()
		if !at.Before(entry) && (!p.server.Closed || name == Calm) {
			entry = entry.Add(entryInterval)
			newcomers.Go(func() { p.newcomer(w, &mu) })
		}
	}
	p.settle(ctx)
	newcomers.Wait()
	s := Sample{
		Late: w.late.Quantile(0.99), EntryP50: w.entries.Quantile(0.5), EntryMax: w.entries.Max(), EntryFailed: w.failed,
	}
	for _, c := range p.clients {
		lost, closed := c.end(&w.trips)
		w.lost += int64(lost)
		if closed {
			s.Closed++
		}
	}
	s.P50, s.P99, s.Max = w.trips.Quantile(0.5), w.trips.Quantile(0.99), w.trips.Max()
	s.Count, s.Lost = w.trips.Count(), w.lost
	return s, context.Cause(ctx)
}

// newcomer measures the time for connecting and authenticating. For a failure, it records
// at least lateness.
func (p *Probe) newcomer(w *window, mu *sync.Mutex) {
	began := time.Now()
	conn, _, _, err := p.enter()
	took := time.Since(began)
	mu.Lock()
	defer mu.Unlock()
	if err != nil {
		w.failed++
		w.entries.Add(max(took, lateness))
		return
	}
	w.entries.Add(took)
	_ = conn.Close()
}

// settle waits until all messages are answered, but at most for lateness.
func (p *Probe) settle(ctx context.Context) {
	for end := time.Now().Add(lateness); time.Now().Before(end); {
		waiting := 0
		for _, c := range p.clients {
			waiting += c.waiting()
		}
		if waiting == 0 || !sleepUntil(ctx, time.Now().Add(5*time.Millisecond)) {
			return
		}
	}
}

// client is one client of a probe.
type client struct {
	conn    net.Conn
	message []byte
	done    chan struct{} // closed when read has returned

	mu     sync.Mutex
	asked  []time.Time // times of unanswered messages
	skip   int         // number of answers to ignore, because their messages were abandoned
	trips  []time.Duration
	closed bool
}

// ask sends the client's message.
func (c *client) ask() {
	c.mu.Lock()
	c.asked = append(c.asked, time.Now())
	c.mu.Unlock()
	_, _ = c.conn.Write(c.message) // the goroutine that reads detects errors
}

func (c *client) waiting() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return 0
	}
	return len(c.asked)
}

// end adds the client's measurements to sum. An unanswered message is counted with the
// time for which it has waited, but at least lateness, and is then abandoned.
func (c *client) end(sum *herd.Histogram) (lost int, closed bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, took := range c.trips {
		sum.Add(took)
	}
	for _, at := range c.asked {
		sum.Add(max(time.Since(at), lateness))
	}
	lost = len(c.asked)
	c.skip += lost
	c.asked, c.trips = nil, nil
	return lost, c.closed
}

// read reads the answers, which arrive in the order of the messages.
func (c *client) read(r *bufio.Reader) {
	defer close(c.done)
	var buf []byte
	for {
		op, payload, err := readFrame(r, buf)
		if err == nil && op == opClose {
			err = errors.New("closed by the server")
		}
		if err != nil {
			c.mu.Lock()
			c.closed = true
			c.mu.Unlock()
			return
		}
		buf = payload
		switch {
		case op == opPing:
			_, _ = c.conn.Write(appendFrame(nil, fin|opPong, payload))
		case op == opText && (bytes.Contains(payload, []byte(`"event":"probe"`)) || bytes.Contains(payload, []byte(`Already authenticated`))):
			c.answered(time.Now())
		}
	}
}

// answered counts an answer that arrived at the given time.
func (c *client) answered(at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.skip > 0:
		c.skip--
	case len(c.asked) > 0:
		c.trips = append(c.trips, at.Sub(c.asked[0]))
		c.asked = c.asked[1:]
	}
}
