package ignis

import (
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ignis-go/ignis/internal/inbox"
	"github.com/ignis-go/ignis/internal/limit"
	"github.com/ignis-go/ignis/internal/registry"
	"github.com/ignis-go/ignis/internal/ws"
	"github.com/ignis-go/ignis/wire"
)

// session is the server's side of one connection. Nearly all sessions are authenticated
// and idle, so state that an idle session does not need is behind pointers that are nil
// for most sessions.
type session struct {
	server *Server
	member registry.Member[*session] // its entry in the indexes
	conn   *ws.Conn
	inbox  inbox.Inbox[job, *session] // runs its callbacks in order
	joins  limit.Bucket               // used by its inbox

	lastActivity atomic.Int64 // the server's uptime at the last message, in nanoseconds

	parked atomic.Pointer[parking] // nil unless it is joining a room; written with mu held

	revoked atomic.Bool // whether it was closed because its access was revoked; written with mu held

	mu          sync.Mutex
	leaving     bool // whether it is among the departures; used only by the goroutine of Run
	state       State
	protocol    uint8        // version; set before the client is reachable, and then read without a lock
	entry       *entry       // nil once admitted
	identity    *Client      // set once Authenticate has accepted it
	issuedAt    int64        // when the token of identity was issued; see issuedAt
	cipher      *Cipher      // nil unless encrypted
	memberships *memberships // nil until it joins a room with callbacks
	expiry      *expiry      // nil if the session does not end
}

// entry is the state of a client that has not been admitted.
type entry struct {
	remote      string // network address
	value       any    // Accepted.Value
	connectedAt time.Time
	traceparent string      // of the upgrade; empty if it is not traced
	timer       *time.Timer // limits authentication; nil once it has fired or was stopped
	mistakes    int
	// Messages sent right after authenticate.
	earlyMessages, earlyBytes int
}

// serve registers and starts a connection. Only Ended unregisters it. serve returns the ID of
// the client.
func (s *Server) serve(nc net.Conn, early []byte, window uint8, a Accepted, traceparent string) string {
	c := &session{server: s, entry: &entry{
		remote: a.RemoteAddr, value: a.Value, connectedAt: time.Now(), traceparent: traceparent,
	}}
	c.inbox.Init(c)
	if a.Context != nil {
		c.inbox.Carry(a.Context)
	}
	c.conn = ws.NewConn(nc, window, s.tuning.Load().opts)
	c.lastActivity.Store(s.uptime())
	c.member.Value = c
	c.member.ID = newClientID()
	for !s.reg.Add(&c.member) {
		c.member = registry.Member[*session]{ID: newClientID(), Value: c}
	}
	s.counts.connections.Add(1)
	if !c.conn.Polled() {
		s.counts.withoutEpoll.Add(1)
	}
	hook(s, "Connected", s.cfg.Hooks.Connected, ConnectedInfo{c.member.ID, a.RemoteAddr})
	if s.debugging() {
		s.cfg.Logger.Debug("client connected", "client", c.member.ID, "remote", a.RemoteAddr)
	}
	c.mu.Lock()
	c.entry.timer = time.AfterFunc(s.cfg.AuthTimeout, c.authTimeout)
	c.mu.Unlock()
	if s.isStopping() { // closeAll may have listed the clients before this one was added
		c.close(wire.CloseGoingAway)
	}
	id := c.member.ID
	c.conn.Start(early, c)
	return id
}

// Message handles a message from the peer; see [ws.Handler].
func (c *session) Message(payload []byte, binary bool) { c.dispatch(payload, binary) }

// Ended removes the client from all indexes; see [ws.Handler].
func (c *session) Ended(end ws.End) {
	if !c.conn.Polled() {
		c.server.counts.withoutEpoll.Add(-1)
	}
	rooms := c.server.reg.Remove(&c.member)
	c.disconnected(end, rooms)
}

// Finished ends the task that ServeHTTP began; see [ws.Handler].
func (c *session) Finished() {
	c.server.leaveFrom(c.profile().RemoteAddr)
	c.server.exit()
}

// Throttled counts and logs that the client sends too fast; see [ws.Handler].
func (c *session) Throttled() {
	s := c.server
	s.counts.throttled.Add(1)
	s.info("client is read more slowly: it exceeds Config.MessageRate or Config.ByteRate", "client", c.member.ID, "user", c.profile().UserID)
}

// disconnected queues the client's last job, which calls OnDisconnect.
func (c *session) disconnected(end ws.End, rooms []string) {
	s := c.server
	d := &Disconnect{Cause: causeOf(end), Code: end.Code, Reason: end.Reason, Rooms: rooms}
	c.mu.Lock()
	c.stopTimersLocked()
	c.state = StateDisconnected
	profile, admitted := c.profileLocked(), c.entry == nil
	c.mu.Unlock()
	s.counts.disconnected(d.Cause)
	if f := s.cfg.Hooks.Closed; f != nil {
		hook(s, "Closed", f, ClosedInfo{profile.ID, profile.UserID, d.Cause, d.Code, time.Since(profile.ConnectedAt), admitted})
	}
	c.logMisconduct(d, end, profile)
	s.cfg.Logger.Debug("client disconnected", "client", c.member.ID, "cause", d.Cause, "code", d.Code)
	c.inbox.Close(job{end: d})
}

