package ignis

// ClientStats summarizes the clients of a server.
type ClientStats struct {
	Unauthenticated int         // connected, but not authenticated yet
	Authenticated   map[int]int // by the version of the protocol that they use
	Encrypted       int         // authenticated clients that are encrypted

	Slow   int // clients for which messages wait because they read too slowly
	Behind int // clients that are not read because their messages wait for a callback

	QueuedBytes    int // size of what waits for clients, as Config.BackpressureLimit counts it
	MaxQueuedBytes int // the largest part of QueuedBytes that waits for one client
}

// ClientStats returns a summary of the clients that are connected to this server. It looks at
// every client, so it takes longer than [Server.Stats]: a few milliseconds for 20,000 clients.
func (s *Server) ClientStats() ClientStats {
	st := ClientStats{Authenticated: make(map[int]int)}
	if s == nil {
		return st
	}
	for _, c := range s.reg.AppendAll(nil) {
		c.mu.Lock()
		state, protocol, encrypted := c.state, c.version(), c.cipher != nil
		c.mu.Unlock()
		switch state {
		case StateAuthenticated:
			st.Authenticated[protocol]++
			if encrypted {
				st.Encrypted++
			}
		case StateUnauthorized, StateAuthenticating:
			st.Unauthenticated++
		case StateDisconnected:
			continue
		}
		if c.conn.Backpressured() {
			st.Slow++
		}
		if c.inbox.BehindSince() != 0 {
			st.Behind++
		}
		queued := c.conn.Queued()
		st.QueuedBytes += queued
		st.MaxQueuedBytes = max(st.MaxQueuedBytes, queued)
	}
	return st
}
