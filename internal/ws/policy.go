package ws

// Policy says what happens to a message when more waits for the peer than the
// backpressure limit allows. The protocol's own messages have none; see
// [Message.Own].
type Policy uint8

// The policies. Messages under DropOldest and Latest make room for those of every
// policy but DropNewest: their senders have said that the peer can do without them.
// No other message is ever taken out of the queue.
const (
	// Disconnect ends the connection, so that the peer knows that it has missed
	// something.
	Disconnect Policy = iota
	// DropNewest drops the message.
	DropNewest
	// DropOldest drops messages that wait, the oldest first, until there is room. What
	// is being written cannot be dropped, and does not count against the limit.
	DropOldest
	// Latest is DropOldest, and lets only the newest message of each key wait for a
	// peer that is behind: a new one goes to the end of the queue, and the one that
	// waits is taken out. A message without a key replaces nothing.
	//
	// A peer is behind from when its socket is full or the limit is reached until
	// nothing waits. Where nobody can tell whether the socket is full, more than 64 KiB
	// must wait. A peer that keeps up gets every message.
	Latest
)

// ownShare is the part of the limit that the protocol's own messages may take when the
// limit is reached. Without it, a ping would end a connection that DropNewest keeps there.
const ownShare = 4

// yields reports whether m may be taken out of the queue.
func (m *Message) yields() bool { return m.policy >= DropOldest && !m.own }

// keyed reports whether m replaces another and can be replaced.
func (m *Message) keyed() bool { return m.policy == Latest && m.key != "" && !m.own }

// behindLocked reports whether of each key only the newest message may wait.
func (c *Conn) behindLocked() bool { return c.indexed() || c.backpressuredLocked() }

// makeRoomLocked reports whether m, with which more than limit would wait, may be
// queued nevertheless, and drops what has to yield to it.
func (c *Conn) makeRoomLocked(m *Message, limit int, t *Tally) bool {
	onWay, own := len(c.rest), 0
	switch {
	case c.queued == 0:
		return true // its size is not the peer's fault, and its memory is shared
	case m.policy == DropNewest && !m.own:
		return false
	}
	if x := c.indexLocked(); x != nil {
		onWay, own = onWay+x.onWay, x.own
	}
	switch {
	case m.own:
		return own+m.cost() <= limit/ownShare
	case !m.yields():
		onWay = 0
	}
	c.thinLocked(t)
	for {
		waiting := c.queued - onWay
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

// replaceLocked takes out the message of m's key, if one waits.
func (c *Conn) replaceLocked(m *Message, t *Tally) {
	c.thinLocked(t)
	if b := c.backlog; b != nil {
		if i, ok := b.index.keys[m.key]; ok && i >= b.head+b.taken {
			c.removeLocked(i)
			t.Replaced++
		}
	}
}

// thinLocked leaves only the newest message of each key to wait.
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