// logMisconduct logs that the client was closed for something that well-behaved clients do not do.
func (c *session) logMisconduct(d *Disconnect, end ws.End, profile Client) {
	s := c.server
	switch {
	case end.Cause == ws.CauseStranger:
		s.info("client closed: it sent too much before authentication", "reason", end.Reason, "client", c.member.ID, "remote", profile.RemoteAddr)
	case end.Cause == ws.CauseRate:
		s.warn("client closed: it exceeded Config.MessageRate or Config.ByteRate for longer than ThrottleTimeout", "client", c.member.ID, "remote", profile.RemoteAddr, "user", profile.UserID)
	case d.Cause == CauseAuthTimeout:
		s.info("client closed: it did not authenticate in time (Config.AuthTimeout)", "client", c.member.ID, "remote", profile.RemoteAddr)
	case d.Cause == CauseViolation:
		s.info("client closed: protocol violation", "reason", end.Reason, "client", c.member.ID, "remote", profile.RemoteAddr)
	}
}

// ended is the client's last job. It calls OnLeave for the rooms that the client was in,
// and OnDisconnect.
func (c *session) ended(d Disconnect) {
	s := c.server
	defer c.dropKeys()
	id := c.who()
	if id == nil {
		return
	}
	ctx, cancel := c.inbox.NewContext() // the context of the other callbacks has ended
	defer cancel()
	defer func() { // also if OnLeave calls runtime.Goexit
		if s.cfg.OnDisconnect != nil {
			err := s.timed(CallbackOnDisconnect, c, func() error { s.cfg.OnDisconnect(ctx, id, d); return nil })
			c.callbackFailed("OnDisconnect", err)
		}
	}()
	c.notifyDisconnected(ctx)
}

// dropKeys releases the keys of a client that has disconnected, even if the session
// itself is still referenced.
func (c *session) dropKeys() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cipher = nil
}

// close closes the connection with one of the protocol's codes.
func (c *session) close(code uint16) {
	c.conn.CloseFor(ws.End{Cause: ws.CauseRule, Code: code, Reason: wire.CloseReason(code)})
}

// stateFor returns the client's state when m arrives, and whether m is early: clients of
// protocol 2 may send some messages right after authenticate. The first authenticate
// extends the time limit, because from then on the server is working on it.
func (c *session) stateFor(m wire.Message) (state State, early bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	state = c.state
	switch {
	case state == StateUnauthorized && m.Event == wire.EventAuthenticate:
		c.state = StateAuthenticating
		c.protocol = uint8(min(wire.DecodeAuthentication(m.Data).Protocol, wire.ProtocolVersion))
		if c.entry.timer != nil {
			c.entry.timer.Reset(wire.AuthTimeoutFactor * c.server.cfg.AuthTimeout)
		}
	case state == StateAuthenticating && c.protocol >= 2 && m.Event != wire.EventAuthenticate:
		c.entry.earlyMessages++
		c.entry.earlyBytes += job{message: m}.Size()
		early = c.entry.earlyMessages <= wire.MaxEarlyMessages && c.entry.earlyBytes <= wire.MaxEarlyBytes
	}
	return state, early
}

// authTimeout closes a client that is not authenticated yet.
func (c *session) authTimeout() {
	c.mu.Lock()
	late := c.state < StateAuthenticated
	if late {
		c.entry.timer = nil
		c.state = StateDisconnected // so that admit does not admit it
	}
	c.mu.Unlock()
	if late {
		c.close(wire.CloseAuthTimeout)
	}
}

// stopTimersLocked stops the timers of authentication and expiry.
func (c *session) stopTimersLocked() {
	if c.entry != nil && c.entry.timer != nil {
		c.entry.timer.Stop()
		c.entry.timer = nil
	}
	if c.expiry != nil {
		c.expiry.timer.Stop()
	}
}

// silence returns the time since c sent its last message.
func (c *session) silence() time.Duration {
	return time.Duration(c.server.uptime() - c.lastActivity.Load())
}

// authState returns the state of c, and its identity and cipher if it has them.
func (c *session) authState() (State, *Client, *Cipher) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.state, c.identity, c.cipher
}

// who returns the identity of a client that Authenticate has accepted, or nil.
func (c *session) who() *Client {
	_, id, _ := c.authState()
	return id
}

// profile returns what is known about a client, authenticated or not.
func (c *session) profile() Client {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.profileLocked()
}

func (c *session) profileLocked() Client {
	if c.identity != nil && c.entry == nil {
		return *c.identity
	}
	return Client{ID: c.member.ID, RemoteAddr: c.entry.remote, ConnectedAt: c.entry.connectedAt, Value: c.entry.value}
}

func (c *session) info() ClientInfo {
	c.mu.Lock()
	i := ClientInfo{Client: c.profileLocked(), State: c.state, Protocol: c.version()}
	if c.expiry != nil {
		i.Expires = c.expiry.at
	}
	c.mu.Unlock()
	i.Rooms = c.member.Rooms()
	i.SlowReader = c.conn.Backpressured()
	i.LastActivity = time.Now().Add(-c.silence())
	return i
}
