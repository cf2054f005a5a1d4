package webhook

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/wire"
)

// The types of requests.
const (
	typeAuthenticate = "authenticate"
	typeJoin         = "join"
	typeMessage      = "message"
	typeEvents       = "events"
)

// request is the body of a request.
type request struct {
	Type      string `json:"type"`
	Timestamp string `json:"timestamp"`
	Source    string `json:"source"`
	Data      any    `json:"data"`
}

// encode returns the body of a request.
func (c *Client) encode(kind string, data any) ([]byte, error) {
	return encodeJSON(request{kind, wire.FormatTime(time.Now()), c.cfg.Source, data})
}

// encodeJSON encodes a value without escaping the characters that are special in HTML.
func encodeJSON(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// who describes a client.
type who struct {
	ID          string                     `json:"id"`
	User        string                     `json:"user,omitempty"`
	Address     string                     `json:"address,omitempty"`
	ConnectedAt string                     `json:"connectedAt,omitempty"`
	TokenID     string                     `json:"tokenId,omitempty"`
	Info        any                        `json:"info,omitempty"`
	Grants      map[string]json.RawMessage `json:"grants,omitempty"`
}

// whoIs describes an authenticated client.
func (c *Client) whoIs(client *ignis.Client, grants bool) who {
	w := who{ID: client.ID, User: client.UserID, Address: client.RemoteAddr, TokenID: client.TokenID}
	if !client.ConnectedAt.IsZero() {
		w.ConnectedAt = wire.FormatTime(client.ConnectedAt)
	}
	if m, ok := client.Metadata.(*Metadata); ok && m != nil {
		if m.Info != nil {
			w.Info = m.Info
		}
		if grants {
			w.Grants = m.Grants
		}
	}
	if c.cfg.Info != nil {
		w.Info = c.cfg.Info(client)
	}
	return w
}

// authenticateData is the data of the question who a client is.
type authenticateData struct {
	Client      who                 `json:"client"`
	Software    string              `json:"software,omitempty"`
	Headers     map[string][]string `json:"headers"`
	Credentials json.RawMessage     `json:"credentials"`
	Refresh     bool                `json:"refresh"`
}

// joinData is the data of the question which rooms a client may join.
type joinData struct {
	Client who      `json:"client"`
	Rooms  []string `json:"rooms"`
}

// messageData is the data of a message that is answered.
type messageData struct {
	Client who `json:"client"`
	message
}

// message is a message from a client.
type message struct {
	Event     string          `json:"event"`
	Room      string          `json:"room,omitempty"`
	MessageID string          `json:"messageId,omitempty"`
	Data      json.RawMessage `json:"data,omitempty"`
}

func newMessage(m wire.Message) message {
	return message{Event: m.Event, Room: m.Room, MessageID: m.ID, Data: m.Data}
}

// headersKey is the key of the headers in a context.
type headersKey struct{}

// WithHeaders returns a context that contains the headers of r that Config.Headers lists.
// Return it from [ignis.Config].Accept as [ignis.Accepted].Context, so that Authenticate
// sends them to the endpoint. The headers stay in memory while the client is connected, so
// limit their size with [net/http.Server].MaxHeaderBytes.
func (c *Client) WithHeaders(ctx context.Context, r *http.Request) context.Context {
	found := make(map[string][]string)
	for _, name := range c.cfg.Headers {
		values := r.Header[name]
		if name == "Host" {
			values = []string{r.Host} // net/http removes it from the header
		}
		if len(values) > 0 {
			list := make([]string, len(values))
			for i, value := range values {
				list[i] = strings.Clone(value) // so that the rest of the header does not stay in memory
			}
			found[strings.ToLower(name)] = list
		}
	}
	if len(found) == 0 {
		return ctx
	}
	return context.WithValue(ctx, headersKey{}, found)
}

func headersOf(ctx context.Context) map[string][]string {
	if found, ok := ctx.Value(headersKey{}).(map[string][]string); ok {
		return found
	}
	return map[string][]string{}
}

// Metadata is the metadata of clients that [Client.Authenticate] has accepted. It must not
// be modified. Callbacks get it with
//
//	m, err := ignis.MetadataOf[*webhook.Metadata](client)
type Metadata struct {
	// Grants says what the client may do, for rules such as those of package access.
	// Questions about the client repeat it. Nil if the answer did not contain it.
	Grants map[string]json.RawMessage
	// Info is what others may know about the user. Nil if the answer did not contain it.
	Info json.RawMessage
}

// Grant returns the grant with exactly this name as JSON, or nil if there is none. The
// caller must not modify it.
func (m *Metadata) Grant(name string) json.RawMessage {
	if m == nil {
		return nil
	}
	return m.Grants[name]
}

// String returns a text without the values, which may be private.
func (m *Metadata) String() string {
	if m == nil {
		return "webhook.Metadata(nil)"
	}
	return fmt.Sprintf("webhook.Metadata(%d grants)", len(m.Grants))
}
