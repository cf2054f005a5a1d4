package ws

import "slices"

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

// indexed reports whether an index exists.
func (c *Conn) indexed() bool { return c.backlog != nil && c.backlog.index != nil }

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

// squeezeLocked moves the messages of a backlog with an index to the front, so that no
// place stays empty but among those that are being written.
func (c *Conn) squeezeLocked() {
	b := c.backlog
	clear(b.index.keys)
	b.index.oldest, b.index.gone = 0, 0
	kept, pongAt := b.messages[:0], c.pongAt
	for i, m := range b.messages[b.head:] {
		i += b.head
		if m == gone {
			if i >= b.head+b.taken { // the writer counts the others
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
