package main

import (
	"errors"
	"net/http"

	"github.com/ignis-go/ignis/client"
	"github.com/ignis-go/ignis/wire"
)

// hintPath is for a server that may be another one than was meant.
const hintPath = "is this an Ignis server, and the path right, as in ws://127.0.0.1:8080/ws?"

// hintToken is for credentials that were not accepted.
const hintToken = "is the token right and not expired? it is that of --token, or of IGNIS_TOKEN"

// explainLoss says why a connection is over, or did not come about, in words and as an
// exit code.
func explainLoss(err error, encrypted, connected bool) error {
	var (
		e       *exitError
		closed  *client.CloseError
		refused *client.HandshakeError
	)
	switch {
	case errors.As(err, &e):
		return err
	case errors.As(err, &refused):
		code := exitFailed
		if errors.Is(err, client.ErrUnavailable) {
			code = exitLost
		}
		return &exitError{code, err, refusalHint(refused.Status, refused.Location)}
	case errors.Is(err, client.ErrNotEncrypted):
		return &exitError{exitAuth, err, "start the server with --encryption optional, or required; or leave out --encrypt"}
	case errors.Is(err, client.ErrAuthentication) && errors.As(err, &closed):
		return &exitError{exitAuth, err, closeHint(closed.Code, encrypted)}
	case errors.Is(err, client.ErrProtocol) && connected:
		return &exitError{exitFailed, err, "the server, or a proxy in front of it, sent what this program does not understand; do their versions fit?"}
	case errors.Is(err, client.ErrProtocol):
		return &exitError{exitFailed, err, hintPath}
	case errors.As(err, &closed):
		return &exitError{exitLost, err, reconnectHint(closed)}
	default:
		return &exitError{exitLost, err, "is the server running, and reachable from here?"}
	}
}

// reconnectHint says whether to connect again; empty if that would not help.
func reconnectHint(closed *client.CloseError) string {
	again, _ := closed.Reconnect()
	switch {
	case !again:
		return ""
	case closed.NeedsCredentials():
		return "run it again with a new token; what is sent meanwhile does not arrive"
	}
	return "run it again to connect again; what is sent meanwhile does not arrive"
}

// closeHint says what to do when the server has closed a connection with one of the
// codes for clients that it does not accept; empty for others.
func closeHint(code uint16, encrypted bool) string {
	switch {
	case code == wire.CloseEncryptionRequired && encrypted:
		return "the server and this program did not agree on a key; the server's log says why"
	case code == wire.CloseEncryptionRequired:
		return "--encrypt agrees on a key with the server"
	case code == wire.CloseAuthTimeout:
		return "what checks the token took too long on the server, or the way there; try again, and see --auth-timeout of ignis serve"
	case code == wire.CloseAuthFailed:
		return hintToken
	}
	return ""
}

// refusalHint says what to do when the request for a connection was answered with an
// HTTP status, which is before the server has seen any credentials. Location is where
// a redirect leads to.
func refusalHint(status int, location string) string {
	switch status {
	case http.StatusBadRequest:
		return "does the port speak TLS? then the address starts with wss://; if not, is the path right, as in ws://127.0.0.1:8080/ws?"
	case http.StatusUnauthorized, http.StatusProxyAuthRequired:
		return "a proxy in front of the server wants to know who this is; ignis cannot tell it, so connect to the server itself"
	case http.StatusForbidden:
		return "the server or a proxy in front of it does not take connections from here"
	case http.StatusUpgradeRequired:
		return "if there is a proxy in front of the server, does it pass on WebSocket connections, with the fields Upgrade and Connection?"
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		return "the server is there and takes no connections now; it may be full, starting or shutting down, so try again"
	case http.StatusBadGateway, http.StatusGatewayTimeout:
		return "the proxy in front of the server does not reach it: is the server running?"
	}
	switch {
	case location != "":
		return "the answer leads to " + location + ": if that is the server, give that address; if it is a page to log in at, connect to the server itself"
	case status >= http.StatusInternalServerError:
		return "something failed in the server or in a proxy in front of it, and its log may say what"
	}
	return hintPath
}
