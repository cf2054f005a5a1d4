package redisconn

import (
	"bytes"
	"strconv"
	"strings"
)

// session is the state that the connection's next reply depends on.
type session struct {
	resp3      bool
	subscribed uint32 // one bit for each kind of subscribe command that was written
	// confirmations is the number of outstanding confirmations of the command
	// confirming.
	confirming    command
	confirmations int
	// pong is set after an error in reply to UNSUBSCRIBE. The reply to the client's PING
	// must be next.
	pong bool
}

func (s *session) wrote(c command) bool { return s.subscribed&(1<<c) != 0 }

// Prefixes of the most frequent messages.
const (
	messageStart  = ">3\r\n$7\r\nmessage\r\n"
	pmessageStart = ">4\r\n$8\r\npmessage\r\n"
)

// message returns the size of the message at the start of b, or 0 if that is not a complete,
// valid message that it recognizes and the parser must check it. The parser would always give
// the same result, but takes ten times as long.
func (s *session) message(b []byte, limit int) int {
	at, strings := 0, 0
	switch {
	case !s.resp3:
		return 0
	case len(b) > len(pmessageStart) && string(b[:len(pmessageStart)]) == pmessageStart && s.wrote(psubscribe):
		at, strings = len(pmessageStart), 3
	case len(b) > len(messageStart) && string(b[:len(messageStart)]) == messageStart && s.wrote(subscribe):
		at, strings = len(messageStart), 2
	default:
		return 0
	}
	for i := range strings {
		if at >= len(b) || b[at] != '$' {
			return 0
		}
		n := 0
		from := at + 1
		for at = from; at < len(b) && at < from+8 && b[at]-'0' < 10; at++ {
			n = n*10 + int(b[at]-'0')
		}
		end := at + 2 + n
		if at == from || end+2 > len(b) || b[at] != '\r' || b[at+1] != '\n' || b[end] != '\r' || b[end+1] != '\n' {
			return 0
		}
		if i == 0 && strings == 2 && n > 0 && (b[at+2] == '+' || b[at+2] == '-') {
			return 0 // may be an event of a Sentinel
		}
		at = end + 2
	}
	if at > limit {
		return 0
	}
	return at
}

// judge checks a complete reply.
func (c *Conn) judge() *Error {
	p, s := &c.reply, &c.session
	if p.top == '>' && !s.resp3 {
		return &Error{"push without RESP3"}
	}
	if p.top != '>' && (s.resp3 || !aggregate(p.top)) {
		return c.answer()
	}
	kind := p.texts[0].bytes()
	if k, ok := pushes[string(kind)]; ok {
		return c.push(k)
	}
	if p.top == '>' {
		return &Error{"unexpected push of type " + strconv.QuoteToASCII(string(kind[:min(len(kind), 32)]))}
	}
	return c.answer()
}

// redirects reports whether an error that redirects the client has an address, within the
// part of the text that is kept. It returns true for all other errors.
func redirects(t *text) bool {
	b := bytes.TrimPrefix(t.bytes(), []byte("ERR "))
	want := 0
	switch {
	case bytes.HasPrefix(b, []byte("MOVED")), bytes.HasPrefix(b, []byte("ASK")):
		want = 3
	case bytes.HasPrefix(b, []byte("REDIRECT")):
		want = 2
	}
	return want == 0 || fields(b) >= want
}

// fields counts the elements that strings.Split(text, " ") would return.
func fields(b []byte) int { return bytes.Count(b, []byte(" ")) + 1 }

// push describes a kind of push.
type push struct {
	of       command // the command that must have been written
	elements int
	confirms bool
	ends     bool // the push ends a subscription, possibly without a command
}

var pushes = map[string]push{
	"message":      {of: subscribe, elements: 3},
	"pmessage":     {of: psubscribe, elements: 4},
	"smessage":     {of: ssubscribe, elements: 3},
	"subscribe":    {of: subscribe, elements: 3, confirms: true},
	"psubscribe":   {of: psubscribe, elements: 3, confirms: true},
	"ssubscribe":   {of: ssubscribe, elements: 3, confirms: true},
	"unsubscribe":  {of: subscribe, elements: 3, ends: true},
	"punsubscribe": {of: psubscribe, elements: 3, ends: true},
	"sunsubscribe": {of: ssubscribe, elements: 3, ends: true},
}

