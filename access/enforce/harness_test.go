package enforce_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"go.uber.org/goleak"
	"go.yaml.in/yaml/v3"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/access"
	"github.com/ignis-go/ignis/access/enforce"
	"github.com/ignis-go/ignis/client"
	"github.com/ignis-go/ignis/ignistest"
	"github.com/ignis-go/ignis/internal/logtest"
	"github.com/ignis-go/ignis/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const teamRules = `
- match: "public-*"
  join: anyone
- match: "user:{user}:*"
  join: anyone
  send: {events: [note]}
- match: "team-{team}"
  join: {claim: teams}
  send: {events: [say, typing]}
- match: "feed"
  send: {events: [question], from: anyone}
- match: "quiz-*"
  join: webhook
  send: {events: [answer], to: webhook}
- match: "both"
  join: anyone
  send: {events: [say], to: both}
- match: "*"
  send: {events: [say], from: anyone}
`

func parse(t testing.TB, text string) *access.Rules {
	t.Helper()
	var rules access.Rules
	if err := yaml.Unmarshal([]byte(text), &rules); err != nil {
		t.Fatal(err)
	}
	return &rules
}

// claims are metadata as package jwtauth has them.
type claims map[string]json.RawMessage

func (c claims) Field(name string) json.RawMessage { return c[name] }

// grants are metadata as package webhook has them.
type grants map[string]json.RawMessage

func (g grants) Grant(name string) json.RawMessage { return g[name] }

// authenticate takes the user and claims from the credentials.
func authenticate(_ context.Context, c ignis.Credentials) (ignis.Identity, error) {
	var data struct {
		Claims   claims
		Grants   grants
		Protocol int
	}
	if err := c.Decode(&data); err != nil {
		return ignis.Identity{}, err
	}
	id := ignis.Identity{UserID: c.Token}
	switch {
	case data.Claims != nil:
		id.Metadata = data.Claims
	case data.Grants != nil:
		id.Metadata = data.Grants
	}
	return id, nil
}

// hook is an application's webhook.
type hook struct {
	mu       sync.Mutex
	asked    [][]string // rooms of each question
	messages []wire.Message
	rooms    []string // answer
	reply    any
	err      error
	during   func() // is called while a message is handled; nil: nothing
}

func (h *hook) validateRooms(_ context.Context, _ *ignis.Client, rooms []string) ([]string, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.asked = append(h.asked, rooms)
	return h.rooms, h.err
}

func (h *hook) onMessage(_ context.Context, _ *ignis.Client, m wire.Message) (any, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.messages = append(h.messages, m)
	if h.during != nil {
		h.during()
	}
	return h.reply, h.err
}

// fixture is a server with a policy.
type fixture struct {
	*ignistest.Server
	t      *testing.T
	policy *enforce.Policy
	hook   *hook
	log    *logtest.Log
}

// bubble runs a test with a server and a policy in fake time.
func bubble(t *testing.T, cfg enforce.Config, test func(t *testing.T, f *fixture)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { test(t, newFixture(t, cfg, ignis.Config{})) })
}

func newFixture(t *testing.T, cfg enforce.Config, server ignis.Config) *fixture {
	t.Helper()
	f := &fixture{t: t, hook: new(hook), log: new(logtest.Log)}
	if cfg.Rules == nil {
		cfg.Rules = parse(t, teamRules)
	}
	cfg.Server = func() *ignis.Server { return f.Server.Server }
	cfg.WebhookRooms, cfg.WebhookMessage = f.hook.validateRooms, f.hook.onMessage
	cfg.Logger = f.log.Logger()
	policy, err := enforce.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	f.policy = policy
	server.Authenticate, server.ValidateRooms, server.OnMessage = authenticate, policy.ValidateRooms, policy.OnMessage
	server.Logger = cfg.Logger
	f.Server = ignistest.NewServer(t, server)
	return f
}

// login connects a user with claims, which are JSON.
func (f *fixture) login(user, claims string) *ignistest.Client {
	f.t.Helper()
	return f.Dial(f.t, map[string]any{"token": user, "claims": json.RawMessage(claims)})
}

// login1 is login for a client of protocol 1.
func (f *fixture) login1(user, claims string) *ignistest.Client {
	f.t.Helper()
	return f.Dial(f.t, map[string]any{"token": user, "claims": json.RawMessage(claims), "protocol": 1})
}

// refused returns the codes of the rooms that the client is refused, separated by spaces.
func (f *fixture) refused(c *ignistest.Client, rooms ...string) string {
	f.t.Helper()
	var codes []string
	_, err := c.Conn.Join(f.t.Context(), rooms...)
	if e, ok := errors.AsType[*client.JoinError](err); ok {
		for _, r := range e.Refused {
			codes = append(codes, string(r.Code))
		}
	} else if err != nil {
		f.t.Fatal(err)
	}
	return strings.Join(codes, " ")
}

// send sends a message to a room and returns the reply, or the code and text of the error.
func (f *fixture) send(c *ignistest.Client, room, event, data string) string {
	f.t.Helper()
	m := wire.Message{Event: event, Room: room}
	if data != "" {
		m.Data = json.RawMessage(data)
	}
	answer, err := c.Conn.RequestMessage(f.t.Context(), m)
	if e, ok := errors.AsType[*client.Error](err); ok {
		return string(e.Code) + ": " + e.Message
	}
	if err != nil {
		f.t.Fatal(err)
	}
	return string(answer.Data)
}
