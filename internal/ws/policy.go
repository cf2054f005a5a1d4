package ws

// Policy determines what happens to a message when the messages waiting for the peer
// exceed the backpressure limit. It does not apply to the protocol's own messages; see
// [Message.Own].
type Policy uint8

// Messages under DropOldest and Latest make room for messages under every policy except
// DropNewest, because their senders accept that the peer may miss them. No other message
// is ever removed from the queue.
const (
	// Disconnect ends the connection, so that the peer knows that it missed
	// something.
	Disconnect Policy = iota
	// DropNewest drops the message.
	DropNewest
	// DropOldest drops waiting messages, oldest first, until there is room. A message
	// that is being written cannot be dropped and does not count against the limit.
	DropOldest
	// Latest is like DropOldest. In addition, while a peer is behind, only the newest
	// message of each key waits for it: a new message goes to the end of the queue,
	// and the waiting one with the same key is removed. A message without a key
	// replaces nothing.
	//
	// A peer falls behind when its socket is full or the limit is reached, and has caught
	// up when no message waits. Where a full socket cannot be detected, a peer falls behind
	// when more than 64 KiB wait. A peer that keeps up gets every message.
	Latest
)

// ownShare is the divisor that yields the extra part of the limit for the protocol's own
// messages. Without that part, a ping would end a connection that DropNewest keeps at the
// limit.
const ownShare = 4

// yields reports whether m may be removed from the queue.
func (m *Message) yields() bool { return m.policy >= DropOldest && !m.own }

// keyed reports whether m replaces other messages and can be replaced.
func (m *Message) keyed() bool { return m.policy == Latest && m.key != "" && !m.own }

// behindLocked reports whether only the newest message of each key may wait.
func (c *Conn) behindLocked() bool { return c.indexed() || c.backpressuredLocked() }

// makeRoomLocked drops messages that yield to m, which would exceed limit, and reports
// whether m may then be queued.
func (c *Conn) makeRoomLocked(m *Message, limit int, t *Tally) bool {
	writing, own := len(c.rest), 0
	switch {
	case c.queued == 0:
		return true // the peer is not to blame for the size of m, and its memory is shared
	case m.policy == DropNewest && !m.own:
		return false
	}
	if x := c.indexLocked(); x != nil {
		writing, own = writing+x.writing, x.own
	}
	switch {
	case m.own:
		return own+m.cost() <= limit/ownShare
	case !m.yields():
		writing = 0
	}
	c.thinLocked(t)
	for {
		waiting := c.queued - writing
		if waiting == 0 || waiting+m.cost() <= limit {
			return true
		}
		if !c.dropOldestLocked() {
			return false
		}
		t.Oldest++
	}
}

// dropOldestLocked drops the oldest message that yields, and reports whether there
// was one.
func (c *Conn) dropOldestLocked() bool {
	b := c.backlog
	if b == nil {
		return false
	}
	i := max(b.index.oldest, b.head+b.taken)
	for ; i < len(b.messages); i++ {
		if b.messages[i].yields() {
			c.removeLocked(i)
			b.index.oldest = i + 1
			return true
		}
	}
	b.index.oldest = i
	return false
}

// replaceLocked removes the waiting message with m's key, if any.
func (c *Conn) replaceLocked(m *Message, t *Tally) {
	c.thinLocked(t)
	if b := c.backlog; b != nil {
		if i, ok := b.index.keys[m.key]; ok && i >= b.head+b.taken {
			c.removeLocked(i)
			t.Replaced++
		}
	}
}

// thinLocked removes all waiting messages but the newest of each key.
func (c *Conn) thinLocked(t *Tally) {
	x := c.indexLocked()
	if x == nil || x.thinned {
		return
	}
	x.thinned = true
	if len(x.keys) == 0 {
		return
	}
	b := c.backlog
	for i := b.head + b.taken; i < len(b.messages); i++ {
		if m := b.messages[i]; m.keyed() && x.keys[m.key] != i {
			c.removeLocked(i)
			t.Replaced++
		}
	}
}
