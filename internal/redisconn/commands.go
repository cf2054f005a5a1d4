package redisconn

import "bytes"

// command is what the replies to a command are judged by.
type command uint8

const (
	other command = iota // may be answered by anything
	ping
	auth
	selectDB
	client
	readonly
	hello
	publish
	role
	masterAddr // SENTINEL GET-MASTER-ADDR-BY-NAME
	subscribe
	psubscribe
	ssubscribe
	unsubscribe // with PUNSUBSCRIBE and SUNSUBSCRIBE
)

// names are what Errors call the commands.
var names = [...]string{
	other: "a command", ping: "PING", auth: "AUTH", selectDB: "SELECT", client: "CLIENT", readonly: "READONLY",
	hello: "HELLO", publish: "PUBLISH", role: "ROLE", masterAddr: "SENTINEL GET-MASTER-ADDR-BY-NAME",
	subscribe: "SUBSCRIBE", psubscribe: "PSUBSCRIBE", ssubscribe: "SSUBSCRIBE", unsubscribe: "UNSUBSCRIBE",
}

func (c command) subscribes() bool { return c >= subscribe && c <= ssubscribe }

// commandNamed returns the command of that name. Upper case is how the client writes them.
func commandNamed(name []byte) command {
	switch string(name) {
	case "PUBLISH":
		return publish
	case "PING":
		return ping
	case "AUTH":
		return auth
	case "SELECT":
		return selectDB
	case "CLIENT":
		return client
	case "READONLY":
		return readonly
	case "HELLO":
		return hello
	case "ROLE":
		return role
	case "SUBSCRIBE":
		return subscribe
	case "PSUBSCRIBE":
		return psubscribe
	case "SSUBSCRIBE":
		return ssubscribe
	case "UNSUBSCRIBE", "PUNSUBSCRIBE", "SUNSUBSCRIBE":
		return unsubscribe
	}
	return other
}

// commandParser finds the commands in what the client writes: arrays of bulk strings, in
// pieces of any size.
type commandParser struct {
	args     int     // of the command, as its header says; 0: before the header
	arg      int     // index of the argument
	header   int     // bytes of the current header so far
	number   int     // in it
	left     int     // bytes of the argument and its line's end that are to come
	command  command // once the first argument is known
	previous command
	word     [32]byte
	wordLen  int // of the argument so far; over len(word): it is longer
}

// follow notes the commands in b.
func (c *Conn) follow(b []byte) *Error {
	p := &c.written
	for len(b) > 0 {
		if p.left > 0 {
			b = b[p.body(b):]
			if p.left == 0 {
				c.argument()
			}
			continue
		}
		want := byte('*')
		if p.args > 0 {
			want = '$'
		}
		switch ch := b[0]; {
		case p.header == 0 && ch == want:
			p.header, p.number = 1, 0
		case p.header > 0 && ch >= '0' && ch <= '9' && p.number <= 1<<27: // so that it fits into 32 bits
			p.header++
			p.number = p.number*10 + int(ch-'0')
		case p.header > 1 && ch == '\r':
		case p.header > 1 && ch == '\n':
			p.header = 0
			if want == '$' {
				p.left, p.wordLen = p.number+2, 0
				break
			}
			p.args, p.arg, p.command = p.number, 0, other
		default:
			return &Error{"what is written is not a command"}
		}
		b = b[1:]
	}
	return nil
}

// body takes what b has of the argument, and returns how much that is.
func (p *commandParser) body(b []byte) int {
	n := min(p.left, len(b))
	if p.arg < 2 { // the name, and what may decide
		text := b[:max(0, min(n, p.left-2))]
		if p.wordLen < len(p.word) {
			copy(p.word[p.wordLen:], text)
		}
		p.wordLen += len(text)
	}
	p.left -= n
	return n
}

// argument notes that an argument is complete.
func (c *Conn) argument() {
	p := &c.written
	word := p.word[:min(p.wordLen, len(p.word))]
	switch {
	case p.arg == 0:
		p.command = commandNamed(word)
		if p.command == other && bytes.Equal(word, []byte("SENTINEL")) {
			p.command = masterAddr // unless the next argument is another one
		}
	case p.arg == 1 && p.command == hello:
		c.session.resp3 = string(word) == "3"
	case p.arg == 1 && p.command == masterAddr && !bytes.EqualFold(word, []byte("GET-MASTER-ADDR-BY-NAME")):
		p.command = other
	}
	p.arg++
	if p.arg < p.args {
		return
	}
	p.args = 0
	switch {
	case p.command == ping && p.previous == unsubscribe:
		// The client's own, which belongs to the UNSUBSCRIBE.
	case p.command >= subscribe:
		c.session.subscribed |= 1 << p.command
		fallthrough
	default:
		c.waiting.put(p.command, p.arg-1)
	}
	p.previous = p.command
}

// queue are the commands that wait for their answers, oldest first. Equal ones in a row
// share an entry.
type queue struct {
	entries []entry
	head    int
}

type entry struct {
	command
	args  int // for commands that subscribe
	count int
}

func (q *queue) put(c command, args int) {
	if !c.subscribes() {
		args = 0
	}
	if last := len(q.entries) - 1; last >= q.head && q.entries[last].command == c && q.entries[last].args == args {
		q.entries[last].count++
		return
	}
	if q.head == len(q.entries) {
		q.entries, q.head = q.entries[:0], 0
	} else if q.head > 64 && q.head > len(q.entries)/2 {
		q.entries, q.head = append(q.entries[:0], q.entries[q.head:]...), 0
	}
	q.entries = append(q.entries, entry{c, args, 1})
}

// first returns the command that is to be answered next.
func (q *queue) first() (entry, bool) {
	if q.head == len(q.entries) {
		return entry{}, false
	}
	return q.entries[q.head], true
}

func (q *queue) pop() {
	q.entries[q.head].count--
	if q.entries[q.head].count == 0 {
		q.head++
	}
}
