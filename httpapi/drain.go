package httpapi

import (
	"context"
	"net/http"

	"github.com/ignis-go/ignis/wire"
)

type drainRequest struct {
	Server string `json:"server,omitempty" minLength:"1" maxLength:"64" doc:"The ID of the server, as in /v1/state. If it is absent, this instance drains."`
}

// drains adds the operation that drains a server.
func (d *docs) drains() {
	register(d, described{
		id: "drain", method: http.MethodPost, path: "/v1/drain", scope: ScopeManage, problems: []kind{problemBus, problemNoCommands},
		summary: "Drain a server",
		text: "Takes a server out of service: it is not ready from then on, closes its clients gradually so that they connect to others, and then stops. " +
			"The answer does not wait for this. For another server, it means that the bus has accepted the command, and not that a server with the ID exists.",
	}, `{}`, (*Handler).drain)
}

func (h *Handler) drain(ctx context.Context, c *call, in drainRequest) (*commandAnswer, *problem) {
	if c.key.restricted() {
		return nil, c.restricted("drain servers")
	}
	s := h.cfg.Server
	id := in.Server
	if id == "" {
		id = s.ID()
	}
	if err := (wire.Drain{ServerID: id}).Check(); err != nil {
		return nil, problemAt("body.server", "%v", err)
	}
	if id != s.ID() && !s.HasBus() {
		return nil, problemAt("body.server", "this is not the ID of this instance, which is connected to no others")
	}
	out, p := c.command(ctx, func(ctx context.Context) (int, error) { return s.DrainServer(ctx, id) })
	if p != nil && p.LocalClients != nil { // the command was for another instance only
		p.Detail, p.LocalClients = "The command was not passed to the other instance. It is safe to repeat it.", nil
	}
	return out, p
}
