package ws

import "slices"

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

// index finds what the policies take out of a backlog, without a search for each
// message: a peer that does not read must not make sending to it slow. A backlog has
// one from when it is first needed, and then each of its messages that can be taken
// out consists of one.
type index struct {
	keys    map[string]int // where the newest message of a key is in the backlog
	thinned bool           // older ones have been taken out
	oldest  int            // none before it can be dropped
	gone    int            // so many have been taken out, but their places are left
	onWay   int            // what is being written costs so many bytes
	own     int            // of the rest, the protocol's own messages cost so many
}

// gone is in the place of a message that was taken out. It has no bytes and costs
// nothing, so the writer need not know about it.
var gone = &Message{clear: true, parts: []*Message{}}

// yields reports whether m may be taken out of the queue.
func (m *Message) yields() bool { return m.policy >= DropOldest && !m.own }

// keyed reports whether m replaces another and can be replaced.
func (m *Message) keyed() bool { return m.policy == Latest && m.key != "" && !m.own }

// behindLocked reports whether of each key only the newest message may wait.
func (c *Conn) behindLocked() bool { return c.indexed() || c.backpressuredLocked() }

// indexed reports whether an index exists.
func (c *Conn) indexed() bool { return c.backlog != nil && c.backlog.index != nil }

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

// removeLocked takes out a message that waits and is not being written.
func (c *Conn) removeLocked(i int) {
	b := c.backlog
	m := b.messages[i]
	c.queued -= m.cost()
	b.messages[i] = gone
	b.index.gone++
	b.index.forget(i, m)
	if b.taken > 0 {
		return // the writer counts from head
	}
	for b.head < len(b.messages)-1 && b.messages[b.head] == gone {
		b.messages[b.head] = nil
		b.head++
		b.index.gone--
	}
}

// indexLocked returns the index of the backlog, and makes one if there is none; nil if
// nothing is in the backlog.
func (c *Conn) indexLocked() *index {
	b := c.backlog
	if b == nil {
		return nil
	}
	if b.index == nil {
		b.index = &index{}
		for _, m := range b.waiting()[:b.taken] {
			b.index.onWay += m.cost()
		}
		c.splitLocked()
	}
	return b.index
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

// splitLocked puts the parts of those messages that consist of several in their place,
// and notes them all. What is being written stays.
func (c *Conn) splitLocked() {
	b, x := c.backlog, c.backlog.index
	from := b.head + b.taken
	if slices.ContainsFunc(b.messages[from:], several) {
		all, pongAt := b.messages, c.pongAt
		b.messages = append(make([]*Message, 0, 2*len(all)), all[:from]...)
		for i, m := range all[from:] {
			if pongAt == from+i+1 {
				c.pongAt = len(b.messages) + 1
			}
			b.messages = m.appendTo(b.messages) // nothing where one is gone
		}
		x.oldest, x.gone = 0, 0
	}
	clear(x.keys)
	x.own = 0
	for i, m := range b.messages[from:] {
		x.add(from+i, m)
	}
}

func several(m *Message) bool { return len(m.parts) > 0 }

// compactLocked makes room in the backlog where messages have left.
func (c *Conn) compactLocked() {
	b := c.backlog
	if b.index == nil {
		if c.pongAt > 0 {
			c.pongAt -= b.head
		}
		b.messages, b.head = slices.Delete(b.messages, 0, b.head), 0
		return
	}
	clear(b.index.keys)
	b.index.oldest, b.index.gone = 0, 0
	kept, pongAt := b.messages[:0], c.pongAt
	for i, m := range b.messages[b.head:] {
		i += b.head
		if m == gone {
			if i >= b.head+b.taken { // the writer counts those before
				continue
			}
			b.index.gone++
		}
		if pongAt == i+1 {
			c.pongAt = len(kept) + 1
		}
		b.index.note(len(kept), m)
		kept = append(kept, m)
	}
	clear(b.messages[len(kept):])
	b.messages, b.head = kept, 0
}

// add notes that m waits at i.
func (x *index) add(i int, m *Message) {
	if m.own {
		x.own += m.cost()
	}
	x.note(i, m)
}

// take notes that m is being written.
func (x *index) take(m *Message) {
	x.onWay += m.cost()
	if m.own {
		x.own -= m.cost()
	}
}

// note notes that m is at i.
func (x *index) note(i int, m *Message) {
	if !m.keyed() {
		return
	}
	if x.keys == nil {
		x.keys = make(map[string]int)
	}
	x.keys[m.key] = i
}

// forget notes that m is no longer at i.
func (x *index) forget(i int, m *Message) {
	if !m.keyed() {
		return
	}
	if at, ok := x.keys[m.key]; ok && at == i {
		delete(x.keys, m.key)
	}
}

// consumed notes that the first n messages have left.
func (x *index) consumed(b *backlog, n int) {
	x.onWay = 0
	for i, m := range b.waiting()[:n] {
		if m == gone {
			x.gone--
		}
		x.forget(b.head+i, m)
	}
}

// returnedLocked notes that the first n messages have not been written, as they should
// have been, and so can be dropped again.
func (c *Conn) returnedLocked(n int) {
	b, x := c.backlog, c.backlog.index
	x.oldest = 0
	if slices.ContainsFunc(b.waiting()[:n], several) { // taken before there was an index
		c.splitLocked()
		return
	}
	for i, m := range b.waiting()[:n] {
		if m.own {
			x.own += m.cost()
		}
		if i += b.head; x.keys[m.key] <= i { // none is newer
			x.note(i, m)
		}
	}
}
