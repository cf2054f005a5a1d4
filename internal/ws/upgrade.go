package ws

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// Terms say what a handshake may agree on.
type Terms struct {
	// Deflate allows compression (permessage-deflate, RFC 7692), if the client
	// offers it in a way that we can do. Over TLS, a text in which a secret stands
	// beside what somebody else may choose should not be compressed: its length
	// tells how much the two are alike.
	Deflate bool
	// Accept decides on a request that is a valid handshake. It returns the
	// subprotocol to speak, which is "" for the first that the client offers, or why
	// the request is refused. Nil: every request is accepted.
	Accept func(r *http.Request) (subprotocol string, refused *HandshakeError)
}

// HandshakeError says why a request did not become a connection.
type HandshakeError struct {
	// Status is what the client was answered: 400, 405 or 426 if the request is at
	// fault, and 500 if the server is. 0: nothing could be answered, and the caller
	// has to panic with http.ErrAbortHandler, or the client is left with a connection
	// that nobody serves. 101: the client was gone before it had the whole answer.
	Status int
	// Reason is one of a few texts, none of which holds anything that the client sent.
	Reason string
	// Text is what the client is told, in place of a text made of Reason.
	Text string
	// Err is the error that led to it, if there was one.
	Err error
}

func (e *HandshakeError) Error() string {
	if e.Err != nil {
		return "WebSocket handshake: " + e.Reason + ": " + e.Err.Error()
	}
	return "WebSocket handshake: " + e.Reason
}

func (e *HandshakeError) Unwrap() error { return e.Err }

// ServerFault reports whether the request was in order, and the program that
// serves it is not.
func (e *HandshakeError) ServerFault() bool {
	return e.Status == 0 || e.Status >= http.StatusInternalServerError
}

// Upgrade turns an HTTP/1.1 request into a WebSocket connection. It returns the
// connection, the bytes that the client has sent ahead, and the window for
// [NewConn]. The error is a [*HandshakeError], and then the request has been
// answered: everything is decided before the connection is taken from net/http, so
// that whatever wraps w learns the status that the client gets, also if that is 101.
func Upgrade(w http.ResponseWriter, r *http.Request, terms Terms) (nc net.Conn, early []byte, window uint8, err error) {
	a, refused := terms.judge(r)
	if refused == nil {
		refused = hijackable(w)
	}
	if refused != nil {
		refused.answer(w, r)
		return nil, nil, 0, refused
	}
	nc, early, err = a.enact(w)
	return nc, early, a.window, err
}

// answer tells the client that its request is refused.
func (e *HandshakeError) answer(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	text := "This is not a WebSocket handshake (RFC 6455): " + e.Reason + "."
	switch e.Status {
	case http.StatusUpgradeRequired:
		if r.ProtoMajor == 1 { // HTTP/2 has no such fields
			h.Set("Upgrade", "websocket")
			h.Set("Connection", "Upgrade")
		}
		h.Set("Sec-WebSocket-Version", version)
		text = "This address speaks WebSocket (RFC 6455, over HTTP/1.1): " + e.Reason + "."
	case http.StatusMethodNotAllowed:
		h.Set("Allow", http.MethodGet)
	case http.StatusInternalServerError:
		text = "The server cannot open WebSocket connections." // the reason is the server's own affair
	}
	if e.Text != "" {
		text = e.Text
	}
	http.Error(w, text, e.Status)
}

// hijackable returns why the connection of w cannot be taken over, as far as that
// can be known before it is tried.
func hijackable(w http.ResponseWriter) *HandshakeError {
	for {
		switch v := w.(type) {
		case http.Hijacker:
			return nil
		case interface{ Unwrap() http.ResponseWriter }:
			w = v.Unwrap()
		default:
			return &HandshakeError{
				Status: http.StatusInternalServerError,
				Reason: "middleware keeps the connection from being taken over",
				Err:    fmt.Errorf("give %T a method Unwrap() http.ResponseWriter, or Hijack, or do without it here", w),
			}
		}
	}
}

// agreement is what a handshake has come to.
type agreement struct {
	digest     string // of the client's key
	protocol   string // "": none
	extensions string // "": none
	window     uint8  // see NewConn
}

// enact answers 101 and takes the connection from net/http, which sends the
// answer when the connection is taken.
func (a *agreement) enact(w http.ResponseWriter) (nc net.Conn, early []byte, err error) {
	a.fill(w.Header())
	w.WriteHeader(http.StatusSwitchingProtocols)
	// Some middleware keeps the status to itself until a body is written, or for
	// longer: gin, and much of what compresses. Net/http refuses this byte, because 101
	// has no body, and so it has the status. If it does not refuse, it doesn't.
	_, err = w.Write([]byte{'\n'})
	arrived := errors.Is(err, http.ErrBodyNotAllowed)
	nc, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		// Nothing was sent yet, and no other status can be.
		return nil, nil, &HandshakeError{Reason: "taking over the connection failed", Err: err}
	}
	err = nc.SetDeadline(time.Time{}) // net/http's own
	if err == nil && !arrived {
		err = a.send(rw.Writer, w.Header())
	}
	if err != nil {
		_ = nc.Close() // nobody else will
		return nil, nil, &HandshakeError{Status: http.StatusSwitchingProtocols, Reason: "the client was gone before it was answered", Err: err}
	}
	if n := rw.Reader.Buffered(); n > 0 {
		b, _ := rw.Reader.Peek(n)
		early = append(early, b...)
	}
	return nc, early, nil
}

// fill puts the fields of the answer in h. What middleware has set goes out too,
// unless it describes a body, or says what only the handshake may. The names are
// written as RFC 6455 does, not as package http would: some clients compare them.
func (a *agreement) fill(h http.Header) {
	if len(h) > 0 {
		for _, name := range [...]string{
			"Content-Encoding", "Content-Length", "Content-Type", "Trailer", "Transfer-Encoding",
			"Sec-Websocket-Accept", "Sec-Websocket-Extensions", "Sec-Websocket-Protocol", "Sec-Websocket-Version",
		} {
			delete(h, name)
		}
	}
	if _, set := h["Date"]; !set {
		h["Date"] = nil // keeps net/http from adding one
	}
	values := []string{"websocket", "Upgrade", a.digest, a.protocol, a.extensions}
	for i, name := range [...]string{
		"Upgrade", "Connection", "Sec-WebSocket-Accept", "Sec-WebSocket-Protocol", "Sec-WebSocket-Extensions",
	} {
		if values[i] != "" {
			h[name] = values[i : i+1 : i+1]
		}
	}
}

// send writes the answer to a connection that was taken without it.
func (a *agreement) send(w *bufio.Writer, h http.Header) error {
	a.fill(h) // again: the byte may have made something of it
	_, _ = io.WriteString(w, "HTTP/1.1 101 Switching Protocols\r\n")
	_ = h.Write(w)
	_, _ = io.WriteString(w, "\r\n")
	return w.Flush() // which returns what has gone wrong before
}
