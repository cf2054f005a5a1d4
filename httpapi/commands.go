package httpapi

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/wire"
)

// address returns the address that d stands for.
func (d destination) address() (ignis.Address, *problem) {
	switch {
	case d.Room != "":
		return ignis.ToRoom(d.Room), nil
	case d.User != "":
		return ignis.ToUser(d.User), nil
	case d.Client != "":
		return ignis.ToClient(d.Client), nil
	case d.Everyone:
		return ignis.ToEveryone(), nil
	}
	return ignis.Address{}, problemAt("body.to", wantTarget)
}

type disconnectRequest struct {
	To     destination `json:"to"`
	Code   int         `json:"code,omitempty" default:"4006" doc:"The close code: 1000, 1008, or 4000 to 4999. Clients that are closed with 4006 do not reconnect automatically."`
	Reason string      `json:"reason,omitempty" maxLength:"123" doc:"The reason in the close frame, at most 123 bytes." example:"Closed by support"`
}

type roomsRequest struct {
	To    destination `json:"to"`
	Rooms []string    `json:"rooms" nullable:"false" minItems:"1" maxItems:"128" doc:"The names of the rooms."`
}

type revokeRequest struct {
	User         string     `json:"user,omitempty" minLength:"1" maxLength:"1024" doc:"Revoke the sessions of a user."`
	Token        string     `json:"token,omitempty" minLength:"1" maxLength:"1024" doc:"Revoke the sessions that use a token: its ID, such as the claim jti."`
	Client       string     `json:"client,omitempty" minLength:"1" maxLength:"1024" doc:"Revoke one session."`
	Everyone     bool       `json:"everyone,omitempty" enum:"true" doc:"Revoke the sessions of all users. Requires issuedBefore."`
	IssuedBefore *time.Time `json:"issuedBefore,omitempty" doc:"Only with user or everyone: revoke only tokens that were issued before this time."`
	Until        time.Time  `json:"until" doc:"Until when the revocation is remembered: when the last of the tokens expires."`
}

type commandAnswer struct {
	Body struct {
		LocalClients int `json:"localClients" doc:"The number of clients of this instance that the command affected."`
	}
}

// commands adds the operations that manage clients.
func (d *docs) commands() {
	const others = " Other instances are told over the bus; the answer means that the bus has accepted this."
	problems := []kind{problemBus, problemNoCommands}
	register(d, described{
		id: "disconnect", method: http.MethodPost, path: "/v1/disconnect", scope: ScopeManage, problems: problems,
		summary: "Disconnect clients", text: "Closes clients on all instances. An instance that is cut off from the bus is not reached, and clients may connect again; to prevent both, revoke access." + others,
	}, `{"to":{"user":"ann"},"reason":"Closed by support"}`, (*Handler).disconnect)
	register(d, described{
		id: "join", method: http.MethodPost, path: "/v1/join", scope: ScopeManage, problems: problems,
		summary: "Make clients join rooms", text: "Adds clients to rooms on all instances, without asking the application whether they may join. Clients that connect later are not added." + others,
	}, `{"to":{"user":"ann"},"rooms":["team-red"]}`, (*Handler).join)
	register(d, described{
		id: "leave", method: http.MethodPost, path: "/v1/leave", scope: ScopeManage, problems: problems,
		summary: "Make clients leave rooms", text: "Removes clients from rooms on all instances." + others,
	}, `{"to":{"user":"ann"},"rooms":["team-red"]}`, (*Handler).leave)
	register(d, described{
		id: "revoke", method: http.MethodPost, path: "/v1/revoke", scope: ScopeManage, problems: append(problems, problemRevocations),
		summary: "Revoke access", text: "Closes clients on all instances, and refuses their tokens from then on. Exactly one of user, token, client and everyone is required. Instances that start or reconnect later learn of it." + others,
	}, `{"user":"ann","until":"2030-01-01T00:00:00Z"}`, (*Handler).revoke)
}

// body is the input of an operation.
type body[T any] struct{ Body T }

// register adds an operation that package huma decodes.
func register[T, O any](d *docs, o described, example string, serve func(*Handler, context.Context, *call, T) (*O, *problem)) {
	op := d.operation(o)
	huma.Register(d.api, op, func(ctx context.Context, in *body[T]) (*O, error) {
		c := callOf(ctx)
		out, p := serve(d.h, ctx, c, in.Body)
		if p != nil {
			return nil, p
		}
		return out, nil
	})
	added := d.api.OpenAPI().Paths[o.path].Post
	added.RequestBody.Content["application/json"].Example = rawExample(example)
}

