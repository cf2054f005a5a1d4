package webhook

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/wire"
)

// OnMessage asks the endpoint what becomes of a message. It can be used as
// [ignis.Config].OnMessage. The endpoint answers with a reply, with a refusal, or with
// nothing; see docs/webhooks.md. A refusal is returned as an [*ignis.Error]. If no answer
// can be had, the error matches an *ignis.Error with the code unavailable or timeout. The
// message may nevertheless have reached the endpoint.
func (c *Client) OnMessage(ctx context.Context, client *ignis.Client, m wire.Message) (reply any, err error) {
	ask := func() any { return messageData{c.whoIs(client, true), newMessage(m)} }
	err = c.ask(ctx, c.messages, true, ask, func(a answer) error {
		var raw json.RawMessage
		var err error
		if raw, err = readReply(a); raw != nil {
			reply = raw
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return reply, nil
}

// refusedStatuses are the statuses that refuse a message without a text for the client.
var refusedStatuses = map[int]ignis.Error{
	http.StatusUnauthorized:          {Code: wire.CodeForbidden, Message: "Not allowed"},
	http.StatusForbidden:             {Code: wire.CodeForbidden, Message: "Not allowed"},
	http.StatusRequestEntityTooLarge: {Code: wire.CodeTooLarge, Message: "Too large"},
	http.StatusUnprocessableEntity:   {Code: wire.CodeInvalid, Message: "Invalid"},
	http.StatusTooManyRequests:       {Code: wire.CodeRateLimited, Message: "Too many messages"},
}

// readReply reads the answer to a message. The reply is nil if there is none.
func readReply(a answer) (json.RawMessage, error) {
	if e := meant(a); e != nil {
		return nil, e
	}
	if e, ok := refusedStatuses[a.status]; ok {
		return nil, fmt.Errorf("webhook: refused by the endpoint: %s: %w", statusDetail(a.status, a.text()), &e)
	}
	if !a.accepted() {
		return nil, unexpected(typeMessage, a)
	}
	if len(bytes.TrimSpace(a.body)) == 0 {
		return nil, nil
	}
	fields, err := fieldsOf(a.body)
	if err == nil {
		err = known(fields, "reply", "refuse")
	}
	if err != nil {
		return nil, malformed(typeMessage, err)
	}
	switch e, err := refusalOf(fields); {
	case err != nil:
		return nil, malformed(typeMessage, err)
	case e != nil:
		return nil, e
	}
	return fields["reply"], nil
}
