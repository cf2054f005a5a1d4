package ws

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/gobwas/ws"
)

// Upgrade turns an HTTP/1.1 request into a WebSocket connection. It returns the
// connection, the bytes that the client has sent ahead, and whether messages may
// be compressed on it in both directions (permessage-deflate, RFC 7692): if
// deflate says so and the client has offered it in a way that we can do. When the
// request is no valid handshake it has answered with the HTTP error: 426 for a
// request that does not ask for an upgrade or asks for another version, 400 or 405
// otherwise.
//
// Over TLS, a text in which a secret stands beside what somebody else may choose
// should not be compressed: its length tells how much the two are alike.
func Upgrade(w http.ResponseWriter, r *http.Request, deflate bool) (nc net.Conn, early []byte, deflated bool, err error) {
	if !asksForWebSocket(r) || r.ProtoMajor != 1 {
		if r.ProtoMajor == 1 { // HTTP/2 has no such fields
			w.Header().Set("Upgrade", "websocket")
			w.Header().Set("Connection", "Upgrade")
		}
		w.Header().Set("Sec-WebSocket-Version", "13")
		http.Error(w, "This address speaks WebSocket (RFC 6455, over HTTP/1.1).", http.StatusUpgradeRequired)
		return nil, nil, false, fmt.Errorf("request is no WebSocket handshake")
	}
	if r.Method != http.MethodGet {
		// Before the connection is taken from net/http, which reads the body: closing
		// with that unread could destroy the answer.
		w.Header().Set("Allow", http.MethodGet)
		http.Error(w, "A WebSocket handshake is a GET request.", http.StatusMethodNotAllowed)
		return nil, nil, false, fmt.Errorf("websocket handshake: method %.20q", r.Method)
	}
	var up ws.HTTPUpgrader
	if deflate {
		answer, err := negotiate(r.Header.Values(extensionsField))
		if err != nil {
			// RFC 6455, section 9.1 does not allow to overlook it.
			http.Error(w, "The field "+extensionsField+" is malformed.", http.StatusBadRequest)
			return nil, nil, false, fmt.Errorf("websocket handshake: %w", err)
		}
		if deflated = answer != ""; deflated {
			up.Header = http.Header{extensionsField: {answer}}
		}
	}
	nc, rw, _, err := up.Upgrade(r, w)
	if err != nil {
		if nc != nil {
			_ = nc.Close() // hijacked and refused: nobody else will close it
		}
		return nil, nil, false, fmt.Errorf("websocket handshake: %w", err)
	}
	if err := nc.SetDeadline(time.Time{}); err != nil { // net/http's own
		_ = nc.Close()
		return nil, nil, false, fmt.Errorf("websocket handshake: %w", err)
	}
	if n := rw.Reader.Buffered(); n > 0 {
		b, _ := rw.Reader.Peek(n)
		early = append(early, b...)
	}
	return nc, early, deflated, nil
}

func asksForWebSocket(r *http.Request) bool {
	for _, v := range r.Header.Values("Upgrade") {
		for token := range strings.SplitSeq(v, ",") {
			if strings.EqualFold(strings.TrimSpace(token), "websocket") {
				return true
			}
		}
	}
	return false
}

// extensionsField holds the extensions that a client offers and those that the
// server takes.
const extensionsField = "Sec-WebSocket-Extensions"

var errExtensions = errors.New("malformed " + extensionsField)

// negotiate returns the answer to the first offer of permessage-deflate that can
// be accepted, or nothing. It does not use wsflate.Extension of gobwas/ws, which
// answers a parameter it does not like with an error that ends the handshake,
// where RFC 7692 has the server go on to the next offer, answers
// server_max_window_bits=10 with what it was configured for, and takes
// client_max_window_bits twice.
func negotiate(fields []string) (answer string, err error) {
	for _, field := range fields {
		l := list{rest: field}
		for !l.atEnd() {
			if l.take(',') {
				continue // elements may be empty
			}
			o, ok := l.offer()
			if !ok || !l.atEnd() && !l.take(',') {
				return "", errExtensions
			}
			if answer == "" {
				answer = o.answer()
			}
		}
	}
	return answer, nil
}

// offer is what is known about one offer of an extension.
type offer struct {
	declined   bool
	seen       [4]bool // parameters, in the order of param's cases
	fullWindow bool    // the client wants to hear that the server's is 32 KB
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
		// compress/flate cannot be told to look back less far.
		i, ok = 2, value == "15"
		o.fullWindow = true
	case "client_max_window_bits":
		// We decompress whatever the window was, and need not answer.
		i, ok = 3, value == "" || validWindow(value)
	}
	if !ok || o.seen[i] {
		o.declined = true
	}
	o.seen[i] = true
}

func validWindow(bits string) bool {
	switch bits {
	case "8", "9", "10", "11", "12", "13", "14", "15":
		return true
	}
	return false
}

// answer returns how the server accepts the offer, or nothing.
func (o *offer) answer() string {
	const accept = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
	switch {
	case o.declined:
		return ""
	case o.fullWindow:
		return accept + "; server_max_window_bits=15"
	}
	return accept
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
