package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/ignis-go/ignis/emitter"
	"github.com/ignis-go/ignis/redisbus"
	"github.com/ignis-go/ignis/wire"
)

const localRedis = "redis://127.0.0.1:6379"

// emitterName is how Redis' CLIENT LIST names the commands that only send.
const emitterName = "emitter"

// emitCmd sends one event.
type emitCmd struct {
	Redis string `placeholder:"URL" help:"Redis of the servers (redis://127.0.0.1:6379); ignis serve --help has the forms. Other users of the machine can read arguments: for a password use --redis-file, or the environment."`
	redisFlags
	Timeout    period   `default:"5s" placeholder:"TIME" help:"How long the data may take to come on standard input, how long connecting may take, and how long sending (${default})."`
	MaxMessage byteSize `default:"1MiB" placeholder:"SIZE" help:"Largest message (${default}). Redis cuts off every server that is behind by more than its own limit, client-output-buffer-limit."`

	Client    emitClient    `cmd:"" help:"Send to one client."`
	User      emitUser      `cmd:"" help:"Send to all sessions of a user."`
	Room      emitRoom      `cmd:"" help:"Send to the members of a room."`
	Broadcast emitBroadcast `cmd:"" help:"Send to all clients."`
}

// Help returns what --help shows below the summary.
func (emitCmd) Help() string {
	return `The data is JSON, from the argument or from standard input if that is a pipe or a file; without either the event has none. A pipe has to be closed by whoever writes to it, within --timeout; where nobody does, as under some supervisors, < /dev/null is for an event without data. It is checked before anything is sent, and sent as it is. A value that starts with a - comes after --.

The event reaches whoever is connected at this moment; Redis does not tell whether somebody was. The servers have to have the same --prefix.

Examples:

  ignis emit room lobby notice '{"text":"hello"}'

  ignis emit broadcast price --exclude 0b0f1c6e-6d6a-4f0c-9a37-2f6d1c1f8a11 < price.json`
}

// content is what is sent, whoever it goes to.
type content struct {
	Event string  `arg:"" help:"Name of the event."`
	JSON  *string `arg:"" optional:"" name:"json" help:"Data of the event; - or nothing for standard input."`
}

// exclusion is whom it does not go to.
type exclusion struct {
	Exclude idList `placeholder:"ID" help:"Clients that do not get it. May be repeated."`
}

type (
	emitClient struct {
		ID string `arg:"" help:"Id of the client, as its connected event has it."`
		content
	}
	emitUser struct {
		ID string `arg:"" help:"Id of the user."`
		content
	}
	emitRoom struct {
		Name string `arg:"" help:"Name of the room."`
		content
		exclusion
	}
	emitBroadcast struct {
		content
		exclusion
	}
)

// Run sends to one client.
func (c *emitClient) Run(ctx context.Context, std *stdio, e *emitCmd) error {
	return e.send(ctx, std, c.content, argument{"ID", c.ID}, wire.ToClient(c.ID), nil)
}

// Run sends to one user.
func (c *emitUser) Run(ctx context.Context, std *stdio, e *emitCmd) error {
	return e.send(ctx, std, c.content, argument{"ID", c.ID}, wire.ToUser(c.ID), nil)
}

// Run sends to one room.
func (c *emitRoom) Run(ctx context.Context, std *stdio, e *emitCmd) error {
	return e.send(ctx, std, c.content, argument{"NAME", c.Name}, wire.ToRoom(c.Name), c.Exclude)
}

// Run sends to everybody.
func (c *emitBroadcast) Run(ctx context.Context, std *stdio, e *emitCmd) error {
	return e.send(ctx, std, c.content, argument{"EVENT", c.Event}, wire.ToEveryone(), c.Exclude)
}

// argument is a text from the command line and what it is called there.
type argument struct{ name, value string }

func (a argument) check() error {
	if a.value == "" || !utf8.ValidString(a.value) {
		return usage("", "%s: expected a text in UTF-8 that is not empty, but got %q", a.name, a.value)
	}
	return nil
}

// send checks everything, then connects and sends. The first argument is what names
// the address on the command line.
func (e *emitCmd) send(ctx context.Context, std *stdio, c content, target argument, address wire.Address, exclude idList) error {
	args := []argument{target, {"EVENT", c.Event}}
	for _, id := range exclude {
		args = append(args, argument{"--exclude", id})
	}
	for _, a := range args {
		if err := a.check(); err != nil {
			return err
		}
	}
	timeout := time.Duration(e.Timeout)
	data, err := c.data(ctx, std, timeout)
	if err != nil {
		return err
	}
	redis, err := e.loadQuietly(e.Redis, localRedis, std)
	if err != nil {
		return err
	}
	redis.StartTimeout = timeout
	redis.Name = emitterName
	bus, err := redisbus.Dial(ctx, redis)
	if err != nil {
		return redisError(err)
	}
	defer bus.Close()
	to, err := emitter.New(bus, emitter.Config{MaxMessage: int(e.MaxMessage)})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, fmt.Errorf("not done within %v", timeout))
	defer cancel()
	return redisError(to.Send(ctx, address, c.Event, data, wire.Except(exclude...)))
}

// redisError adds what to do about an error of Redis, of its address or of what
// is sent.
func redisError(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, redisbus.ErrConfig):
		return usage("the address is that of --redis or --redis-file, or of IGNIS_REDIS", "--redis: %w", err)
	case errors.Is(err, emitter.ErrMessage):
		return usage("", "%w", err)
	}
	return &exitError{exitFailed, err, "is Redis running, and does --redis, --redis-file or IGNIS_REDIS have its address and password?"}
}

// data returns the event's data as JSON text, or nil when there is none.
func (c content) data(ctx context.Context, std *stdio, timeout time.Duration) (any, error) {
	text, name := []byte(nil), "JSON"
	if c.JSON != nil && *c.JSON != "-" {
		if text = bytes.TrimSpace([]byte(*c.JSON)); len(text) == 0 {
			return nil, jsonError(name, errors.New("it is empty"))
		}
	} else {
		var err error
		name = "standard input"
		if text, err = readInput(ctx, std, c.JSON != nil, timeout); err != nil {
			return nil, err
		}
	}
	if len(text) == 0 {
		return nil, nil
	}
	if err := wire.Valid(text); err != nil {
		return nil, jsonError(name, err)
	}
	return json.RawMessage(text), nil
}

func jsonError(name string, err error) error {
	return usage(`text needs quotes of its own, as in '"hello"' or '{"text":"hello"}'`,
		"%s: expected one JSON value: %w", name, err)
}
