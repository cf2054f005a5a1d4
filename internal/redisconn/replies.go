package redisconn

import (
	"bytes"
	"fmt"
	"math"
	"strconv"
)

const (
	// maxElements is the maximum number of elements that a reply may declare. The map of
	// a Cluster in which each slot is a separate range needs a sixth of it.
	maxElements = 256 << 10
	maxDepth    = 16
	maxLine     = 64 << 10
	// keptText is how many bytes of a text are kept to check a reply.
	keptText = 256
	// keptElements is how many elements of a reply are kept to check it.
	keptElements = 4
)

// state says which part of a reply the next byte belongs to.
type state uint8

const (
	atType   state = iota
	inNumber       // a length or an integer
	inLine
	inBody // of a bulk string
	inBodyEnd
)

// text is the prefix of a string in a reply.
type text struct {
	size int
	kept [keptText]byte
}

func (t *text) add(b []byte) {
	if t.size < keptText {
		copy(t.kept[t.size:], b)
	}
	t.size += len(b)
}

func (t *text) bytes() []byte { return t.kept[:min(t.size, keptText)] }

func (t *text) is(s string) bool { return t.size == len(s) && string(t.bytes()) == s }

// replyParser parses replies byte by byte.
type replyParser struct {
	limit int

	state    state
	typ      byte // type of the current element
	negative bool
	digits   int // number of digits so far; in a line, the number of bytes
	number   int64
	last     byte // last byte of a number or line so far
	left     int  // remaining bytes of a bulk string
	current  *text

	size     int // size of the reply so far
	elements int // number of elements declared so far
	depth    int
	open     [maxDepth]int // remaining elements at each depth

	// The following fields describe a complete reply.
	top    byte // type; _ for nulls
	count  int  // number of elements, for an aggregate
	texts  [keptElements]text
	types  [keptElements]byte
	nested text // text of an error that is not among texts
}

func aggregate(typ byte) bool { return typ == '*' || typ == '%' || typ == '~' || typ == '>' }

// check parses the replies in b. It returns how many bytes may be passed on: all of
// them, or those before the reply that closes the connection.
func (c *Conn) check(b []byte) (good int, refused *Error) {
	p := &c.reply
	for at := 0; at < len(b); {
		if p.state == atType && p.depth == 0 {
			good = at
			if n := c.session.message(b[at:], p.limit); n > 0 {
				at += n
				continue
			}
		}
		n, whole, err := p.next(b[at:])
		if err == nil && whole {
			err = c.judge()
			p.size, p.elements = 0, 0
		}
		if err != nil {
			return good, err
		}
		at += n
	}
	return len(b), nil
}

// next consumes the next part of b, and returns its length and whether a reply is
// complete.
func (p *replyParser) next(b []byte) (n int, whole bool, err *Error) {
	done := false
	switch p.state {
	case atType:
		n, err = 1, p.start(b[0])
	case inNumber:
		n, done, err = p.digit(b)
	case inLine:
		n, done, err = p.line(b)
	case inBody:
		n = min(p.left, len(b))
		if p.current != nil {
			p.current.add(b[:n])
		}
		if p.left -= n; p.left == 0 {
			p.state, p.left = inBodyEnd, 2
		}
	case inBodyEnd:
		if b[0] != "\n\r"[p.left-1] {
			return 0, false, &Error{"bulk string longer than its declared length"}
		}
		n = 1
		p.left--
		done = p.left == 0
	}
	if p.size += n; p.size > p.limit {
		return 0, false, p.tooLong()
	}
	if err != nil || !done {
		return n, false, err
	}
	if (p.typ == '-' || p.typ == '!') && !redirects(p.current) {
		return 0, false, &Error{"redirection without an address"}
	}
	return n, p.finish(), nil
}

func (p *replyParser) tooLong() *Error {
	return &Error{fmt.Sprintf("reply or message larger than the limit of %d bytes", p.limit)}
}

// start begins an element.
func (p *replyParser) start(typ byte) *Error {
	p.typ, p.negative, p.digits, p.number, p.last, p.current = typ, false, 0, 0, 0, nil
	switch typ {
	case ':', '$', '=', '!', '*', '%', '~', '>':
		p.state = inNumber
	case '+', '-', ',', '(', '_', '#':
		p.state = inLine
	case '|', ';', '.':
		return &Error{fmt.Sprintf("unexpected element of type %q", typ)}
	default:
		return &Error{fmt.Sprintf("%q at the start of a reply or element; is this a Redis server?", typ)}
	}
	if typ == '>' && p.depth > 0 {
		return &Error{"push inside a reply"}
	}
	index := 0
	switch p.depth {
	case 0:
		p.top, p.count = typ, 0
		p.texts[0].size, p.texts[1].size, p.texts[2].size, p.texts[3].size = 0, 0, 0, 0
		p.types = [keptElements]byte{}
	case 1:
		index = p.count - p.open[0]
	default:
		index = keptElements
	}
	if index < keptElements {
		p.types[index] = typ
		p.current = &p.texts[index]
	} else if typ == '-' || typ == '!' {
		p.nested.size = 0
		p.current = &p.nested
	}
	return nil
}

