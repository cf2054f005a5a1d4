package httppublisher

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/ignis-go/ignis/wire"
)

// SendCommands executes commands through the API, one request for each, in order. It returns the
// first error and does not send the commands after it. The key needs the scope manage.
func (p *Publisher) SendCommands(ctx context.Context, commands ...wire.EncodedCommand) error {
	for _, c := range commands {
		path, body, id, err := encodeCommand(c.Text)
		if err != nil {
			return fmt.Errorf("%w: %w", wire.ErrNotSent, err)
		}
		if err := p.post(ctx, request{path: path, body: body, id: id}); err != nil {
			return err
		}
	}
	return nil
}

// revocation is a revocation in the API.
type revocation struct {
	User         string     `json:"user,omitempty"`
	Token        string     `json:"token,omitempty"`
	Client       string     `json:"client,omitempty"`
	Everyone     bool       `json:"everyone,omitempty"`
	IssuedBefore *time.Time `json:"issuedBefore,omitempty"`
	Until        time.Time  `json:"until"`
}

// encodeCommand returns the request for a command, and the command's ID.
func encodeCommand(text []byte) (path string, body []byte, id string, err error) {
	c, err := wire.DecodeCommand(text)
	if err != nil {
		return "", nil, "", err
	}
	var request any
	switch c.Name {
	case wire.CommandRevoke:
		r, err := c.Revocation()
		if err != nil {
			return "", nil, "", err
		}
		out := revocation{User: r.UserID, Token: r.TokenID, Client: r.ClientID, Everyone: r.Everyone, Until: r.Until.UTC()}
		if !r.IssuedBefore.IsZero() {
			before := r.IssuedBefore.UTC()
			out.IssuedBefore = &before
		}
		request = out
	case wire.CommandDisconnect:
		d, err := c.Disconnection()
		if err != nil {
			return "", nil, "", err
		}
		to, err := newTarget(d.To)
		if err != nil {
			return "", nil, "", err
		}
		request = struct {
			To     target `json:"to"`
			Code   uint16 `json:"code"`
			Reason string `json:"reason,omitempty"`
		}{to, d.Code, d.Reason}
	case wire.CommandJoin, wire.CommandLeave:
		r, err := c.RoomChange()
		if err != nil {
			return "", nil, "", err
		}
		to, err := newTarget(r.To)
		if err != nil {
			return "", nil, "", err
		}
		request = struct {
			To    target   `json:"to"`
			Rooms []string `json:"rooms"`
		}{to, r.Rooms}
	default:
		return "", nil, "", fmt.Errorf("the API has no command %.40q", c.Name)
	}
	body, err = json.Marshal(request)
	return "/v1/" + c.Name, body, c.ID, err
}
