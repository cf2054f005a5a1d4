package webhook

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/wire"
)

// OnMessage sends a message to the endpoint and returns the endpoint's reply to the client.
// It can be used as [ignis.Config].OnMessage. If the endpoint refuses the message, the error
// wraps an [*ignis.Error]. If there is no usable answer, the error is logged and wraps an
// *ignis.Error with the code unavailable or timeout; the endpoint may nevertheless have
// handled the message. A request is never sent again. [Client.TellMessage] does not wait.
func (c *Client) OnMessage(ctx context.Context, client *ignis.Client, m wire.Message) (reply any, err error) {
	ask := func() any { return messageData{c.whoIs(client, true), newMessage(m)} }
	err = c.ask(ctx, c.messages, ask, func(a answer) error {
		var raw json.RawMessage
		var err error
		if raw, err = readReply(a); raw != nil {
			reply = raw
		}
		return err
	})
	if _, failed := errors.AsType[*failure](err); failed {
		c.limit.Log(slog.LevelWarn, "webhook: message not handled", "error", err) // the server does not log an *ignis.Error
	}
	if err != nil {
		return nil, err
	}
	return reply, nil
}

// refusedStatuses maps the statuses that refuse a message to what the client is told, unless
// the answer contains the field refuse.
var refusedStatuses = map[int]ignis.Error{
	http.StatusUnauthorized:          {Code: wire.CodeForbidden, Message: "Not allowed"},
	http.StatusForbidden:             {Code: wire.CodeForbidden, Message: "Not allowed"},
	http.StatusRequestEntityTooLarge: {Code: wire.CodeTooLarge, Message: "Too large"},
	http.StatusUnprocessableEntity:   {Code: wire.CodeInvalid, Message: "Invalid"},
	http.StatusTooManyRequests:       {Code: wire.CodeRateLimited, Message: "Too many messages"},
}

// readReply reads the answer to a message. The reply is nil if there is none.
func readReply(a answer) (json.RawMessage, error) {
	if e := shownRefusal(a); e != nil {
		return nil, e
	}
	if e, ok := refusedStatuses[a.status]; ok {
		return nil, fmt.Errorf("webhook: refused by the endpoint: %s: %w", a.detail(), &e)
	}
	if !a.accepted() {
		return nil, unexpected(typeMessage, a)
	}
	if len(bytes.TrimSpace(a.body)) == 0 {
		return nil, nil
	}
	fields, err := fieldsOf(a.body, "reply", "refuse")
	if err != nil {
		return nil, malformed(typeMessage, err)
	}
	switch e, err := refusalOf(fields); {
	case err != nil:
		return nil, malformed(typeMessage, err)
	case e != nil:
		return nil, e
	}
	return fields.Value("reply"), nil
}
