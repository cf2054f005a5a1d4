package ignis

import (
	"context"
	"encoding/json"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ignis-go/ignis/internal/registry"
	"github.com/ignis-go/ignis/internal/ws"
	"github.com/ignis-go/ignis/wire"
)

// client is the server's side of one connection.
type client struct {
	member      registry.Member[*client] // its place in the indexes
	conn        *ws.Conn
	connectedAt time.Time

	lastActivity atomic.Int64 // unix nanoseconds of the last message
	stalled      atomic.Bool  // not read from, because its callbacks are behind

	mu       sync.Mutex
	state    State
	identity *Client     // set when authenticated
	session  *Session    // set when encrypted
	timer    *time.Timer // for authentication
	jobs     jobs
	end      Disconnect // set when disconnected
}

// serve is the life of a connection: it is registered when it begins and
// unregistered when it ends, here and nowhere else.
func (s *Server) serve(base context.Context, u upgraded) {
	now := time.Now()
	c := &client{conn: ws.NewConn(u.nc, &s.opts), connectedAt: now}
	c.lastActivity.Store(now.UnixNano())
	c.member.Value = c
	c.member.ID = newClientID()
	for !s.reg.Add(&c.member) {
		c.member = registry.Member[*client]{ID: newClientID(), Value: c}
	}
	s.counts.connections.Add(1)
	s.cfg.Logger.Debug("client connected", "client", c.member.ID, "remote", c.remote())
	c.mu.Lock()
	c.timer = time.AfterFunc(s.cfg.AuthTimeout, c.authTimeout)
	c.mu.Unlock()
	if s.isStopping() { // after the clients to close were listed
		c.close(wire.CloseGoingAway)
	}

	ctx, cancel := context.WithCancel(base)
	end := c.conn.Serve(u.early, func(payload []byte, binary bool) { s.dispatch(ctx, c, payload, binary) })

	cancel()
	s.reg.Remove(&c.member)
	s.disconnected(base, c, end)
	c.conn.Finish()
}

// disconnected has the disconnect callback run when the client's jobs are done.
func (s *Server) disconnected(base context.Context, c *client, end ws.End) {
	d := Disconnect{Cause: causeText(end), Code: end.Code, Reason: end.Reason}
	c.mu.Lock()
	c.timer.Stop()
	c.state = StateDisconnected
	c.end = d
	authenticated, idle := c.identity != nil, make(chan struct{})
	if c.jobs.working {
		c.jobs.idle = idle
	} else {
		close(idle)
	}
	c.mu.Unlock()
	s.counts.disconnected(d.Cause)
	s.cfg.Logger.Debug("client disconnected", "client", c.member.ID, "cause", d.Cause, "code", d.Code)
	if authenticated {
		s.tasks.Go(func() {
			<-idle
			s.callDisconnect(base, c)
		})
	}
}

// close ends the connection with one of the protocol's codes.
func (c *client) close(code uint16) { c.conn.Close(code, wire.CloseReason(code)) }

// authTimeout closes a client that is still not authenticated.
func (c *client) authTimeout() {
	c.mu.Lock()
	late := c.state < StateAuthenticated
	if late {
		c.state = StateDisconnected // so that nothing lets it in meanwhile
	}
	c.mu.Unlock()
	if late {
		c.close(wire.CloseAuthTimeout)
	}
}

// sendError sends an error event. Before authentication it is the only event
// that a client gets, and always in clear.
func (s *Server) sendError(c *client, text string) {
	data, _ := json.Marshal(struct { // a string always encodes
		Message string `json:"message"`
	}{text})
	m := frame(wire.EventError, data)
	c.mu.Lock() // or it could be queued, in clear, behind a connected event
	if c.identity == nil {
		m = m.Clear()
	}
	v := c.conn.Enqueue(m)
	c.mu.Unlock()
	s.enqueued(c, v)
}

func (c *client) remote() string {
	if a := c.conn.RemoteAddr(); a != nil {
		return a.String()
	}
	return ""
}

func (c *client) info() ClientInfo {
	c.mu.Lock()
	state, identity := c.state, c.identity
	c.mu.Unlock()
	i := ClientInfo{
		Client:        Client{ID: c.member.ID, RemoteAddr: c.remote(), ConnectedAt: c.connectedAt},
		State:         state,
		Rooms:         c.member.Rooms(),
		Backpressured: c.conn.Backpressured(),
		LastActivity:  time.Unix(0, c.lastActivity.Load()),
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
	case ws.CauseServerClosed:
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