// digit consumes a number and its line end.
func (p *replyParser) digit(b []byte) (n int, done bool, err *Error) {
	for n < len(b) {
		ch := b[n]
		n++
		switch {
		case ch >= '0' && ch <= '9' && p.last != '\r':
			d := int64(ch - '0')
			if p.number > (math.MaxInt64-d)/10 {
				return n, false, &Error{"number of more than 63 bits"}
			}
			p.number = p.number*10 + d
			p.digits++
			if p.digits > 19 {
				return n, false, &Error{"number of more than 19 digits"}
			}
			if p.typ != ':' {
				err = p.length(p.number)
			}
		case ch == '-' && p.last == 0:
			p.negative = true
		case ch == '\r' && p.digits > 0 && p.last != '\r':
		case ch == '\n' && p.last == '\r':
			done, err = p.numbered()
			return n, done, err
		default:
			return n, false, &Error{fmt.Sprintf("invalid character %q in a number", ch)}
		}
		if err != nil {
			return n, false, err
		}
		p.last = ch
	}
	return n, false, nil
}

// length checks a length, which may be incomplete.
func (p *replyParser) length(n int64) *Error {
	most := int64(maxElements - p.elements)
	switch p.typ {
	case '%':
		most /= 2
	case '*', '~', '>':
	default:
		if n > int64(p.limit-p.size) {
			return p.tooLong()
		}
		return nil
	}
	if n > most {
		return &Error{fmt.Sprintf("reply of more than %d elements", maxElements)}
	}
	return nil
}

// numbered handles a complete number: the element is done, or its content follows.
func (p *replyParser) numbered() (done bool, err *Error) {
	n := int(p.number)
	switch {
	case p.typ == ':':
		return true, nil
	case p.negative && p.number == 1 && (p.typ == '$' || p.typ == '*'): // a RESP2 null
		if p.depth == 0 {
			p.top = '_'
		} else if i := p.count - p.open[0]; p.depth == 1 && i < keptElements {
			p.types[i] = '_'
		}
		return true, nil
	case p.negative:
		return false, &Error{"negative length"}
	case !aggregate(p.typ) && n == 0:
		p.state, p.left = inBodyEnd, 2
		return false, nil
	case !aggregate(p.typ):
		p.state, p.left = inBody, n
		return false, nil
	}
	if p.typ == '%' {
		n *= 2
	}
	p.elements += n
	if p.depth == 0 {
		p.count = n
	}
	if n == 0 {
		return true, nil
	}
	if p.depth == maxDepth {
		return false, &Error{fmt.Sprintf("reply nested deeper than %d", maxDepth)}
	}
	p.open[p.depth] = n
	p.depth++
	p.state = atType
	return false, nil
}

// line consumes a line of text, or as much of it as b holds.
func (p *replyParser) line(b []byte) (n int, done bool, err *Error) {
	end := bytes.IndexByte(b, '\n')
	if done = end >= 0; !done {
		end = len(b)
	}
	p.digits += end // the length of the line
	if p.current != nil {
		p.current.add(b[:end])
	}
	if end > 0 {
		p.last = b[end-1]
	}
	switch {
	case (p.typ == '#' || p.typ == '_') && !p.fixed(done):
		// The client reads as many bytes as such an element should have, so an excess
		// byte must be rejected before the end of the line.
		return end, false, &Error{fmt.Sprintf("malformed element of type %q", p.typ)}
	case p.digits > maxLine:
		return end, false, &Error{fmt.Sprintf("line of more than %d bytes", maxLine)}
	case !done:
		return end, false, nil
	case p.digits == 0 || p.last != '\r':
		return end, false, &Error{"line without CR at its end"}
	}
	if p.current != nil {
		p.current.size-- // the CR
	}
	return end + 1, true, nil
}

// fixed reports whether an element of a fixed size is valid: a boolean has one byte, and a
// null none. An incomplete one may have fewer bytes.
func (p *replyParser) fixed(complete bool) bool {
	line := 1 // with the CR
	if p.typ == '#' {
		line = 2
	}
	if p.digits == line {
		return p.last == '\r'
	}
	return p.digits < line && !complete
}

// finish ends an element and all aggregates that it completes. It reports whether the
// reply is complete.
func (p *replyParser) finish() (whole bool) {
	p.state = atType
	for ; p.depth > 0; p.depth-- {
		p.open[p.depth-1]--
		if p.open[p.depth-1] > 0 {
			return false
		}
	}
	return true
}

// describe describes a reply for an error message, without text that may be a payload.
func (p *replyParser) describe() string {
	switch p.top {
	case '+', '-':
		t := p.texts[0].bytes()
		return string(p.top) + strconv.QuoteToASCII(string(t[:min(len(t), 64)]))
	case '_':
		return "null"
	case ':':
		return "an integer"
	case '>':
		return "a push of " + strconv.Itoa(p.count) + " elements"
	case '*', '~', '%':
		return "an aggregate of " + strconv.Itoa(p.count) + " elements"
	}
	return "a value of type " + strconv.QuoteRune(rune(p.top))
}
