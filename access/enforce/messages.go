package enforce

import (
	"context"
	"errors"
	"fmt"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/access"
	"github.com/ignis-go/ignis/wire"
)

// The reasons, besides those of package access, why a message is refused.
const (
	NoRoom       access.Reason = "the message names no room"
	TwoRooms     access.Reason = "the message and its data name different rooms"
	Disconnected access.Reason = "the client disconnected before its message was handled"
)

// OnMessage handles a message for a room; see the package documentation. It can be used as
// [ignis.Config].OnMessage.
func (p *Policy) OnMessage(ctx context.Context, c *ignis.Client, m wire.Message) (reply any, err error) {
	inData := wire.DataRoom(m.Data)
	switch {
	case m.Room == "" && inData == "" && p.cfg.OnMessage != nil:
		p.stats.others.Add(1)
		return p.cfg.OnMessage(ctx, c, m)
	case m.Room == "" && inData == "":
		return nil, p.refuse(c, "", access.Decision{Rule: -1, Reason: NoRoom})
	case m.Room == "":
		m.Room = inData
	case inData != "" && inData != m.Room:
		// Clients of protocol 1 would take the one in the data for the room of the message.
		return nil, p.refuse(c, m.Room, access.Decision{Rule: -1, Reason: TwoRooms})
	}
	srv := p.cfg.Server()
	d := p.rules.Load().Send(p.subject(c), m.Room, m.Event, srv.InRoom(c.ID, m.Room))
	if d.Reason == access.NotMember && ctx.Err() != nil {
		d.Reason = Disconnected
	}
	if !d.Allowed {
		return nil, p.refuse(c, m.Room, d)
	}
	if d.TellWebhook {
		connected := ctx.Err() == nil
		p.stats.toWebhook.Add(1)
		if reply, err = p.cfg.WebhookMessage(ctx, c, m); err != nil {
			return nil, err
		}
		if connected && ctx.Err() != nil { // its access may have been revoked meanwhile
			return nil, p.refuse(c, m.Room, access.Decision{Rule: d.Rule, Match: d.Match, Line: d.Line, Reason: Disconnected})
		}
	}
	if d.Relay {
		err = p.relay(ctx, srv, c, m, d.ExceptSender)
	}
	return reply, err
}

// relay sends a message to its room.
func (p *Policy) relay(ctx context.Context, srv *ignis.Server, c *ignis.Client, m wire.Message, exceptSender bool) error {
	options := []ignis.SendOption{ignis.From(c)}
	if exceptSender {
		options = append(options, ignis.Except(c.ID))
	}
	// What a client sent before it disconnected counts.
	err := srv.Send(context.WithoutCancel(ctx), ignis.ToRoom(m.Room), m.Event, m.Data, options...)
	_, onlyHere := errors.AsType[*ignis.BusError](err)
	if err == nil || onlyHere {
		p.stats.relayed.Add(1)
	}
	switch {
	case onlyHere:
		return fmt.Errorf("%w: %w", &ignis.Error{Code: wire.CodeUnavailable, Message: "The message did not reach all servers"}, err)
	case errors.Is(err, wire.ErrTooLarge):
		return fmt.Errorf("%w: %w", &ignis.Error{Code: wire.CodeTooLarge, Message: "The message is too large"}, err)
	}
	return err
}

// refuse counts and logs a message that is refused, and returns the error for the client.
func (p *Policy) refuse(c *ignis.Client, room string, d access.Decision) *ignis.Error {
	p.refused(&p.stats.refusedMessages, "message refused by the room rules", c, room, d)
	switch d.Reason {
	case NoRoom:
		return &ignis.Error{Code: wire.CodeInvalid, Message: "The message must name a room"}
	case TwoRooms:
		return &ignis.Error{Code: wire.CodeInvalid, Message: "The message and its data name different rooms"}
	case Disconnected:
		return &ignis.Error{Code: wire.CodeUnavailable, Message: "The client has disconnected"}
	case access.NotMember:
		return &ignis.Error{Code: wire.CodeForbidden, Message: "Join the room first"}
	}
	if d.Reason.BadName() {
		return &ignis.Error{Code: wire.CodeInvalid, Message: "Clients cannot use rooms with this name"}
	}
	return &ignis.Error{Code: wire.CodeForbidden, Message: "Not allowed in this room"}
}
