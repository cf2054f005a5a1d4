package ws

import (
	"errors"
	"strconv"
	"strings"
)

var errExtensions = errors.New("malformed Sec-WebSocket-Extensions")

// negotiate returns the answer to the first acceptable offer of permessage-deflate and
// the window for outgoing messages in bits, or "" if no offer is acceptable. It does not
// use wsflate.Extension of gobwas/ws: if that does not accept a parameter, it fails the
// handshake, although RFC 7692 requires the server to try the next offer. It also answers
// server_max_window_bits=10 with its own configured value, and it accepts
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

// offer is one offer of an extension.
type offer struct {
	declined bool
	seen     [4]bool // parameters seen, in the order of param's cases
	window   uint8   // maximum window of outgoing messages, in bits; 0 if the client did not say
}

// param handles a parameter of the offer. value is "" for a parameter without a value.
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
		// The server can decompress messages of any window, so no answer is required.
		i, ok = 3, value == "" || windowBits(value) != 0
	}
	if !ok || o.seen[i] {
		o.declined = true
	}
	o.seen[i] = true
}

// windowBits returns a window size that RFC 7692 allows, or 0.
func windowBits(value string) uint8 {
	n, err := strconv.ParseUint(value, 10, 8)
	if err != nil || value[0] == '0' || n < minWindow || n > maxWindow {
		return 0
	}
	return uint8(n)
}

// answer returns the answer that accepts the offer, and its window, or "".
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

// list parses a field value by the grammar of RFC 6455, section 9.1.
type list struct{ rest string }

// atEnd skips white space and reports whether nothing else follows.
func (l *list) atEnd() bool {
	l.rest = strings.TrimLeft(l.rest, " \t")
	return l.rest == ""
}

// take consumes optional white space and c, and reports whether c came next.
func (l *list) take(c byte) bool {
	if l.atEnd() || l.rest[0] != c {
		return false
	}
	l.rest = l.rest[1:]
	return true
}

// offer parses the name of an extension and its parameters.
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

// token parses a token after optional white space. It returns "" if there is none.
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

// value parses a token that may be quoted.
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
			return "", false // RFC 6455 allows only tokens, even in quotes
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
