package redisconn

import "bytes"

// command classifies commands by the replies that they may get.
type command uint8

const (
	other command = iota // may get any reply
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
	unsubscribe // and PUNSUBSCRIBE and SUNSUBSCRIBE
)

// names are the names of the commands in error messages.
var names = [...]string{
	other: "a command", ping: "PING", auth: "AUTH", selectDB: "SELECT", client: "CLIENT", readonly: "READONLY",
	hello: "HELLO", publish: "PUBLISH", role: "ROLE", masterAddr: "SENTINEL GET-MASTER-ADDR-BY-NAME",
	subscribe: "SUBSCRIBE", psubscribe: "PSUBSCRIBE", ssubscribe: "SSUBSCRIBE", unsubscribe: "UNSUBSCRIBE",
}

func (c command) subscribes() bool { return c >= subscribe && c <= ssubscribe }

// commandNamed returns the command with the given name. The client writes names in upper
// case.
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

// commandParser parses the commands that the client writes. They are arrays of bulk
// strings, which may arrive in pieces of any size.
type commandParser struct {
	args     int     // number of arguments, from the header; 0 before the header
	arg      int     // index of the current argument
	header   int     // length of the current header so far
	number   int     // value of the number in the header so far
	left     int     // remaining bytes of the argument, line end included
	command  command // known after the first argument
	previous command
	word     [32]byte
	wordLen  int // length of the argument so far; if over len(word), word is incomplete
}

// follow records the commands in b.
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
		case p.header > 0 && ch >= '0' && ch <= '9' && p.number <= 1<<27: // so that the number fits into 32 bits
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
			return &Error{"the client wrote something that is not a command"}
		}
		b = b[1:]
	}
	return nil
}

// body consumes the part of the argument that is in b, and returns its length.
func (p *commandParser) body(b []byte) int {
	n := min(p.left, len(b))
	if p.arg < 2 { // the name, and the argument that may determine the command
		text := b[:max(0, min(n, p.left-2))]
		if p.wordLen < len(p.word) {
			copy(p.word[p.wordLen:], text)
		}
		p.wordLen += len(text)
	}
	p.left -= n
	return n
}

// argument records that an argument is complete.
func (c *Conn) argument() {
	p := &c.written
	word := p.word[:min(p.wordLen, len(p.word))]
	switch {
	case p.arg == 0:
		p.command = commandNamed(word)
		if p.command == other && bytes.Equal(word, []byte("SENTINEL")) {
			p.command = masterAddr // unless the next argument differs
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
		// The client sends this one itself, as part of UNSUBSCRIBE.
	case p.command >= subscribe:
		c.session.subscribed |= 1 << p.command
		fallthrough
	default:
		c.waiting.put(p.command, p.arg-1)
	}
	p.previous = p.command
}

// queue holds the commands that wait for their replies, oldest first. Equal
// consecutive commands share an entry.
type queue struct {
	entries []entry
	head    int
}

type entry struct {
	command
	args  int // number of arguments of a command that subscribes
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

// first returns the command that the next reply belongs to.
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
