package ws

import (
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/gobwas/ws"
)

// Upgrade turns an HTTP/1.1 request into a WebSocket connection. It returns the
// connection, the bytes that the client has sent ahead, and the window for [NewConn]:
// messages may be compressed on it in both directions (permessage-deflate, RFC 7692)
// if deflate says so and the client has offered it in a way that we can do. When the
// request is no valid handshake it has answered with the HTTP error: 426 for a
// request that does not ask for an upgrade or asks for another version, 400 or 405
// otherwise.
//
// Over TLS, a text in which a secret stands beside what somebody else may choose
// should not be compressed: its length tells how much the two are alike.
func Upgrade(w http.ResponseWriter, r *http.Request, deflate bool) (nc net.Conn, early []byte, window uint8, err error) {
	if !asksForWebSocket(r) || r.ProtoMajor != 1 {
		if r.ProtoMajor == 1 { // HTTP/2 has no such fields
			w.Header().Set("Upgrade", "websocket")
			w.Header().Set("Connection", "Upgrade")
		}
		w.Header().Set("Sec-WebSocket-Version", "13")
		http.Error(w, "This address speaks WebSocket (RFC 6455, over HTTP/1.1).", http.StatusUpgradeRequired)
		return nil, nil, 0, fmt.Errorf("request is no WebSocket handshake")
	}
	if r.Method != http.MethodGet {
		// Before the connection is taken from net/http, which reads the body: closing
		// with that unread could destroy the answer.
		w.Header().Set("Allow", http.MethodGet)
		http.Error(w, "A WebSocket handshake is a GET request.", http.StatusMethodNotAllowed)
		return nil, nil, 0, fmt.Errorf("websocket handshake: method %.20q", r.Method)
	}
	var up ws.HTTPUpgrader
	if deflate {
		var answer string
		var err error
		answer, window, err = negotiate(r.Header.Values(extensionsField))
		if err != nil {
			// RFC 6455, section 9.1 does not allow to overlook it.
			http.Error(w, "The field "+extensionsField+" is malformed.", http.StatusBadRequest)
			return nil, nil, 0, fmt.Errorf("websocket handshake: %w", err)
		}
		if answer != "" {
			up.Header = http.Header{extensionsField: {answer}}
		}
	}
	nc, rw, _, err := up.Upgrade(r, w)
	if err != nil {
		if nc != nil {
			_ = nc.Close() // hijacked and refused: nobody else will close it
		}
		return nil, nil, 0, fmt.Errorf("websocket handshake: %w", err)
	}
	if err := nc.SetDeadline(time.Time{}); err != nil { // net/http's own
		_ = nc.Close()
		return nil, nil, 0, fmt.Errorf("websocket handshake: %w", err)
	}
	if n := rw.Reader.Buffered(); n > 0 {
		b, _ := rw.Reader.Peek(n)
		early = append(early, b...)
	}
	return nc, early, window, nil
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
