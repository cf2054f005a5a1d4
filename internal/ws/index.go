package ws

import "slices"

// index finds the messages that the policies remove from a backlog without searching, so
// that sending to a peer that does not read stays fast. A backlog gets an index when one
// is first needed. From then on, messages that can be removed are not joined.
type index struct {
	keys    map[string]int // position of the newest message of each key in the backlog
	thinned bool           // older messages of each key have been removed
	oldest  int            // no message before this position can be dropped
	gone    int            // number of removed messages whose places remain
	writing int            // cost of the messages being written, in bytes
	own     int            // cost of the protocol's own messages that are not being written, in bytes
}

// gone takes the place of a removed message. It has no bytes and costs nothing, so the
// writer can treat it like any other.
var gone = &Message{clear: true, parts: []*Message{}}

// indexed reports whether the backlog has an index.
func (c *Conn) indexed() bool { return c.backlog != nil && c.backlog.index != nil }

// indexLocked returns the index of the backlog, creating it if necessary. It returns
// nil if the backlog is empty.
func (c *Conn) indexLocked() *index {
	b := c.backlog
	if b == nil {
		return nil
	}
	if b.index == nil {
		b.index = &index{}
		for _, m := range b.waiting()[:b.taken] {
			b.index.writing += m.cost()
		}
		c.splitLocked()
	}
	return b.index
}

// splitLocked replaces each joined message by its parts and indexes all messages. It
// ignores messages that are being written.
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
			b.messages = m.appendTo(b.messages) // skips removed messages
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

// squeezeLocked moves the messages of an indexed backlog to the front. It frees the places
// of removed messages, except among the messages being written.
func (c *Conn) squeezeLocked() {
	b := c.backlog
	clear(b.index.keys)
	b.index.oldest, b.index.gone = 0, 0
	kept, pongAt := b.messages[:0], c.pongAt
	for i, m := range b.messages[b.head:] {
		i += b.head
		if m == gone {
			if i >= b.head+b.taken { // the writer counts those that it has taken
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

// removeLocked removes a waiting message that is not being written.
func (c *Conn) removeLocked(i int) {
	b := c.backlog
	m := b.messages[i]
	c.queued -= m.cost()
	b.messages[i] = gone
	b.index.gone++
	b.index.forget(i, m)
	if b.taken > 0 {
		return // the writer counts its messages from head
	}
	for b.head < len(b.messages)-1 && b.messages[b.head] == gone {
		b.messages[b.head] = nil
		b.head++
		b.index.gone--
	}
}

// add indexes the waiting message m at i.
func (x *index) add(i int, m *Message) {
	if m.own {
		x.own += m.cost()
	}
	x.note(i, m)
}

// take records that m is being written.
func (x *index) take(m *Message) {
	x.writing += m.cost()
	if m.own {
		x.own -= m.cost()
	}
}

// note records that m is at i.
func (x *index) note(i int, m *Message) {
	if !m.keyed() {
		return
	}
	if x.keys == nil {
		x.keys = make(map[string]int)
	}
	x.keys[m.key] = i
}

// forget records that m has left i.
func (x *index) forget(i int, m *Message) {
	if !m.keyed() {
		return
	}
	if at, ok := x.keys[m.key]; ok && at == i {
		delete(x.keys, m.key)
	}
}

// consumed records that the first n messages have left.
func (x *index) consumed(b *backlog, n int) {
	x.writing = 0
	for i, m := range b.waiting()[:n] {
		if m == gone {
			x.gone--
		}
		x.forget(b.head+i, m)
	}
}

// returnedLocked records that the first n messages were taken but not written, so
// that they can be dropped again.
func (c *Conn) returnedLocked(n int) {
	b, x := c.backlog, c.backlog.index
	x.oldest = 0
	if slices.ContainsFunc(b.waiting()[:n], several) { // taken before the index existed
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
