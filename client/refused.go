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

// HandshakeError is the error for a handshake to which the server, or a proxy in front of
// it, responded with an HTTP status other than 101. It matches [ErrUnavailable] for 429,
// 502, 503 and 504, and [ErrProtocol] for all others.
type HandshakeError struct {
	// Status is the HTTP status.
	Status int
	// Text is the first line of the response body, at most 200 bytes and without
	// characters that affect a terminal. It is often empty.
	Text string
	// Location is the target of a redirect, converted to a URL for Dial if it is an
	// HTTP URL, and without the query. Dial does not follow it, because the
	// credentials are not meant for other servers. It is empty if the response is not
	// a redirect.
	Location string
}

// Error returns the status, the server's text and, if known, what to do about it.
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
	case http.StatusBadRequest:
		return "check the URL: its path, and wss if the port speaks TLS"
	case http.StatusUnauthorized, http.StatusProxyAuthRequired:
		return "it requires credentials in the HTTP request: see Config.HTTPHeader"
	case http.StatusForbidden:
		return "it does not allow connections from this origin or address"
	case http.StatusUpgradeRequired:
		return "a proxy in front of it may have removed the header fields Upgrade and Connection"
	}
	switch {
	case e.Location != "":
		return "it redirects to " + e.Location + "; dial that URL if you trust it"
	case e.Unwrap() == ErrUnavailable: //nolint:errorlint // it wraps nothing else
		return "try again later"
	case e.Status >= http.StatusInternalServerError:
		return "the server, or a proxy in front of it, failed: see its log"
	}
	return "check the URL's path"
}

// Limits for the response of a server that refuses the handshake.
const (
	maxRefusal  = 1 << 10 // bytes of the body that are read
	maxLocation = 500     // bytes of the target of a redirect that are kept
	refusalTime = time.Second
)

// readRefusal reads the text and the target of a redirect from the response, as far as
// they arrive within refusalTime.
func (e *HandshakeError) readRefusal(conn net.Conn, response io.Reader, u *url.URL) {
	if conn.SetReadDeadline(time.Now().Add(refusalTime)) != nil {
		return
	}
	r, err := http.ReadResponse(bufio.NewReader(response), nil)
	if err != nil {
		return
	}
	defer r.Body.Close()
	e.Text = refusalText(r, u)
	if e.Status >= 300 && e.Status < 400 {
		e.Location = redirection(r.Header.Get("Location"), u)
	}
}

// redirection returns the target of a redirect, without its query, which may contain
// a token.
func redirection(location string, from *url.URL) string {
	to, err := from.Parse(location)
	if location == "" || err != nil || to.Host == "" {
		return ""
	}
	scheme := to.Scheme
	switch scheme {
	case "http":
		scheme = "ws"
	case "https":
		scheme = "wss"
	}
	shown := url.URL{Scheme: scheme, Host: to.Host, Path: to.Path, RawPath: to.RawPath}
	return printable.Text(shown.String(), maxLocation)
}

// refusalText returns the first line of a response, unless it is HTML.
func refusalText(r *http.Response, u *url.URL) string {
	text, _ := io.ReadAll(io.LimitReader(r.Body, maxRefusal)) // what has arrived
	line, _, _ := strings.Cut(strings.TrimSpace(string(text)), "\n")
	if strings.HasPrefix(line, "<") {
		return ""
	}
	if u.RawQuery != "" { // it may contain a token
		line = strings.ReplaceAll(line, u.RawQuery, "...")
	}
	return printable.Text(strings.TrimSpace(line), 200)
}