func (h *Handler) disconnect(ctx context.Context, c *call, in disconnectRequest) (*commandAnswer, *problem) {
	to, p := in.To.address()
	if p != nil {
		return nil, p
	}
	if c.key.restricted() {
		return nil, c.restricted("disconnect clients")
	}
	if in.Code < 0 || in.Code > 4999 {
		return nil, problemAt("body.code", "want 1000, 1008 or 4000 to 4999")
	}
	code, reason := uint16(in.Code), in.Reason
	if err := wire.CheckClose(code, reason); err != nil {
		return nil, problemAt("body", "%v", err)
	}
	if reason == "" {
		reason = wire.CloseReason(code)
	}
	if err := (wire.Disconnection{To: to, Code: code, Reason: reason}).Check(); err != nil {
		return nil, problemAt("body", "%v", err)
	}
	return c.command(ctx, func(ctx context.Context) (int, error) { return h.cfg.Server.DisconnectAll(ctx, to, code, reason) })
}

func (h *Handler) join(ctx context.Context, c *call, in roomsRequest) (*commandAnswer, *problem) {
	return c.changeRooms(ctx, in, false, h.cfg.Server.JoinAll)
}

func (h *Handler) leave(ctx context.Context, c *call, in roomsRequest) (*commandAnswer, *problem) {
	return c.changeRooms(ctx, in, true, h.cfg.Server.LeaveAll)
}

func (c *call) changeRooms(ctx context.Context, in roomsRequest, leave bool, change func(context.Context, ignis.Address, ...string) (int, error)) (*commandAnswer, *problem) {
	to, p := in.To.address()
	if p != nil {
		return nil, p
	}
	for _, room := range in.Rooms {
		if !c.key.allowsRoom(room) {
			return nil, c.restricted("use this room")
		}
	}
	if c.key.restricted() && (to.Type == wire.TypeBroadcast || to.Type == wire.TypeRoom && !c.key.allowsRoom(to.Name)) {
		return nil, c.restricted("change the rooms of these clients")
	}
	if err := (wire.RoomChange{To: to, Rooms: in.Rooms, Leave: leave}).Check(); err != nil {
		return nil, problemAt("body", "%v", err)
	}
	return c.command(ctx, func(ctx context.Context) (int, error) { return change(ctx, to, in.Rooms...) })
}

func (h *Handler) revoke(ctx context.Context, c *call, in revokeRequest) (*commandAnswer, *problem) {
	if c.key.restricted() {
		return nil, c.restricted("revoke access")
	}
	r := ignis.Revocation{UserID: in.User, TokenID: in.Token, ClientID: in.Client, Everyone: in.Everyone, Until: in.Until}
	if in.IssuedBefore != nil {
		r.IssuedBefore = *in.IssuedBefore
	}
	if err := r.Check(); err != nil {
		return nil, problemAt("body", "%v", err)
	}
	if !r.Until.After(time.Now()) {
		return nil, problemAt("body.until", "the time has passed")
	}
	return c.command(ctx, func(ctx context.Context) (int, error) { return h.cfg.Server.Revoke(ctx, r) })
}

// restricted returns the problem for a key that is restricted to some rooms.
func (c *call) restricted(what string) *problem {
	c.h.counts.forbidden.Add(1)
	return problemForbidden.problem("The key is restricted to some rooms, so it cannot be used to " + what + ".")
}

// command executes a command, whose arguments are valid.
func (c *call) command(ctx context.Context, do func(context.Context) (clients int, err error)) (*commandAnswer, *problem) {
	// A client that is gone does not interrupt a command of which a part is done.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.h.cfg.CommandTimeout)
	defer cancel()
	c.did = true
	n, err := do(ctx)
	if err == nil {
		out := new(commandAnswer)
		out.Body.LocalClients = n
		return out, nil
	}
	p := c.commandProblem(err)
	if c.did {
		p.LocalClients = &n
	}
	// A command may be executed twice, so a repetition with the same idempotency key must
	// reach the other instances instead of getting this answer again.
	c.did = false
	return nil, p
}

// commandProblem returns the problem for an error of a command.
func (c *call) commandProblem(err error) *problem {
	const here = "The command was executed on this instance, but "
	_, bus := errors.AsType[*ignis.BusError](err)
	switch {
	case !bus && !errors.Is(err, ignis.ErrTooManyRevocations):
		c.did = false
		return c.serverProblem(err)
	case errors.Is(err, ignis.ErrNoCommands):
		return problemNoCommands.problem(here + "the bus carries no commands to other instances.")
	case bus:
		c.h.counts.busFailures.Add(1)
		c.h.limit.Log(slog.LevelWarn, "a command from the API may not have reached other instances", "operation", c.op.id, "request_id", c.id, "error", err)
		return problemBus.problem(here + "the bus has not accepted it for the other instances. It is safe to repeat it.").after(time.Second)
	}
	return problemRevocations.problem(here + "the revocation is not remembered, because too many others are.")
}
