package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"unicode/utf16"

	"github.com/alecthomas/kong"

	"github.com/ignis-go/ignis/client"
	"github.com/ignis-go/ignis/internal/printable"
	"github.com/ignis-go/ignis/wire"
)

// listenCmd prints the messages that a client receives.
type listenCmd struct {
	URL        string   `arg:"" help:"WebSocket address of the server, such as ws://127.0.0.1:8080/ws."`
	Token      string   `placeholder:"TOKEN" help:"Token to authenticate with. Other users of the machine can read arguments, but not the environment."`
	User       string   `placeholder:"ID" help:"User to connect as. Only servers in development mode accept it."`
	Join       idList   `placeholder:"ROOM" help:"Rooms to join, separated by commas. May be repeated."`
	Encrypt    bool     `help:"Encrypt messages, and reject unencrypted ones. The server must be started with --encryption."`
	All        bool     `help:"Also print the protocol's own events, starting with connected, which contains the client ID."`
	MaxMessage byteSize `default:"16MiB" placeholder:"SIZE" help:"Maximum size of a message as received (${default}); encryption makes messages a third larger. Larger messages are skipped with a note on standard error."`
}

// Help returns the text that --help shows below the summary.
func (listenCmd) Help() string {
	return `Each event is printed as one line of JSON, {"event":...,"data":...}, with "room" if it was sent to a room and "from" if another client sent it, until a signal ends the program or its output is closed. Characters that control a terminal or the direction of text are printed as \u escapes, which are equivalent in JSON.

If the server refuses some of the rooms, a note on standard error lists them with the reasons; if it refuses all of them, the program ends. The original Ignis does not report refused rooms.

Exit codes: 0 ended by a signal, or the output was closed; 1 failure, for example because the server refused all rooms; 2 usage error; 3 the server rejected the credentials; 4 the server cannot be reached or the connection ended.

Examples:

  ignis listen ws://127.0.0.1:8080/ws --user ann --join lobby

  IGNIS_TOKEN=$(cat token) ignis listen wss://example.com/ws --all`
}

// Run listens until ctx is done, the connection ends or the output is closed.
func (c *listenCmd) Run(ctx context.Context, _ *kong.Context, std *stdio) error {
	u, err := url.Parse(c.URL)
	if err != nil || (u.Scheme != "ws" && u.Scheme != "wss") || u.Host == "" {
		return usage("", "URL: expected an address such as ws://127.0.0.1:8080/ws or wss://example.com/ws")
	}
	if u.User != nil {
		return usage("use --token or IGNIS_TOKEN", "URL: expected no user and password, because servers ignore them")
	}
	for _, room := range c.Join {
		if strings.HasPrefix(room, wire.ReservedPrefix) || len(utf16.Encode([]rune(room))) > wire.MaxRoomName {
			return usage("", "--join: expected names of at most %d characters that do not start with %s, but got %q", wire.MaxRoomName, wire.ReservedPrefix, room)
		}
	}
	// Writing to a closed pipe must return an error instead of ending the program.
	signal.Ignore(syscall.SIGPIPE)

	std = &stdio{in: std.in, out: std.out, err: &lockedWriter{w: std.err}}
	conn, err := client.Dial(ctx, c.URL, client.Config{
		Credentials: c.credentials(), Encrypt: c.Encrypt, MaxMessage: int(c.MaxMessage),
		Software: client.Software{Name: "ignis", Version: softwareVersion()},
		OnTooLarge: func(size int64) {
			fmt.Fprintf(std.err, "note: skipped a message of %d bytes; --max-message raises the limit\n", size)
		},
	})
	connected := err == nil
	if connected {
		err = errors.Join(c.receive(ctx, std, conn), conn.Close())
	}
	if ctx.Err() != nil || errors.Is(err, errOutputClosed) {
		return nil
	}
	return explainLoss(err, c.Encrypt, connected)
}

// credentials returns the credentials from the flags, or nil if there are none, which
// some servers accept.
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

var errOutputClosed = errors.New("the output was closed")

// receive joins the rooms, and prints messages until ctx is done, the connection ends or
// the output is closed.
func (c *listenCmd) receive(ctx context.Context, std *stdio, conn *client.Conn) error {
	if c.All {
		if err := printMessage(std, wire.Message{Event: wire.EventConnected, Data: conn.Connected().Data}); err != nil {
			return err
		}
	}
	if err := c.join(ctx, std, conn); err != nil {
		return err
	}
	for {
		m, err := conn.Receive(ctx)
		if err != nil {
			return err
		}
		if system, ok := wire.LookupEvent(m.Event, conn.Connected().Protocol); !c.All && ok && system.From != wire.FromClient {
			fmt.Fprintf(std.err, "note: the server sent the event %s, which --all shows\n", m.Event)
			continue
		}
		if err := printMessage(std, m); err != nil {
			return err
		}
	}
}

// join joins the rooms and reports those that the server refused. It returns an error if
// the client is in none of them.
func (c *listenCmd) join(ctx context.Context, std *stdio, conn *client.Conn) error {
	if len(c.Join) == 0 {
		return nil
	}
	joined, err := conn.Join(ctx, c.Join...)
	var (
		partly  *client.JoinError
		refused *client.Error
	)
	switch {
	case errors.As(err, &partly) && len(joined.Rooms) > 0:
		fmt.Fprintf(std.err, "note: %v\n", partly)
		return nil
	case errors.As(err, &partly), errors.As(err, &refused):
		return &exitError{exitFailed, err, "check that the token, or the application, allows this client to join them"}
	case err == nil && conn.Connected().Protocol < 2:
		fmt.Fprintln(std.err, "note: this server does not report whether it refused any of the rooms")
	}
	return err
}

// softwareVersion returns the version of this program, truncated to what servers accept.
func softwareVersion() string {
	v := thisBuild().Version
	return v[:min(len(v), 64)]
}

// printMessage prints a message as one line.
func printMessage(std *stdio, m wire.Message) error {
	if bytes.ContainsAny(m.Data, "\r\n") { // JSON allows line breaks between values
		var line bytes.Buffer
		if json.Compact(&line, m.Data) == nil {
			m.Data = line.Bytes()
		}
	}
	m.ID = ""
	// The sender must not be able to control the terminal.
	text := printable.JSON(wire.AppendMessage(nil, m))
	if _, err := std.out.Write(append(text, '\n')); err != nil {
		if errors.Is(err, syscall.EPIPE) {
			return errOutputClosed
		}
		return &exitError{exitFailed, fmt.Errorf("standard output: %w", err), ""}
	}
	return nil
}

// lockedWriter is a writer that is safe for concurrent use.
type lockedWriter struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *lockedWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}
