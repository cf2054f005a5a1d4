package ignis

import (
	"encoding/json"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ignis-go/ignis/internal/inbox"
	"github.com/ignis-go/ignis/internal/registry"
	"github.com/ignis-go/ignis/internal/ws"
	"github.com/ignis-go/ignis/wire"
)

// client is the server's side of one connection. There are many, nearly all of them
// authenticated and idle: what those do not need hangs on a pointer that they leave nil.
type client struct {
	server *Server
	member registry.Member[*client] // its place in the indexes
	conn   *ws.Conn
	inbox  inbox.Inbox[job, *client] // its callbacks, in order

	lastActivity atomic.Int64 // the server's uptime at the last message, in nanoseconds

	mu       sync.Mutex
	state    State
	entry    *entry   // nil when authenticated
	identity *Client  // set when authenticated
	session  *Session // set when encrypted
}

// entry is what is kept of a client until it is authenticated.
type entry struct {
	remote      string // the peer's network address
	connectedAt time.Time
	timer       *time.Timer // of authentication; nil when it has fired or been stopped
	mistakes    int
}

// serve begins the life of a connection: it is registered here, and unregistered
// by Ended, and nowhere else.
func (s *Server) serve(nc net.Conn, early []byte, window uint8) {
	e := &entry{connectedAt: time.Now()}
	if a := nc.RemoteAddr(); a != nil {
		e.remote = a.String()
	}
	c := &client{server: s, entry: e}
	c.inbox.Init(c)
	c.conn = ws.NewConn(nc, window, &s.opts)
	c.lastActivity.Store(s.uptime())
	c.member.Value = c
	c.member.ID = newClientID()
	for !s.reg.Add(&c.member) {
		c.member = registry.Member[*client]{ID: newClientID(), Value: c}
	}
	s.counts.connections.Add(1)
	if !c.conn.Polled() {
		s.counts.plain.Add(1)
	}
	if s.debugging() {
		s.cfg.Logger.Debug("client connected", "client", c.member.ID, "remote", e.remote)
	}
	c.mu.Lock()
	e.timer = time.AfterFunc(s.cfg.AuthTimeout, c.authTimeout)
	c.mu.Unlock()
	if s.isStopping() { // after the clients to close were listed
		c.close(wire.CloseGoingAway)
	}
	c.conn.Start(early, c)
}

// Message takes a message from the peer; see [ws.Handler].
func (c *client) Message(payload []byte, binary bool) { c.server.dispatch(c, payload, binary) }

// Ended takes the client out of all indexes; see [ws.Handler].
func (c *client) Ended(end ws.End) {
	if !c.conn.Polled() {
		c.server.counts.plain.Add(-1)
	}
	c.server.reg.Remove(&c.member)
	c.server.disconnected(c, end)
}

// Finished ends the task that ServeHTTP began; see [ws.Handler].
func (c *client) Finished() { c.server.exit() }

// disconnected has the disconnect callback run when the client's jobs are done.
func (s *Server) disconnected(c *client, end ws.End) {
	d := &Disconnect{Cause: causeText(end), Code: end.Code, Reason: end.Reason}
	c.mu.Lock()
	c.stopTimerLocked()
	c.state = StateDisconnected
	c.mu.Unlock()
	s.counts.disconnected(d.Cause)
	if end.Cause == ws.CauseStranger {
		s.info("client closed: it sent too much before it was authenticated", "reason", end.Reason, "client", c.member.ID, "remote", c.profile().RemoteAddr)
	}
	s.cfg.Logger.Debug("client disconnected", "client", c.member.ID, "cause", d.Cause, "code", d.Code)
	c.inbox.Close(job{end: d})
}

// ended is the last of a client's jobs: it runs the disconnect callback.
func (s *Server) ended(c *client, d Disconnect) {
	defer c.dropKeys()
	id := c.who()
	if id == nil || s.cfg.OnDisconnect == nil {
		return
	}
	ctx, cancel := c.inbox.NewContext() // that of the other callbacks is over
	defer cancel()
	err := s.call("OnDisconnect", c, func() error { s.cfg.OnDisconnect(ctx, id, d); return nil })
	s.callbackFailed("OnDisconnect", c, err)
}

// dropKeys lets go of the keys of a client that has gone, whoever else holds on to it.
func (c *client) dropKeys() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.session = nil
}

// close ends the connection with one of the protocol's codes.
func (c *client) close(code uint16) {
	c.conn.CloseFor(ws.End{Cause: ws.CauseRule, Code: code, Reason: wire.CloseReason(code)})
}