func (c *Conn) push(k push) *Error {
	p, s := &c.reply, &c.session
	what := string(p.texts[0].bytes())
	if p.count != k.elements || p.types[0] != '$' && p.types[0] != '+' {
		return &Error{"malformed push of type " + what}
	}
	if !s.wrote(k.of) && !(k.ends && s.wrote(unsubscribe)) {
		return &Error{"push of type " + what + " without a subscription"}
	}
	switch t := &p.types; {
	case !k.confirms && !k.ends:
		if t[1] != '$' || t[2] != '$' || k.elements > 3 && t[3] != '$' || !p.event() {
			return &Error{"malformed push of type " + what}
		}
		return nil
	case t[1] != '$' && !(k.ends && t[1] == '_') || t[2] != ':':
		return &Error{"malformed push of type " + what}
	case s.pong:
		return &Error{"push of type " + what + " instead of the reply to PING"}
	case s.confirmations > 0 && (k.ends || s.confirming != k.of):
		return &Error{"push of type " + what + " while confirmations of " + names[s.confirming] + " are outstanding"}
	case k.ends:
		return nil
	case s.confirmations > 0:
		s.confirmations--
		return nil
	}
	first, ok := c.waiting.first()
	if !ok || first.command != k.of {
		return &Error{"push of type " + what + " that no command has requested"}
	}
	s.confirming, s.confirmations = k.of, first.args-1
	c.waiting.pop()
	return nil
}

// event reports whether a Sentinel's event has the fields that the client reads. It
// returns true for all other messages.
func (p *replyParser) event() bool {
	channel, body := p.texts[1].bytes(), p.texts[2].bytes()
	if p.count != 3 || len(channel) == 0 || channel[0] != '+' && channel[0] != '-' {
		return true
	}
	want := 0
	slave := bytes.HasPrefix(body, []byte("slave "))
	switch string(channel) {
	case "+sentinel":
		want = 4
	case "+switch-master":
		want = 5
	case "+reboot":
		if want = 4; slave {
			want = 6
		}
	case "+slave", "+sdown", "-sdown":
		if slave {
			want = 6
		}
	}
	return fields(body) >= want
}

// answer checks a reply to a command.
func (c *Conn) answer() *Error {
	p, s := &c.reply, &c.session
	first, ok := c.waiting.first()
	switch {
	case s.pong:
		if !p.isPong() {
			return &Error{"unexpected reply to PING: " + p.describe()}
		}
		s.pong = false
		return nil
	case s.confirmations > 0:
		return &Error{"unexpected reply to " + names[s.confirming] + ": " + p.describe()}
	case !ok:
		return &Error{"unrequested reply: " + p.describe()}
	case !c.fits(first.command):
		return &Error{"unexpected reply to " + names[first.command] + ": " + p.describe()}
	}
	s.pong = first.command == unsubscribe && !p.isPong()
	c.waiting.pop()
	return nil
}

// fits reports whether the reply is valid for the command.
func (c *Conn) fits(to command) bool {
	p, s := &c.reply, &c.session
	failed := p.top == '-' || p.top == '!'
	pong := p.texts[0].is("pong") && p.count == 2 && p.types[1] == '$'
	switch {
	case to.subscribes():
		return failed && !p.texts[0].is("QUEUED")
	case to == unsubscribe:
		return p.isPong() || p.top == '-' && p.texts[0].size <= keptText && !p.texts[0].is("QUEUED") && !p.texts[0].is("PONG")
	case aggregate(p.top) && !s.resp3 && s.subscribed != 0:
		return to == ping && p.top == '*' && pong
	case failed, p.top == '+' && p.texts[0].is("QUEUED"):
		return true
	}
	switch to {
	case ping:
		return p.top == '+' || p.top == '$' || p.top == '*' && pong
	case auth, selectDB, readonly:
		return p.top == '+'
	case client:
		return !aggregate(p.top)
	case publish:
		return p.top == ':'
	case hello:
		return p.top == '%' || p.top == '*'
	case role:
		return p.top == '*' && p.count > 0
	case masterAddr:
		return p.top == '_' || p.top == '*' && p.count >= 2
	}
	return true
}

// isPong reports whether the client treats the reply as the answer to the PING that it sends
// after UNSUBSCRIBE. It also does so with some errors, which it recognizes by their text.
func (p *replyParser) isPong() bool {
	t := &p.texts[0]
	switch p.top {
	case '+':
		return t.is("PONG")
	case '*':
		return t.is("pong")
	case '-':
		b := t.bytes()
		return t.size <= keptText && (bytes.HasPrefix(b, []byte("LOADING")) || bytes.HasPrefix(b, []byte("BUSY")) ||
			strings.Contains(string(b), "'ping'"))
	}
	return false
}
