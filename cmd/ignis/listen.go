package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os/signal"
	"strings"
	"syscall"
	"unicode/utf16"

	"github.com/ignis-go/ignis/client"
	"github.com/ignis-go/ignis/internal/printable"
	"github.com/ignis-go/ignis/wire"
)

// listenCmd prints what a client is sent.
type listenCmd struct {
	URL     string `arg:"" help:"WebSocket address of the server, such as ws://127.0.0.1:8080/ws."`
	Token   string `placeholder:"TOKEN" help:"Token to authenticate with. Other users of the machine can read arguments, but not the environment."`
	User    string `placeholder:"ID" help:"User to connect as. Only a server in development mode believes it."`
	Join    idList `placeholder:"ROOM" help:"Rooms to join. May be repeated."`
	Encrypt bool   `help:"Agree on a key with the server, which needs --encryption, and take nothing in clear."`
	All     bool   `help:"Print the protocol's own events too, connected and its client id first."`
}

// Help returns what --help shows below the summary.
func (listenCmd) Help() string {
	return `Each event is printed as one line of JSON, {"event":...,"data":...}, until a signal ends the program or its output is closed. Characters that act on a terminal or on the direction of text are written as \u escapes, which mean the same in JSON.

A server does not say when it refuses a room; what is sent there does not arrive.

Exit codes: 0 ended by a signal, or nobody reads the output; 3 the server does not accept the credentials; 4 the server cannot be reached or the connection ended.

Examples:

  ignis listen ws://127.0.0.1:8080/ws --user ann --join lobby

  IGNIS_TOKEN=$(cat token) ignis listen wss://example.com/ws --all`
}

// Run listens until ctx ends.
func (c *listenCmd) Run(ctx context.Context, std *stdio) error {
	u, err := url.Parse(c.URL)
	if err != nil || (u.Scheme != "ws" && u.Scheme != "wss") || u.Host == "" {
		return usage("", "URL: expected an address such as ws://127.0.0.1:8080/ws or wss://example.com/ws")
	}
	if u.User != nil {
		return usage("--token sends one, or IGNIS_TOKEN", "URL: expected no user and password in it: a server does not read them there")
	}
	for _, room := range c.Join {
		if strings.HasPrefix(room, wire.ReservedPrefix) || len(utf16.Encode([]rune(room))) > wire.MaxRoomName {
			return usage("", "--join: expected names of at most %d characters that do not start with %s, but got %q", wire.MaxRoomName, wire.ReservedPrefix, room)
		}
	}
	// A pipe that nobody reads becomes an error of a write, not the end.
	signal.Ignore(syscall.SIGPIPE)

	conn, err := client.Dial(ctx, c.URL, client.Config{Credentials: c.credentials(), Encrypt: c.Encrypt})
	if err == nil {
		err = errors.Join(c.receive(ctx, std, conn), conn.Close())
	}
	if ctx.Err() != nil || errors.Is(err, errOutputClosed) {
		return nil
	}
	return explainLoss(err, c.Encrypt)
}

// credentials returns what was given; a server may do without.
func (c *listenCmd) credentials() any {
	if c.Token == "" && c.User == "" {
		return nil
	}
	kind := ""
	if c.Token != "" {
		kind = "Bearer"
	}
	return struct {
		Type   string `json:"type,omitempty"`
		Token  string `json:"token,omitempty"`
		UserID string `json:"userId,omitempty"`
	}{kind, c.Token, c.User}
}

var errOutputClosed = errors.New("nobody reads the output")

// receive joins and prints until the connection, ctx or the output ends.
func (c *listenCmd) receive(ctx context.Context, std *stdio, conn *client.Conn) error {
	if c.All {
		if err := printMessage(std, wire.Message{Event: wire.EventConnected, Data: conn.Connected().Data}); err != nil {
			return err
		}
	}
	if len(c.Join) > 0 {
		if err := conn.Join(ctx, c.Join...); err != nil {
			return err
		}
	}
	for {
		m, err := conn.Receive(ctx)
		if err != nil {
			return err
		}
		if !c.All && (wire.ServerOnly(m.Event) || m.Event == wire.EventEncrypted) {
			fmt.Fprintf(std.err, "note: the server sent the event %s, which --all shows\n", m.Event)
			continue
		}
		if err := printMessage(std, m); err != nil {
			return err
		}
	}
}

// printMessage prints one line.
func printMessage(std *stdio, m wire.Message) error {
	if bytes.ContainsAny(m.Data, "\r\n") { // between values, where JSON allows it
		var line bytes.Buffer
		if json.Compact(&line, m.Data) == nil {
			m.Data = line.Bytes()
		}
	}
	// Whoever sent it must not command the terminal that it is printed on.
	text := printable.JSON(wire.AppendMessage(nil, wire.Message{Event: m.Event, Data: m.Data}))
	if _, err := std.out.Write(append(text, '\n')); err != nil {
		if errors.Is(err, syscall.EPIPE) {
			return errOutputClosed
		}
		return &exitError{exitFailed, fmt.Errorf("standard output: %w", err), ""}
	}
	return nil
}

// explainLoss says why it is over, in words and as an exit code.
func explainLoss(err error, encrypted bool) error {
	var (
		e       *exitError
		closed  *client.CloseError
		refused *client.HandshakeError
	)
	switch {
	case errors.As(err, &e):
		return err
	case errors.As(err, &refused):
		return explainRefusal(refused, err)
	case errors.As(err, &closed) && closed.Code == wire.CloseEncryptionRequired && encrypted:
		return &exitError{exitAuth, err, "the server and this program did not agree on a key; the server's log says why"}
	case errors.As(err, &closed) && closed.Code == wire.CloseEncryptionRequired:
		return &exitError{exitAuth, err, "--encrypt agrees on a key with the server"}
	case errors.Is(err, client.ErrNotEncrypted):
		return &exitError{exitAuth, err, "start the server with --encryption optional, or required; or leave out --encrypt"}
	case errors.Is(err, client.ErrAuthentication):
		return &exitError{exitAuth, err, "is the token right and not expired? it is that of --token, or of IGNIS_TOKEN"}
	case errors.Is(err, client.ErrProtocol):
		return &exitError{exitFailed, err, "is this an Ignis server, and the path right, as in ws://127.0.0.1:8080/ws?"}
	case errors.As(err, &closed):
		return &exitError{exitLost, err, "run it again to connect again; what is sent meanwhile does not arrive"}
	default:
		return &exitError{exitLost, err, "is the server running, and reachable from here?"}
	}
}

// explainRefusal says what to do when the request for a connection was refused, which
// is before the server has seen any credentials.
func explainRefusal(refused *client.HandshakeError, err error) error {
	switch refused.Status {
	case http.StatusUnauthorized, http.StatusProxyAuthRequired:
		return &exitError{exitFailed, err, "a proxy in front of the server wants to know who this is; ignis listen cannot tell it, so connect to the server itself"}
	case http.StatusForbidden:
		return &exitError{exitFailed, err, "the server or a proxy in front of it does not take connections from here"}
	case http.StatusUpgradeRequired:
		return &exitError{exitFailed, err, "if there is a proxy in front of the server, does it pass on WebSocket connections, with the fields Upgrade and Connection?"}
	}
	if errors.Is(err, client.ErrUnavailable) {
		return &exitError{exitLost, err, "the server is there and takes no connections now; it may be starting or shutting down, so try again"}
	}
	return &exitError{exitFailed, err, "is this an Ignis server, and the path right, as in ws://127.0.0.1:8080/ws?"}
}