// authTimeout closes a client that is still not authenticated.
func (c *client) authTimeout() {
	c.mu.Lock()
	late := c.state < StateAuthenticated
	if late {
		c.entry.timer = nil
		c.state = StateDisconnected // so that nothing lets it in meanwhile
	}
	c.mu.Unlock()
	if late {
		c.close(wire.CloseAuthTimeout)
	}
}

// stopTimerLocked ends the time that authentication may take.
func (c *client) stopTimerLocked() {
	if c.entry != nil && c.entry.timer != nil {
		c.entry.timer.Stop()
		c.entry.timer = nil
	}
}

// answers are the error events, made once: what a client does wrong should cost the
// server less than the client.
type answers map[string]answer

type answer struct{ sealed, clear *ws.Message }

func newAnswers() answers {
	a := make(answers)
	for _, text := range []string{
		wire.ErrorFormat, wire.ErrorUnauthenticated, wire.ErrorAuthenticated, wire.ErrorRejected,
		wire.ErrorAuthentication, wire.ErrorHandshake, wire.ErrorEncryptedMessage, wire.ErrorClear,
	} {
		data, _ := json.Marshal(struct { // a string always encodes
			Message string `json:"message"`
		}{text})
		m := frame(wire.EventError, data)
		a[text] = answer{m, m.Clear()}
	}
	return a
}

// sendError sends an error event with one of the protocol's texts. Before
// authentication it is the only event that a client gets, and never sealed.
func (s *Server) sendError(c *client, text string) {
	c.mu.Lock() // or it could be queued, not sealed, behind a connected event
	m := s.answers[text].sealed
	if c.identity == nil {
		m = s.answers[text].clear
	}
	t := c.conn.Enqueue(m)
	c.mu.Unlock()
	s.enqueued(c, t)
}

// mistake counts a message that a client should not have sent before it is
// authenticated, and closes it after too many.
func (s *Server) mistake(c *client) {
	over := false
	c.mu.Lock()
	if c.state < StateAuthenticated {
		over = c.entry.mistakes >= s.cfg.AuthMaxMistakes
		c.entry.mistakes++
	}
	c.mu.Unlock()
	if over {
		c.conn.CloseFor(ws.End{
			Cause: ws.CauseStranger, Code: wire.CloseTooManyMessages, Reason: wire.CloseReason(wire.CloseTooManyMessages),
		})
	}
}

// silence returns for how long c has sent no message.
func (c *client) silence() time.Duration {
	return time.Duration(c.server.uptime() - c.lastActivity.Load())
}

// who returns the identity of an authenticated client, else nil.
func (c *client) who() *Client {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.identity
}

// profile returns what is known of a client, authenticated or not.
func (c *client) profile() Client {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.profileLocked()
}

func (c *client) profileLocked() Client {
	if c.identity != nil {
		return *c.identity
	}
	return Client{ID: c.member.ID, RemoteAddr: c.entry.remote, ConnectedAt: c.entry.connectedAt}
}

func (c *client) info() ClientInfo {
	c.mu.Lock()
	state, profile := c.state, c.profileLocked()
	c.mu.Unlock()
	return ClientInfo{
		Client:        profile,
		State:         state,
		Rooms:         c.member.Rooms(),
		Backpressured: c.conn.Backpressured(),
		LastActivity:  time.Now().Add(-c.silence()),
	}
}

// causeText returns the name under which an end is counted and reported.
func causeText(end ws.End) string {
	switch end.Cause {
	case ws.CausePeerClosed:
		return "client closed"
	case ws.CauseLost:
		return "connection lost"
	case ws.CauseViolation:
		return "protocol violation"
	case ws.CauseBackpressure:
		return "backpressure"
	case ws.CauseIdle:
		return "idle timeout"
	case ws.CauseSealing:
		return "sealing timeout"
	case ws.CauseStranger:
		return "too much before authentication"
	case ws.CauseBehind:
		return "callbacks behind"
	case ws.CauseStuck:
		return "write timeout"
	case ws.CauseServerClosed:
		return "server closed"
	case ws.CauseRule:
		switch end.Code {
		case wire.CloseGoingAway:
			return "server shutdown"
		case wire.CloseAuthTimeout:
			return "authentication timeout"
		case wire.CloseHeartbeatTimeout:
			return "heartbeat timeout"
		case wire.CloseAuthFailed:
			return "authentication failed"
		case wire.CloseEncryptionRequired:
			return "encryption required"
		}
		return "server closed"
	}
	return "aborted"
}
