package webhook

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
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

// encodeJSON encodes a value without escaping what is only special in HTML.
func encodeJSON(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// who is a client in a request.
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
	w := who{ID: client.ID, User: client.UserID, Address: client.RemoteAddr}
	if !client.ConnectedAt.IsZero() {
		w.ConnectedAt = wire.FormatTime(client.ConnectedAt)
	}
	if m, ok := client.Metadata.(*Metadata); ok && m != nil {
		w.TokenID = m.TokenID
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

// authenticateData asks who a client is.
type authenticateData struct {
	Client      who                 `json:"client"`
	Software    string              `json:"software,omitempty"`
	Headers     map[string][]string `json:"headers"`
	Credentials json.RawMessage     `json:"credentials"`
	Refresh     bool                `json:"refresh"`
}

// joinData asks which rooms a client may join.
type joinData struct {
	Client who      `json:"client"`
	Rooms  []string `json:"rooms"`
}

// messageData asks what becomes of a message.
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

// WithHeaders returns a context with those headers of r that Config.Headers lists, for
// [ignis.Accepted].Context. Authenticate finds them there. They stay in memory as long as
// the client is connected, so the header of requests must be limited; see
// [net/http.Server].MaxHeaderBytes.
func (c *Client) WithHeaders(ctx context.Context, r *http.Request) context.Context {
	found := make(map[string][]string)
	for _, name := range c.cfg.Headers {
		values := r.Header[name]
		if name == "Host" {
			values = []string{r.Host} // net/http takes it out of the header
		}
		if len(values) > 0 {
			found[strings.ToLower(name)] = slices.Clone(values)
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

// Metadata is the metadata of clients that [Client.Authenticate] has accepted. It never
// changes. Callbacks get it by
//
//	m, err := ignis.MetadataOf[*webhook.Metadata](client)
type Metadata struct {
	// Grants is what the endpoint answered as grants: what the client may do, for the
	// application's own rules. Questions about the client repeat it. It is nil if there
	// was none.
	Grants map[string]json.RawMessage
	// Info is what the endpoint answered as info: what others may see of the user. It is
	// nil if there was none.
	Info json.RawMessage
	// TokenID identifies the credentials. It may be empty.
	TokenID string
	// IssuedAt is when the credentials were issued. It may be zero.
	IssuedAt time.Time
}

// Grant returns the grant with exactly this name as JSON, or nil if there is none. The
// caller must not modify it.
func (m *Metadata) Grant(name string) json.RawMessage {
	if m == nil {
		return nil
	}
	return m.Grants[name]
}

// String returns a text without the contents, which may be private.
func (m *Metadata) String() string {
	if m == nil {
		return "webhook.Metadata(nil)"
	}
	return fmt.Sprintf("webhook.Metadata(%d grants)", len(m.Grants))
}
