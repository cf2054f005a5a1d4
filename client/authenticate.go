package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/gobwas/ws"

	"github.com/ignis-go/ignis/wire"
)

// minHeartbeat is the shortest heartbeat interval that a server can request.
const minHeartbeat = 100 * time.Millisecond

// Connected is the data of the connected event: the client's identity, and the
// properties of the connection.
type Connected struct {
	ID     string    `json:"id"`     // of this client, a UUID
	UserID string    `json:"userId"` // empty for an anonymous user
	Time   time.Time `json:"time"`   // the server's clock

	// ServerPublicKey and Salt are the inputs from which an encrypted client derives
	// its key.
	ServerPublicKey string `json:"serverPublicKey"`
	Salt            string `json:"salt"`

	// Protocol is the protocol version in use: 2, or 1 with a server that does not
	// support 2. The fields below are zero in protocol 1 or if the server does not set
	// them.
	Protocol int `json:"-"`
	// Expires is the time at which the session ends. [Conn.Refresh] changes it.
	Expires time.Time `json:"-"`
	// Heartbeat is the time after which the server disconnects a client that sends no
	// message.
	Heartbeat time.Duration `json:"-"`
	// MaxPayload is the size in bytes of the largest message that the server accepts.
	MaxPayload int `json:"-"`
	// Server is the server's product and version.
	Server string `json:"-"`

	// Data is the complete data as JSON.
	Data json.RawMessage `json:"-"`
}

// decodeConnected decodes the data of the connected event.
func decodeConnected(m wire.Message) (v Connected, err error) {
	if err := m.Decode(&v); err != nil {
		return v, err
	}
	if v.ID == "" {
		return v, errors.New("no id")
	}
	v.Protocol, v.Data = 1, m.Data
	var agreed struct {
		Protocol json.RawMessage `json:"protocol"`
	}
	if _ = m.Decode(&agreed); string(agreed.Protocol) != "2" {
		return v, nil // in protocol 1, the other fields belong to the application
	}
	var more wire.ConnectedData
	if err := m.Decode(&more); err != nil {
		return v, err
	}
	if more.Expires != "" {
		if v.Expires, err = time.Parse(time.RFC3339, more.Expires); err != nil {
			return v, err
		}
	}
	v.Protocol, v.Server = more.Protocol, more.Server
	const most = 24 * time.Hour
	v.Heartbeat = time.Duration(min(max(more.Heartbeat, 0), most.Milliseconds())) * time.Millisecond
	v.MaxPayload = max(more.MaxPayload, 0)
	return v, nil
}

// authentication returns the data of the authenticate event: the credentials and the
// fields that this package adds. The application's own fields take precedence, except
// for the public key.
func authentication(credentials json.RawMessage, publicKey string, by Software) (json.RawMessage, error) {
	text := bytes.TrimSpace(credentials)
	if len(text) == 0 || string(text) == "null" {
		text = []byte("{}")
	}
	if text[0] != '{' {
		if publicKey != "" {
			return nil, errors.New("Config.Credentials must encode as an object if Config.Encrypt is set, because the public key is added to it")
		}
		return credentials, nil
	}
	own := map[string]bool{}
	_ = wire.EachField(text, func(key, _ []byte) { own[string(key)] = true }) // it is valid
	out := bytes.TrimRight(text[:len(text)-1], " \t\r\n")
	out = out[:len(out):len(out)]
	first := len(own) == 0
	add := func(format string, args ...any) {
		if !first {
			out = append(out, ',')
		}
		first = false
		out = fmt.Appendf(out, format, args...)
	}
	if publicKey != "" {
		add(`"publicKey":%q`, publicKey) // of duplicate fields, the last one counts
	}
	if !own["protocol"] {
		add(`"protocol":%d`, wire.ProtocolVersion)
	}
	if by != (Software{}) && !own["client"] {
		data, err := wire.EncodeData(by)
		if err != nil {
			return nil, err
		}
		add(`"client":%s`, data)
	}
	return append(out, '}'), nil
}

// authenticate sends the authenticate event and handles messages until the answer.
func (c *Conn) authenticate(ctx context.Context, data json.RawMessage) error {
	_, err := c.send(ctx, wire.AppendMessage(nil, wire.Message{Event: wire.EventAuthenticate, Data: data}))
	// Unless ctx is done, Receive explains a failure better: with what the server sent.
	if err != nil && ctx.Err() != nil {
		return err
	}
	var said wire.ErrorData
	for {
		m, err := c.Receive(ctx)
		switch {
		case err != nil && said != (wire.ErrorData{}):
			return &refusedError{err, Error{said.Code, said.Message}}
		case err != nil:
			return err
		}
		switch m.Event {
		case wire.EventConnected: // see greet
			return nil
		case wire.EventError: // a close frame follows
			_ = m.Decode(&said)
		default:
			return fmt.Errorf("%w: event %.100q before %q", ErrProtocol, m.Event, wire.EventConnected)
		}
	}
}

// greet handles the connected event. It runs in the reading goroutine, before any
// later message of the server is handled.
func (c *Conn) greet(m wire.Message) error {
	v, err := decodeConnected(m)
	if err != nil {
		return protocolError(ws.StatusProtocolError, "event %q: %w", m.Event, err)
	}
	if c.private != nil {
		if err := c.agree(v); err != nil {
			return err
		}
	}
	c.connected, c.greeted = v, true
	if every := max(v.Heartbeat/2, minHeartbeat); v.Heartbeat > 0 && every < c.cfg.HeartbeatInterval {
		c.beats <- every
	}
	return nil
}
