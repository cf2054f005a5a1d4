package ws

import (
	"errors"
	"strconv"
	"strings"
)

var errExtensions = errors.New("malformed Sec-WebSocket-Extensions")

// negotiate returns the answer to the first offer of permessage-deflate that can
// be accepted, and the window that it leaves us, or nothing. It does not use
// wsflate.Extension of gobwas/ws, which answers a parameter it does not like with an
// error that ends the handshake, where RFC 7692 has the server go on to the next
// offer, answers server_max_window_bits=10 with what it was configured for, and takes
// client_max_window_bits twice.
func negotiate(fields []string) (answer string, window uint8, err error) {
	for _, field := range fields {
		l := list{rest: field}
		for !l.atEnd() {
			if l.take(',') {
				continue // elements may be empty
			}
			o, ok := l.offer()
			if !ok || !l.atEnd() && !l.take(',') {
				return "", 0, errExtensions
			}
			if answer == "" {
				answer, window = o.answer()
			}
		}
	}
	return answer, window, nil
}

// offer is what is known about one offer of an extension.
type offer struct {
	declined bool
	seen     [4]bool // parameters, in the order of param's cases
	window   uint8   // the bits that our window may have, if the client has said that
}

// param takes a parameter of the offer; value is "" when it has none.
func (o *offer) param(name, value string) {
	i, ok := 0, false
	switch name {
	case "server_no_context_takeover":
		i, ok = 0, value == ""
	case "client_no_context_takeover":
		i, ok = 1, value == ""
	case "server_max_window_bits":
		o.window = windowBits(value)
		i, ok = 2, o.window != 0
	case "client_max_window_bits":
		// We decompress whatever the window was, and need not answer.
		i, ok = 3, value == "" || windowBits(value) != 0
	}
	if !ok || o.seen[i] {
		o.declined = true
	}
	o.seen[i] = true
}

// windowBits returns the size of a window that RFC 7692 allows, or 0.
func windowBits(value string) uint8 {
	n, err := strconv.ParseUint(value, 10, 8)
	if err != nil || value[0] == '0' || n < minWindow || n > maxWindow {
		return 0
	}
	return uint8(n)
}

// answer returns how the server accepts the offer, and its window, or nothing.
func (o *offer) answer() (string, uint8) {
	const accept = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
	switch {
	case o.declined:
		return "", 0
	case o.window != 0:
		return accept + "; server_max_window_bits=" + strconv.Itoa(int(o.window)), o.window
	}
	return accept, maxWindow
}

// list reads the value of a field by the grammar of RFC 6455, section 9.1.
type list struct{ rest string }

// atEnd skips space, and reports whether nothing else follows.
func (l *list) atEnd() bool {
	l.rest = strings.TrimLeft(l.rest, " \t")
	return l.rest == ""
}

// take reads c, and space before it, if it comes next.
func (l *list) take(c byte) bool {
	if l.atEnd() || l.rest[0] != c {
		return false
	}
	l.rest = l.rest[1:]
	return true
}

// offer reads the name of an extension and its parameters.
func (l *list) offer() (o offer, ok bool) {
	name := l.token()
	o.declined = name != "permessage-deflate"
	for ok = name != ""; ok && l.take(';'); {
		var value string
		name := l.token()
		ok = name != ""
		if ok && l.take('=') {
			value, ok = l.value()
		}
		o.param(name, value)
	}
	return o, ok
}

// token reads a token, and space before it. It returns "" when none comes next.
func (l *list) token() string {
	if l.atEnd() {
		return ""
	}
	n := 0
	for n < len(l.rest) && isTokenByte(l.rest[n]) {
		n++
	}
	token := l.rest[:n]
	l.rest = l.rest[n:]
	return token
}

// value reads a token that may be quoted.
func (l *list) value() (string, bool) {
	if !l.take('"') {
		token := l.token()
		return token, token != ""
	}
	var token []byte
	for i := 0; i < len(l.rest); i++ {
		c := l.rest[i]
		switch {
		case c == '"':
			l.rest = l.rest[i+1:]
			return string(token), len(token) > 0
		case c == '\\' && i+1 < len(l.rest):
			i++
			c = l.rest[i]
		}
		if !isTokenByte(c) {
			return "", false // RFC 6455 allows tokens only, also in quotes
		}
		token = append(token, c)
	}
	return "", false
}

func isTokenByte(c byte) bool {
	switch {
	case c >= '0' && c <= '9', c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z':
		return true
	}
	return strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0
}
