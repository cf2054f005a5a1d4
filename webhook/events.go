package webhook

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"log/slog"
	"time"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/wire"
)

// The types of events.
const (
	eventConnected    = "connected"
	eventJoined       = "joined"
	eventLeft         = "left"
	eventDisconnected = "disconnected"
	eventMessage      = "message"
)

// event is an event of a client. The comments name the types of events that have a field.
type event struct {
	ID        string `json:"id"`
	Type      string `json:"type"`
	Timestamp string `json:"timestamp"`
	Client    who    `json:"client"`

	Room      string          `json:"room,omitempty"`      // joined, left, message
	Cause     string          `json:"cause,omitempty"`     // left, disconnected
	Code      uint16          `json:"code,omitempty"`      // disconnected
	Reason    string          `json:"reason,omitempty"`    // disconnected
	Rooms     []string        `json:"rooms,omitempty"`     // disconnected
	Event     string          `json:"event,omitempty"`     // message
	MessageID string          `json:"messageId,omitempty"` // message
	Data      json.RawMessage `json:"data,omitempty"`      // message
}

// eventsData is the data of a request with events.
type eventsData struct {
	Events []json.RawMessage `json:"events"`
	Lost   uint64            `json:"lost"` // events that this instance has lost since it started
}

func newEventsData(batch []queued, lost uint64) eventsData {
	d := eventsData{Events: make([]json.RawMessage, len(batch)), Lost: lost}
	for i, e := range batch {
		d.Events[i] = e.text
	}
	return d
}

// OnConnect reports to the endpoint that a client has connected. It can be used as
// [ignis.Config].OnConnect.
func (c *Client) OnConnect(_ context.Context, client *ignis.Client) {
	c.tell(client, event{Type: eventConnected})
}

// OnJoin reports to the endpoint that a client has joined a room. It can be used as
// [ignis.Config].OnJoin.
func (c *Client) OnJoin(_ context.Context, client *ignis.Client, room string) {
	c.tell(client, event{Type: eventJoined, Room: room})
}

// OnLeave reports to the endpoint that a client has left a room. It can be used as
// [ignis.Config].OnLeave.
func (c *Client) OnLeave(_ context.Context, client *ignis.Client, room string, cause ignis.LeaveCause) {
	c.tell(client, event{Type: eventLeft, Room: room, Cause: string(cause)})
}

// OnDisconnect reports to the endpoint that a client has disconnected. It can be used as
// [ignis.Config].OnDisconnect, which is also called for a client that Authenticate accepted
// but that disconnected before OnConnect.
func (c *Client) OnDisconnect(_ context.Context, client *ignis.Client, d ignis.Disconnect) {
	c.tell(client, event{Type: eventDisconnected, Cause: string(d.Cause), Code: d.Code, Reason: d.Reason, Rooms: d.Rooms})
}

// TellMessage reports a message to the endpoint as an event, without waiting for an answer.
// It can be used as [ignis.Config].OnMessage. The reply is nil. If the queue is full or
// closed, the error is an [*ignis.Error] with the code unavailable. To get a reply or a
// decision, use [Client.OnMessage].
func (c *Client) TellMessage(_ context.Context, client *ignis.Client, m wire.Message) (any, error) {
	if !c.tell(client, event{Type: eventMessage, Event: m.Event, Room: m.Room, MessageID: m.ID, Data: m.Data}) {
		return nil, &ignis.Error{Code: wire.CodeUnavailable, Message: unavailable}
	}
	return nil, nil //nolint:nilnil // no reply
}

// tell queues an event. It reports false if the event is lost.
func (c *Client) tell(client *ignis.Client, e event) bool {
	now := time.Now()
	e.ID, e.Timestamp, e.Client = "evt_"+rand.Text(), wire.FormatTime(now), c.whoIs(client, false)
	text, err := encodeJSON(e)
	if err != nil {
		c.queue.lose(LostInvalid, 1)
		c.limit.Log(slog.LevelError, "webhook: event lost: the result of Config.Info cannot be encoded as JSON", "error", err)
		return false
	}
	if cause := c.queue.push(client.ID, queued{text, now}); cause != "" {
		c.limit.Log(slog.LevelWarn, "webhook: event lost", "cause", string(cause))
		return false
	}
	return true
}
