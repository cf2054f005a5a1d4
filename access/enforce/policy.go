package enforce

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/access"
	"github.com/ignis-go/ignis/internal/loglimit"
	"github.com/ignis-go/ignis/internal/refusal"
	"github.com/ignis-go/ignis/wire"
)

// Config configures a [Policy]. Server is required.
type Config struct {
	// Rules are the rules to apply. [Policy.SetRules] replaces them. Nil: nothing is
	// allowed.
	Rules *access.Rules

	// Server returns the server that calls the policy's methods. It is called for each
	// message. Required.
	Server func() *ignis.Server

	// Claims returns the value of the claim with exactly this name in the client's token,
	// as valid JSON, or nil if there is none. Nil: the policy calls a method of the
	// client's metadata, Field(name string) json.RawMessage as *jwtauth.Claims has it, or
	// Grant(name string) json.RawMessage as *webhook.Metadata has it. Clients with other
	// metadata have no claims.
	Claims func(c *ignis.Client, name string) json.RawMessage

	// WebhookRooms returns those of the rooms that the client may join. It is asked about
	// the rooms of rules with join: webhook, once for all rooms of a request. If it returns
	// an error, the client joins none of them. The method ValidateRooms of a webhook.Client
	// can be used. Required if the rules use it.
	WebhookRooms func(ctx context.Context, c *ignis.Client, rooms []string) ([]string, error)

	// WebhookMessage handles messages of rules with to: webhook and to: both. The field
	// Room of the message is set for clients of both protocols. The reply is the answer to
	// the client. If it returns an error, the client receives that instead, and the message
	// is not sent to the room. Required if the rules use it.
	//
	// Two methods of a webhook.Client can be used: OnMessage waits for the webhook, which
	// can reply and refuse messages. TellMessage only queues messages for it.
	WebhookMessage func(ctx context.Context, c *ignis.Client, m wire.Message) (reply any, err error)

	// OnMessage handles messages that name no room, neither in the message nor in its data,
	// as [ignis.Config].OnMessage does. Nil: such messages are refused.
	OnMessage func(ctx context.Context, c *ignis.Client, m wire.Message) (reply any, err error)

	// Logger receives lines about what the rules refuse, which are limited to one for each
	// reason in ten seconds; see [Policy.Run]. Nil: slog.Default().
	Logger *slog.Logger
}

// Policy decides by rules what the clients of a server may do. Its methods are safe for
// concurrent use.
type Policy struct {
	cfg   Config
	rules atomic.Pointer[access.Rules]
	limit *loglimit.Limiter
	stats counters
}

// New returns a Policy, or an error if c is invalid.
func New(c Config) (*Policy, error) {
	if c.Server == nil {
		return nil, errors.New("enforce: Config.Server is required: it returns the server that messages are sent with")
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	p := &Policy{cfg: c, limit: loglimit.New(c.Logger)}
	if err := p.SetRules(c.Rules); err != nil {
		return nil, err
	}
	return p, nil
}

// Run reports every ten seconds how many log lines were left out, until ctx is done. Without it, the
// number follows with the next line for the same reason. Call it at most once.
func (p *Policy) Run(ctx context.Context) {
	p.limit.Open()
	defer p.limit.Close()
	<-ctx.Done()
}

// SetRules replaces the rules, for the requests that follow. Clients stay in the rooms that
// they are in until they leave, refresh their session or disconnect. If the rules use a
// callback that the Config does not have, SetRules changes nothing and returns an error.
func (p *Policy) SetRules(rules *access.Rules) error {
	joins, messages := rules.UsesWebhook()
	switch {
	case joins && p.cfg.WebhookRooms == nil:
		return errors.New("enforce: a rule has join: webhook, but no webhook is configured")
	case messages && p.cfg.WebhookMessage == nil:
		return errors.New("enforce: a rule sends messages to: webhook or both, but no webhook is configured")
	}
	p.rules.Store(rules)
	return nil
}

// Rules returns the rules in use, which may be nil.
func (p *Policy) Rules() *access.Rules { return p.rules.Load() }

// Explain returns what the rules allow a client in a room.
func (p *Policy) Explain(c *ignis.Client, room string) access.Explanation {
	return p.rules.Load().Explain(p.subject(c), room)
}

// subject returns what the rules know about a client.
func (p *Policy) subject(c *ignis.Client) access.Subject {
	s := access.Subject{User: c.UserID}
	if p.cfg.Claims != nil {
		s.Claims = func(name string) json.RawMessage { return p.cfg.Claims(c, name) }
		return s
	}
	switch m := c.Metadata.(type) {
	case interface {
		Field(name string) json.RawMessage
	}:
		s.Claims = m.Field
	case interface {
		Grant(name string) json.RawMessage
	}:
		s.Claims = m.Grant
	}
	return s
}

// ValidateRooms returns those of the rooms that the client may join. It can be used as
// [ignis.Config].ValidateRooms. If Config.WebhookRooms fails or says why it refuses rooms, it
// returns the rooms that are allowed and an [*ignis.PartialError].
func (p *Policy) ValidateRooms(ctx context.Context, c *ignis.Client, rooms []string) (allowed []string, err error) {
	rules, s := p.rules.Load(), p.subject(c)
	var ask, answer []string
	for _, room := range rooms {
		switch d := rules.Join(s, room); {
		case d.Allowed:
			allowed = append(allowed, room)
		case d.AskWebhook:
			ask = append(ask, room)
		default:
			refusal.Note(ctx, room)
			p.refused(&p.stats.refusedJoins, "join refused by the room rules", c, room, d)
		}
	}
	if len(ask) > 0 {
		answer, err = p.cfg.WebhookRooms(ctx, c, slices.Clone(ask))
		p.stats.askedJoins.Add(uint64(len(ask)))
		partial, _ := errors.AsType[*ignis.PartialError](err)
		usable := err == nil || partial != nil
		for _, room := range ask { // ignores other names in the answer
			if usable && slices.Contains(answer, room) {
				allowed = append(allowed, room)
			}
		}
	}
	p.stats.joins.Add(uint64(len(allowed)))
	if err != nil {
		err = &ignis.PartialError{Err: fmt.Errorf("asking the webhook about rooms: %w", undecided(err))}
	}
	return allowed, err
}

// undecided returns err as an error that matches an *ignis.Error. Any other error would mean
// that this program failed.
func undecided(err error) error {
	if e, ok := errors.AsType[*ignis.Error](err); ok && e != nil {
		return err
	}
	return fmt.Errorf("%w: %w", &ignis.Error{Code: wire.CodeUnavailable, Message: "Try again later"}, err)
}

// refused counts and logs what the rules refuse.
func (p *Policy) refused(count *reasons, message string, c *ignis.Client, room string, d access.Decision) {
	count.add(d.Reason)
	args := []any{"reason", string(d.Reason)}
	if d.Rule >= 0 { // no rule matches otherwise
		args = append(args, "rule", d.Rule, "match", d.Match)
	}
	level := slog.LevelInfo
	if d.Reason == access.NoRule { // a rule may be missing
		level = slog.LevelWarn
	}
	p.limit.Log(level, message, append(args, "room", room, "client", c.ID, "user", c.UserID, "remote", c.RemoteAddr)...)
}
