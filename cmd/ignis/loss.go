package main

import (
	"crypto/tls"
	"errors"
	"net/http"

	"github.com/ignis-go/ignis/client"
	"github.com/ignis-go/ignis/wire"
)

// hintPath is the hint if the server may not be an Ignis server.
const hintPath = "is this an Ignis server, and is the path correct, as in ws://127.0.0.1:8080/ws?"

// hintToken is the hint if the credentials were rejected.
const hintToken = "check that the token in --token or IGNIS_TOKEN is correct and has not expired"

// explainLoss adds an exit code and a hint to the error of a connection that has ended or
// could not be made.
func explainLoss(err error, encrypted, connected bool) error {
	var (
		e         *exitError
		closed    *client.CloseError
		refused   *client.HandshakeError
		untrusted *tls.CertificateVerificationError
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
		return &exitError{exitAuth, err, "start the server with --encryption optional or required, or leave out --encrypt"}
	case errors.Is(err, client.ErrAuthentication) && errors.As(err, &closed):
		return &exitError{exitAuth, err, closeHint(closed.Code, encrypted)}
	case errors.Is(err, client.ErrProtocol) && connected:
		return &exitError{exitFailed, err, "the server or a proxy in front of it sent something that this program does not understand; check that their versions match"}
	case errors.Is(err, client.ErrProtocol):
		return &exitError{exitFailed, err, hintPath}
	case errors.As(err, &closed):
		return &exitError{exitLost, err, reconnectHint(closed)}
	case errors.As(err, &untrusted):
		return &exitError{exitLost, err, "to trust an authority of your own, name its certificate in SSL_CERT_FILE; the URL must name a host that the server's certificate is for"}
	default:
		return &exitError{exitLost, err, "is the server running, and reachable from here?"}
	}
}

// reconnectHint returns a hint about connecting again, or "" if that would not help.
func reconnectHint(closed *client.CloseError) string {
	again, _ := closed.Reconnect()
	switch {
	case !again:
		return ""
	case closed.NeedsCredentials():
		return "run the command again with a new token; messages sent in the meantime are lost"
	}
	return "run the command again to reconnect; messages sent in the meantime are lost"
}

// closeHint returns the hint for a close code with which the server has rejected a
// client, or "" for other codes.
func closeHint(code uint16, encrypted bool) string {
	switch {
	case code == wire.CloseEncryptionRequired && encrypted:
		return "the server and this program did not agree on a key; the server's log has the reason"
	case code == wire.CloseEncryptionRequired:
		return "use --encrypt to agree on a key with the server"
	case code == wire.CloseAuthTimeout:
		return "the network or the server's authentication was too slow; try again, and see --auth-timeout of ignis serve"
	case code == wire.CloseAuthFailed:
		return hintToken
	}
	return ""
}

// refusalHint returns the hint for the HTTP status with which the request for a
// connection was answered, before the server has seen any credentials. Location is the
// target of a redirect.
func refusalHint(status int, location string) string {
	switch status {
	case http.StatusBadRequest:
		return "if the port uses TLS, start the address with wss://; otherwise check the path, as in ws://127.0.0.1:8080/ws"
	case http.StatusUnauthorized, http.StatusProxyAuthRequired:
		return "a proxy in front of the server requires a login, which ignis does not support; connect to the server directly"
	case http.StatusForbidden:
		return "the server or a proxy in front of it does not accept connections from here"
	case http.StatusUpgradeRequired:
		return "if there is a proxy in front of the server, check that it supports WebSocket and forwards the headers Upgrade and Connection"
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		return "the server accepts no connections at the moment, because it is full, starting or shutting down; try again later"
	case http.StatusBadGateway, http.StatusGatewayTimeout:
		return "the proxy in front of the server cannot reach it; is the server running?"
	}
	switch {
	case location != "":
		return "the answer redirects to " + location + "; if that is the server, use that address; if it is a login page, connect to the server directly"
	case status >= http.StatusInternalServerError:
		return "the server or a proxy in front of it failed; its log may have the reason"
	}
	return hintPath
}
