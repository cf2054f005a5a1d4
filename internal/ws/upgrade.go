package ws

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"reflect"
	"time"
)

// Terms holds what a handshake may agree on.
type Terms struct {
	// Deflate allows compression (permessage-deflate, RFC 7692) if the client makes an
	// offer that the server can accept. Over TLS, do not compress texts that contain
	// both a secret and data chosen by an attacker: the compressed length reveals how
	// similar the two are.
	Deflate bool
	// Accept, if not nil, is called with each request that is a valid handshake. It
	// returns the subprotocol to use, or "" for the first one that the client offers, or
	// the reason to refuse the request.
	Accept func(r *http.Request) (subprotocol string, refused *HandshakeError)
}

// HandshakeError says why a request did not become a WebSocket connection.
type HandshakeError struct {
	// Status is the HTTP status sent to the client. Unless Accept returned another one,
	// it is 400, 405 or 426 if the request is at fault, and 500 if the server is. If it
	// is 0, nothing could be sent, and the caller must panic with http.ErrAbortHandler,
	// or the client is left with a connection that is not served. If it is 101, the
	// client was gone before it received the whole response.
	Status int
	// Reason says what is wrong. This package uses a fixed set of texts, which contain
	// nothing that the client sent.
	Reason string
	// Text, if not empty, is sent to the client instead of a text that contains Reason.
	Text string
	// Err is the underlying error, if any.
	Err error
}

func (e *HandshakeError) Error() string {
	if e.Err != nil {
		return "WebSocket handshake: " + e.Reason + ": " + e.Err.Error()
	}
	return "WebSocket handshake: " + e.Reason
}

func (e *HandshakeError) Unwrap() error { return e.Err }

// ServerFault reports whether the server is at fault rather than the client.
func (e *HandshakeError) ServerFault() bool {
	return e.Status == 0 || e.Status >= http.StatusInternalServerError
}

// Upgrade turns an HTTP/1.1 request into a WebSocket connection. It returns the
// connection, the bytes that the client has already sent, and the window for [NewConn].
// Any error is a [*HandshakeError]; its Status says how the request was answered. Upgrade
// decides everything before it takes the connection from net/http, so that middleware that
// wraps w sees the status that the client gets, even if that is 101.
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
		text = "The server cannot open WebSocket connections." // the reason is for the server's log
	}
	if e.Text != "" {
		text = e.Text
	}
	http.Error(w, text, e.Status)
}

// hijackable returns the reason why w's connection cannot be taken over, if that can be
// known without trying.
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
				Err:    fmt.Errorf("give %T a method Unwrap() http.ResponseWriter or Hijack, or do not use it for this handler", w),
			}
		}
	}
}

// agreement is the outcome of a handshake.
type agreement struct {
	digest     string // answer to the client's key
	protocol   string // "" for none
	extensions string // "" for none
	window     uint8  // see NewConn
}

// enact takes the connection from net/http and answers with status 101. If net/http has been
// given that status, it sends the response itself when the connection is taken.
func (a *agreement) enact(w http.ResponseWriter) (nc net.Conn, early []byte, err error) {
	arrived := false
	if !unwrapped(w) {
		a.fill(w.Header())
		arrived = announce(w)
	}
	nc, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		// Nothing has been sent, and it may be too late for another status.
		return nil, nil, &HandshakeError{Reason: "taking over the connection failed", Err: err}
	}
	err = nc.SetDeadline(time.Time{}) // clears net/http's deadline
	if err == nil && !arrived {
		err = a.send(rw.Writer, w.Header())
	}
	if err != nil {
		_ = nc.Close() // net/http no longer closes it
		return nil, nil, &HandshakeError{Status: http.StatusSwitchingProtocols, Reason: "the client was gone before it was answered", Err: err}
	}
	if n := rw.Reader.Buffered(); n > 0 {
		b, _ := rw.Reader.Peek(n)
		early = append(early, b...)
	}
	return nc, early, nil
}

// unwrapped reports whether w is net/http's own ResponseWriter. If so, no middleware has to
// see the status, and the response is written directly: net/http would take about as long
// to write it as the rest of the handshake takes.
func unwrapped(w http.ResponseWriter) bool { return reflect.TypeOf(w).String() == "*http.response" }

// announce passes status 101 through the middleware to net/http. It reports whether
// net/http has received the status and will send it.
func announce(w http.ResponseWriter) bool {
	w.WriteHeader(http.StatusSwitchingProtocols)
	// Some middleware, such as gin and many compressors, delays the status until a body
	// is written, or even longer. Writing a byte makes most of it pass the status on.
	// net/http rejects the byte, because a 101 response has no body. If the byte is not
	// rejected, the status has not reached net/http.
	_, err := w.Write([]byte{'\n'})
	return errors.Is(err, http.ErrBodyNotAllowed)
}

// fields returns the names and values of the header fields of the response. The names are
// spelled as in RFC 6455, not as net/http would spell them, because some clients compare
// them case-sensitively. A field without a value is not sent.
func (a *agreement) fields() [5][2]string {
	return [...][2]string{
		{"Upgrade", "websocket"},
		{"Connection", "Upgrade"},
		{"Sec-WebSocket-Accept", a.digest},
		{"Sec-WebSocket-Protocol", a.protocol},
		{"Sec-WebSocket-Extensions", a.extensions},
	}
}

// fill sets the header fields of the response in h. Fields set by middleware are sent too,
// unless they describe a body or belong to the handshake.
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
	for _, f := range a.fields() {
		if f[1] != "" {
			h[f[0]] = []string{f[1]}
		}
	}
}

// send writes the response that net/http has not sent.
func (a *agreement) send(w *bufio.Writer, h http.Header) error {
	_, _ = io.WriteString(w, "HTTP/1.1 101 Switching Protocols\r\n")
	if len(h) == 0 {
		// Writing h sorts its fields, which takes about as long as the rest of send,
		// mostly because the goroutine's stack has to grow for it.
		for _, f := range a.fields() {
			if f[1] != "" {
				for _, text := range [...]string{f[0], ": ", f[1], "\r\n"} {
					_, _ = io.WriteString(w, text)
				}
			}
		}
	} else {
		a.fill(h) // again: middleware may have changed h when the byte was written
		_ = h.Write(w)
	}
	_, _ = io.WriteString(w, "\r\n")
	return w.Flush() // Flush returns earlier errors too
}
