package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/ignis-go/ignis/access"
	"github.com/ignis-go/ignis/internal/strictjson"
)

// accessCmd contains the commands for access rules.
type accessCmd struct {
	Check accessCheckCmd `cmd:"" help:"Print what the rules of a configuration file allow a client in a room."`
}

// accessCheckCmd prints what a client may do in a room.
type accessCheckCmd struct {
	Config string     `required:"" placeholder:"FILE" help:"Configuration file with the section rooms."`
	User   string     `placeholder:"ID" help:"User ID of the client (none)."`
	Claims jsonObject `placeholder:"JSON" help:"Claims of the client's token, as a JSON object such as '{\"teams\":[\"red\"]}' (none)."`
	Room   string     `required:"" placeholder:"ROOM" help:"Name of the room."`
	Event  string     `placeholder:"EVENT" help:"Also print what becomes of this event if the client sends it to the room."`
}

// Help returns what --help shows below the summary.
func (accessCheckCmd) Help() string {
	return `The output says whether the client may join the room, which rule decided, and which events the client may send. It connects to nothing, so for rooms that the webhook decides about it only says so. The exit code is 0 whatever the answer.

Example:

  ignis access check --config ignis.yaml --user ann --claims '{"teams":["red"]}' --room team-red --event say`
}

// jsonObject is a JSON object, which is read like the claims of a token.
type jsonObject struct{ fields strictjson.Fields }

// UnmarshalText parses an object.
func (o *jsonObject) UnmarshalText(text []byte) (err error) {
	if o.fields, err = strictjson.Parse(text); err != nil {
		return fmt.Errorf(`expected a JSON object such as {"teams":["red"]}, but got %.100q: %w`, text, err)
	}
	return nil
}

// Run prints the decision.
func (c *accessCheckCmd) Run(_ context.Context, command *kong.Context, std *stdio) error {
	e, err := loadSettings(&settings{Config: c.Config}, command)
	if err != nil {
		return err
	}
	rules, err := e.rules()
	switch {
	case err != nil:
		return &exitError{exitUsage, e.problems(err), settingsHint}
	case rules == nil:
		return usage("without rules, the claim rooms of the token lists the rooms that a client may join", "%s has no section rooms", c.Config)
	}
	who := access.Subject{User: c.User, Claims: func(name string) json.RawMessage { return c.Claims.fields.Raw(name) }}
	lines := []string{rules.Explain(who, c.Room).String()}
	if c.Event != "" {
		member := rules.Send(who, c.Room, c.Event, true)
		lines = append(lines, fmt.Sprintf("send %s: as a member %s, otherwise %s",
			c.Event, outcome(member), outcome(rules.Send(who, c.Room, c.Event, false))))
	}
	_, err = fmt.Fprintln(std.out, oneLinePerItem(lines))
	return err
}

// outcome describes what becomes of a message.
func outcome(d access.Decision) string {
	var to []string
	switch {
	case d.ExceptSender:
		to = append(to, "the others in the room")
	case d.Relay:
		to = append(to, "the room")
	}
	if d.TellWebhook {
		to = append(to, "the webhook")
	}
	if d.Allowed && to != nil {
		return d.String() + " to " + strings.Join(to, " and ")
	}
	return d.String()
}

// oneLinePerItem joins texts, which may contain what the user typed, as lines.
func oneLinePerItem(texts []string) string {
	for i, t := range texts {
		texts[i] = oneLine(t)
	}
	return strings.Join(texts, "\n")
}
