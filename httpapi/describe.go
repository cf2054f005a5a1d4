package httpapi

import (
	"net/http"
	"reflect"

	"github.com/danielgtaylor/huma/v2"
)

// The types in this file describe the bodies that package huma does not decode.

// publishRequest describes a message.
type publishRequest struct {
	To      targets  `json:"to" doc:"The recipients: one target or several."`
	Event   string   `json:"event" minLength:"1" doc:"The name of the event." example:"notice"`
	Data    any      `json:"data,omitempty" doc:"Any JSON value. If it is absent, the event has no data."`
	Key     string   `json:"key,omitempty" maxLength:"256" doc:"Of messages with the same target, event and key, a client that is behind receives only the latest if the server is so configured."`
	Exclude []string `json:"exclude,omitempty" nullable:"false" maxItems:"1000" doc:"The IDs of clients that do not receive the message. Only with rooms and everyone."`
	From    *from    `json:"from,omitempty" doc:"The client for which the message is relayed. The recipients see it."`
}

// from describes the sender of a message.
type from struct {
	ID     string `json:"id" minLength:"1" doc:"The ID of a client."`
	UserID string `json:"userId,omitempty" doc:"The ID of its user."`
}

type publishAnswer struct {
	LocalRecipients int `json:"localRecipients" doc:"The number of clients of this instance that the message was queued for."`
}

type batchRequest struct {
	Messages []publishRequest `json:"messages" nullable:"false" minItems:"1" doc:"The messages, in order."`
}

type batchAnswer struct {
	LocalRecipients int             `json:"localRecipients" doc:"The sum for all messages."`
	Messages        []publishAnswer `json:"messages" nullable:"false" doc:"What was done with each message."`
}

// destination is a target of a message or a command. Exactly one field is set.
type destination struct {
	Room     string `json:"room,omitempty" minLength:"1" doc:"The members of a room."`
	User     string `json:"user,omitempty" minLength:"1" doc:"All sessions of a user."`
	Client   string `json:"client,omitempty" minLength:"1" doc:"One client."`
	Everyone bool   `json:"everyone,omitempty" enum:"true" doc:"All authenticated clients."`
}

// TransformSchema implements huma.SchemaTransformer.
func (destination) TransformSchema(_ huma.Registry, s *huma.Schema) *huma.Schema {
	one := 1
	s.MinProperties, s.MaxProperties = &one, &one
	s.Description = "Exactly one of the fields."
	s.PrecomputeMessages()
	return s
}

// targets are one or several destinations.
type targets struct{}

// Schema implements huma.SchemaProvider.
func (targets) Schema(r huma.Registry) *huma.Schema {
	one := schemaOf[destination](r)
	least := 1
	return &huma.Schema{OneOf: []*huma.Schema{one, {Type: huma.TypeArray, Items: one, MinItems: &least}}}
}

// publishing adds the operations to publish.
func (d *docs) publishing() {
	const answer = "The answer means that this instance has queued the message for its own clients, and has handed it to the bus for the other instances."
	d.byHand(described{
		id: "publish", method: http.MethodPost, path: "/v1/publish", scope: ScopePublish,
		summary: "Publish a message", text: answer, problems: []kind{problemBus},
	}, publishRequest{}, publishAnswer{}, `{"to":{"room":"lobby"},"event":"notice","data":{"text":"hello"}}`, (*call).publish)
	d.byHand(described{
		id: "publish-batch", method: http.MethodPost, path: "/v1/publish/batch", scope: ScopePublish,
		summary: "Publish several messages", text: "The messages are published in order. If one of them is invalid, none is published. " + answer, problems: []kind{problemBus},
	}, batchRequest{}, batchAnswer{},
		`{"messages":[{"to":{"room":"lobby"},"event":"notice","data":1},{"to":[{"user":"ann"},{"user":"bob"}],"event":"notice","data":2}]}`, (*call).publishBatch)
}

func schemaOf[T any](r huma.Registry) *huma.Schema { return r.Schema(reflect.TypeFor[T](), true, "") }
