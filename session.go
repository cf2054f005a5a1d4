package ignis

import (
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ignis-go/ignis/internal/inbox"
	"github.com/ignis-go/ignis/internal/registry"
	"github.com/ignis-go/ignis/internal/ws"
	"github.com/ignis-go/ignis/wire"
)

// session is the server's side of one connection.
type session struct {
	server      *Server
	member      registry.Member[*session] // its place in the indexes
	conn        *ws.Conn
	remote      string // the client's network address
	value       *any   // of Accepted; nil: none
	connectedAt time.Time

	lastActivity atomic.Int64 // the server's uptime at the last message, in nanoseconds

	mu       sync.Mutex
	state    State
	protocol uint8       // version; set before it can be reached, and read without a lock then
	mistakes int32       // before authentication
	identity *Client     // set when authenticated
	cipher   *Cipher     // set when encrypted
	timer    *time.Timer // for authentication; nil when that is over

	inbox inbox.Inbox[job, *session] // its callbacks, in order
}

// serve begins the life of a connection: it is registered here, and unregistered
// by Ended, and nowhere else.
func (s *Server) serve(nc net.Conn, early []byte, window uint8, a Accepted) {
	c := &session{server: s, connectedAt: time.Now(), remote: a.RemoteAddr}
	if a.Value != nil {
		v := a.Value // without the rest
		c.value = &v
	}
	c.inbox.Init(c)
	if a.Context != nil {
		c.inbox.Carry(a.Context)
	}
	c.conn = ws.NewConn(nc, window, &s.opts)
	c.lastActivity.Store(s.uptime())
	c.member.Value = c
	c.member.ID = newClientID()
	for !s.reg.Add(&c.member) {
		c.member = registry.Member[*session]{ID: newClientID(), Value: c}
	}
	s.counts.connections.Add(1)
	if !c.conn.Polled() {
		s.counts.plain.Add(1)
	}
	if s.debugging() {
		s.cfg.Logger.Debug("client connected", "client", c.member.ID, "remote", c.remote)
	}
	c.mu.Lock()
	c.timer = time.AfterFunc(s.cfg.AuthTimeout, c.authTimeout)
	c.mu.Unlock()
	if s.isStopping() { // after the clients to close were listed
		c.close(wire.CloseGoingAway)
	}
	c.conn.Start(early, c)
}

// Message takes a message from the peer; see [ws.Handler].
func (c *session) Message(payload []byte, binary bool) { c.server.dispatch(c, payload, binary) }

// Ended takes the client out of all indexes; see [ws.Handler].
func (c *session) Ended(end ws.End) {
	if !c.conn.Polled() {
		c.server.counts.plain.Add(-1)
	}
	c.server.reg.Remove(&c.member)
	c.server.disconnected(c, end)
}

// Finished ends the task that ServeHTTP began; see [ws.Handler].
func (c *session) Finished() { c.server.exit() }

// disconnected has the disconnect callback run when the client's jobs are done.
func (s *Server) disconnected(c *session, end ws.End) {
	d := &Disconnect{Cause: causeText(end), Code: end.Code, Reason: end.Reason}
	c.mu.Lock()
	c.stopTimerLocked()
	c.state = StateDisconnected
	c.mu.Unlock()
	s.counts.disconnected(d.Cause)
	if end.Cause == ws.CauseStranger {
		s.info("client closed: it sent too much before it was authenticated", "reason", end.Reason, "client", c.member.ID, "remote", c.remote)
	}
	s.cfg.Logger.Debug("client disconnected", "client", c.member.ID, "cause", d.Cause, "code", d.Code)
	c.inbox.Close(job{end: d})
}

// ended is the last of a client's jobs: it runs the disconnect callback.
func (s *Server) ended(c *session, d Disconnect) {
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
func (c *session) dropKeys() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cipher = nil
}

// close ends the connection with one of the protocol's codes.
func (c *session) close(code uint16) {
	c.conn.CloseFor(ws.End{Cause: ws.CauseRule, Code: code, Reason: wire.CloseReason(code)})
}

// authTimeout closes a client that is still not authenticated.
func (c *session) authTimeout() {
	c.mu.Lock()
	late := c.state < StateAuthenticated
	c.timer = nil
	if late {
		c.state = StateDisconnected // so that nothing lets it in meanwhile
	}
	c.mu.Unlock()
	if late {
		c.close(wire.CloseAuthTimeout)
	}
}

// stopTimerLocked ends the time that authentication may take.
func (c *session) stopTimerLocked() {
	if c.timer != nil {
		c.timer.Stop()
		c.timer = nil
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
		m := frame(wire.Message{Event: wire.EventError, Data: wire.ErrorData{Message: text}.Encode()}).Own()
		a[text] = answer{m, m.Clear()}
	}
	return a
}

// sendError sends an error event with one of the protocol's texts. Before
// authentication it is the only event that a client gets, and never sealed.
func (s *Server) sendError(c *session, text string) {
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
func (s *Server) mistake(c *session) {
	c.mu.Lock()
	over := c.state < StateAuthenticated && int(c.mistakes) >= s.cfg.AuthMaxMistakes
	if c.state < StateAuthenticated {
		c.mistakes++
	}
	c.mu.Unlock()
	if over {
		c.conn.CloseFor(ws.End{
			Cause: ws.CauseStranger, Code: wire.CloseTooManyMessages, Reason: wire.CloseReason(wire.CloseTooManyMessages),
		})
	}
}

// silence returns for how long c has sent no message.
func (c *session) silence() time.Duration {
	return time.Duration(c.server.uptime() - c.lastActivity.Load())
}

// standing returns where c stands, and once it is authenticated who it is and how it
// is encrypted.
func (c *session) standing() (State, *Client, *Cipher) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.state, c.identity, c.cipher
}

// who returns the identity of an authenticated client, else nil.
func (c *session) who() *Client {
	_, id, _ := c.standing()
	return id
}

func (c *session) info() ClientInfo {
	state, identity, _ := c.standing()
	i := ClientInfo{
		Client:        Client{ID: c.member.ID, RemoteAddr: c.remote, ConnectedAt: c.connectedAt},
		State:         state,
		Rooms:         c.member.Rooms(),
		Backpressured: c.conn.Backpressured(),
		LastActivity:  time.Now().Add(-c.silence()),
	}
	if identity != nil {
		i.Client = *identity
	}
	return i
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
