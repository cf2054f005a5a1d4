package client

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/ignis-go/ignis/internal/printable"
)

// HandshakeError says that the server, or what is in front of it, answered the request
// for a connection with an HTTP status other than 101. errors.Is finds
// [ErrUnavailable] for 429, 502, 503 and 504, and [ErrProtocol] for all others.
type HandshakeError struct {
	// Status is the HTTP status.
	Status int
	// Text is the first line of the answer's text, in at most 200 bytes and without
	// characters that act on a terminal; often empty.
	Text string
}

// Error returns the status, what the server said, and what to do about it where that
// is known.
func (e *HandshakeError) Error() string {
	s := fmt.Sprintf("the server refused the connection with HTTP status %d", e.Status)
	if name := http.StatusText(e.Status); name != "" {
		s += " " + name
	}
	if e.Text != "" {
		s += fmt.Sprintf(", saying %q", e.Text)
	}
	return s + "; " + e.hint()
}

// Unwrap returns ErrUnavailable or ErrProtocol.
func (e *HandshakeError) Unwrap() error {
	switch e.Status {
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return ErrUnavailable
	}
	return ErrProtocol
}

func (e *HandshakeError) hint() string {
	switch e.Status {
	case http.StatusUnauthorized, http.StatusProxyAuthRequired:
		return "it wants credentials in the HTTP request: see Config.HTTPHeader"
	case http.StatusForbidden:
		return "it does not allow connections from this origin or address"
	case http.StatusUpgradeRequired:
		return "a proxy in front of it may not pass on the fields Upgrade and Connection"
	}
	if e.Unwrap() == ErrUnavailable { //nolint:errorlint // it wraps nothing else
		return "try again later"
	}
	return "check the URL's path"
}

// maxRefusal is how many bytes of the text of a refusal are read, and refusalTime is for
// how long.
const (
	maxRefusal  = 1 << 10
	refusalTime = time.Second
)

// refusalText returns the first line of what the server says with a status. There is
// none if it is HTML, or does not come at once.
func refusalText(conn net.Conn, response io.Reader, u *url.URL) string {
	if conn.SetReadDeadline(time.Now().Add(refusalTime)) != nil {
		return ""
	}
	r, err := http.ReadResponse(bufio.NewReader(response), nil)
	if err != nil {
		return ""
	}
	defer r.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(r.Body, maxRefusal)) // what there is
	line, _, _ := strings.Cut(strings.TrimSpace(string(text)), "\n")
	if strings.HasPrefix(line, "<") {
		return ""
	}
	if u.RawQuery != "" { // there may be a token in it
		line = strings.ReplaceAll(line, u.RawQuery, "...")
	}
	return printable.Text(strings.TrimSpace(line), 200)
}
