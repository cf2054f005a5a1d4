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

// HandshakeError is the error of [Dial] if the server, or a proxy in front of it, answers
// the handshake with an HTTP status other than 101. It matches [ErrUnavailable] for the
// statuses 429, 502, 503 and 504, and [ErrProtocol] for all others.
type HandshakeError struct {
	// Status is the HTTP status.
	Status int
	// Text is the first line of the response body, truncated to about 200 bytes, with
	// characters that control a terminal escaped. It is empty if the body is empty or
	// HTML.
	Text string
	// Location is the target of a redirect, without its query. An HTTP URL is
	// converted to the corresponding ws or wss URL. Dial does not follow redirects,
	// because the credentials are not meant for other servers. Location is empty if the
	// response is not a redirect.
	Location string
}

// Error returns the status, the server's text and a hint.
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
		return "check the path of the URL, and use wss:// if the port uses TLS"
	case http.StatusUnauthorized, http.StatusProxyAuthRequired:
		return "it requires credentials in the HTTP request; see Config.HTTPHeader"
	case http.StatusForbidden:
		return "it does not allow connections from this origin or address"
	case http.StatusUpgradeRequired:
		return "if there is a proxy in front of it, check that it forwards the headers Upgrade and Connection"
	}
	switch {
	case e.Location != "":
		return "it redirects to " + e.Location + "; dial that URL if it is the server"
	case e.Unwrap() == ErrUnavailable: //nolint:errorlint // Unwrap returns the sentinel itself
		return "try again later"
	case e.Status >= http.StatusInternalServerError:
		return "the server or a proxy in front of it failed; its log may have the reason"
	}
	return "check the path of the URL"
}

const (
	maxRefusal  = 1 << 10     // bytes of the response body that are read
	maxLocation = 500         // bytes of Location that are kept
	refusalTime = time.Second // time within which the response must arrive
)

// readRefusal sets Text and Location from the response to a handshake. It ignores
// errors, and uses what has arrived within refusalTime.
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

// refusalText returns the first line of the body of a response, or "" if it is HTML.
func refusalText(r *http.Response, u *url.URL) string {
	text, _ := io.ReadAll(io.LimitReader(r.Body, maxRefusal)) // the part before an error is used
	line, _, _ := strings.Cut(strings.TrimSpace(string(text)), "\n")
	if strings.HasPrefix(line, "<") {
		return ""
	}
	if u.RawQuery != "" { // it may contain a token
		line = strings.ReplaceAll(line, u.RawQuery, "...")
	}
	return printable.Text(strings.TrimSpace(line), 200)
}
