package ws

import (
	"crypto/sha1"
	"encoding/base64"
	"net/http"
	"slices"
	"strings"
)

// version is the protocol version of RFC 6455.
const version = "13"

// judge returns what to agree on with the client, or why to refuse its request (RFC 6455,
// section 4.2.1). It does not touch the connection or the body.
func (t *Terms) judge(r *http.Request) (a agreement, refused *HandshakeError) {
	if refused := checkRequest(r); refused != nil {
		return a, refused
	}
	if refused := checkVersion(r.Header["Sec-Websocket-Version"]); refused != nil {
		return a, refused
	}
	if a.digest, refused = digest(r.Header["Sec-Websocket-Key"]); refused != nil {
		return a, refused
	}
	if t.Deflate {
		var err error
		a.extensions, a.window, err = negotiate(r.Header["Sec-Websocket-Extensions"])
		if err != nil {
			// RFC 6455, section 9.1 does not allow ignoring the header.
			return a, badRequest("the Sec-WebSocket-Extensions header is malformed")
		}
	}
	// This comes last because it calls the application.
	a.protocol, refused = t.choose(r)
	return a, refused
}

func badRequest(reason string) *HandshakeError {
	return &HandshakeError{Status: http.StatusBadRequest, Reason: reason}
}

func upgradeRequired(reason string) *HandshakeError {
	return &HandshakeError{Status: http.StatusUpgradeRequired, Reason: reason}
}

// checkRequest checks the parts of a handshake that are not specific to WebSocket.
func checkRequest(r *http.Request) *HandshakeError {
	switch {
	case r.ProtoMajor != 1:
		return upgradeRequired("the request did not use HTTP/1.1")
	case r.ProtoMinor < 1:
		// An Upgrade header in HTTP/1.0 must be ignored (RFC 9110, section 7.8).
		return upgradeRequired("the request used HTTP/1.0")
	case !names(r.Header["Upgrade"], "websocket"):
		return upgradeRequired("the Upgrade header does not contain websocket")
	case r.Method != http.MethodGet:
		return &HandshakeError{Status: http.StatusMethodNotAllowed, Reason: "the method is not GET"}
	case r.ContentLength != 0:
		// The server would read what follows the header as frames, but intermediaries
		// would read it as the body.
		return badRequest("the request has a body")
	case r.Host == "":
		return badRequest("the Host header is empty")
	case !names(r.Header["Connection"], "upgrade"):
		return badRequest("the Connection header does not contain upgrade")
	}
	return nil
}

// names reports whether a list contains the token, ignoring case. The list may span
// several lines and have empty elements (RFC 9110, section 5.6.1).
func names(lines []string, token string) bool {
	for _, line := range lines {
		for element := range strings.SplitSeq(line, ",") {
			if strings.EqualFold(strings.Trim(element, " \t"), token) {
				return true
			}
		}
	}
	return false
}

// checkVersion checks the Sec-WebSocket-Version header, which must appear exactly once (RFC
// 6455, section 11.3.5).
func checkVersion(lines []string) *HandshakeError {
	switch {
	case len(lines) == 0 || len(lines) == 1 && lines[0] == "":
		return badRequest("the Sec-WebSocket-Version header is missing")
	case len(lines) > 1:
		return badRequest("the Sec-WebSocket-Version header appears twice")
	case lines[0] != version:
		return upgradeRequired("the WebSocket version is not " + version)
	}
	return nil
}

// digest returns the answer to the Sec-WebSocket-Key header, which must appear exactly once
// (RFC 6455, section 11.3.1).
func digest(lines []string) (string, *HandshakeError) {
	switch {
	case len(lines) == 0 || len(lines) == 1 && lines[0] == "":
		return "", badRequest("the Sec-WebSocket-Key header is missing")
	case len(lines) > 1:
		return "", badRequest("the Sec-WebSocket-Key header appears twice")
	}
	const size = 16
	key := lines[0]
	var decoded [size + 2]byte
	if len(key) != base64.StdEncoding.EncodedLen(size) {
		return "", badRequest("the Sec-WebSocket-Key header is not 16 bytes in base64")
	}
	if n, err := base64.StdEncoding.Decode(decoded[:], []byte(key)); err != nil || n != size {
		return "", badRequest("the Sec-WebSocket-Key header is not 16 bytes in base64")
	}
	sum := sha1.Sum(append(append(make([]byte, 0, 64), key...), "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"...))
	var text [28]byte
	base64.StdEncoding.Encode(text[:], sum[:])
	return string(text[:]), nil
}

// choose asks the application and returns the subprotocol to use, or "" for none.
func (t *Terms) choose(r *http.Request) (string, *HandshakeError) {
	offered, ok := subprotocols(r.Header["Sec-Websocket-Protocol"])
	if !ok {
		return "", badRequest("the Sec-WebSocket-Protocol header is malformed or contains a protocol twice")
	}
	chosen := ""
	if t.Accept != nil {
		var refused *HandshakeError
		if chosen, refused = t.Accept(r); refused != nil {
			return "", refused
		}
	}
	if chosen == "" && len(offered) > 0 {
		return offered[0], nil
	}
	if chosen != "" && !slices.Contains(offered, chosen) {
		// Every client would fail the connection, and only its own log would say why.
		return "", &HandshakeError{
			Status: http.StatusInternalServerError,
			Reason: "the chosen subprotocol is not one that the client offers",
		}
	}
	return chosen, nil
}

// Subprotocols returns the subprotocols that a request offers. It returns nil if
// there are none or the header is malformed.
func Subprotocols(r *http.Request) []string {
	offered, ok := subprotocols(r.Header["Sec-Websocket-Protocol"])
	if !ok {
		return nil
	}
	return offered
}

// subprotocols returns the subprotocols that a client offers, which must be distinct
// tokens (RFC 6455, section 4.1).
func subprotocols(lines []string) (offered []string, ok bool) {
	for _, line := range lines {
		for l := (list{rest: line}); !l.atEnd(); {
			if l.take(',') {
				continue // elements may be empty
			}
			token := l.token()
			if token == "" || !l.atEnd() && !l.take(',') {
				return nil, false
			}
			offered = append(offered, token)
		}
	}
	if len(offered) < 2 {
		return offered, true
	}
	sorted := slices.Sorted(slices.Values(offered)) // there may be thousands
	return offered, len(slices.Compact(sorted)) == len(offered)
}
