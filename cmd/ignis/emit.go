package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/alecthomas/kong"

	"github.com/ignis-go/ignis/emitter"
	"github.com/ignis-go/ignis/redisbus"
	"github.com/ignis-go/ignis/wire"
)

const localRedis = "redis://127.0.0.1:6379"

// emitterName is the client name in Redis, which CLIENT LIST shows, of commands that only
// send.
const emitterName = "emitter"

// emitCmd sends one event.
type emitCmd struct {
	Redis string `placeholder:"URL" help:"Redis of the servers (redis://127.0.0.1:6379). See ignis serve --help for other forms. Other users of the machine can read arguments, so for a URL with a password use --redis-file or the environment."`
	redisFlags
	throughAPI
	Timeout    period   `default:"5s" placeholder:"TIME" help:"Maximum time for each of: reading standard input, connecting, and sending (${default})."`
	MaxMessage byteSize `default:"1MiB" placeholder:"SIZE" help:"Maximum size of the message (${default}). Redis disconnects servers that fall behind by more than its setting client-output-buffer-limit."`

	Client    emitClient    `cmd:"" help:"Send to one client."`
	User      emitUser      `cmd:"" help:"Send to all sessions of a user."`
	Room      emitRoom      `cmd:"" help:"Send to the members of a room."`
	Broadcast emitBroadcast `cmd:"" help:"Send to all clients."`
}

// Help returns the text that --help shows below the summary.
func (emitCmd) Help() string {
	return `The data is JSON, given as an argument or, if there is none, on standard input if that is a pipe or a file. Otherwise the event has no data. The data is checked, and sent unchanged. Put -- before data that starts with a -.

The program that writes to a pipe must close it within --timeout. If a supervisor leaves standard input open, use < /dev/null to send an event without data.

The event reaches the clients that are connected at that moment; Redis does not report whether there are any. The servers must use the same --prefix.

With --url, the event is sent through the HTTP API of any of the servers (api.keys in its configuration), so Redis need not be reachable from here. It is sent again if no answer arrives, and the servers publish it only once.

Examples:

  ignis emit room lobby notice '{"text":"hello"}'

  ignis emit broadcast price --exclude 0b0f1c6e-6d6a-4f0c-9a37-2f6d1c1f8a11 < price.json

  ignis emit user ann invoice '{"id":17}' --url https://rt.example.com/api --api-key-file /run/secrets/billing`
}

// content contains the arguments for what is sent.
type content struct {
	Event string  `arg:"" help:"Name of the event."`
	JSON  *string `arg:"" optional:"" name:"json" help:"Data of the event as JSON. If absent or -, it is read from standard input."`
}

// exclusion contains the flag for who does not receive the event.
type exclusion struct {
	Exclude idList `placeholder:"ID" help:"IDs of clients that do not receive the event, separated by commas. May be repeated."`
}

type (
	emitClient struct {
		ID string `arg:"" help:"ID of the client, which is in its connected event."`
		content
	}
	emitUser struct {
		ID string `arg:"" help:"ID of the user."`
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

// Run sends the event to a client.
func (c *emitClient) Run(ctx context.Context, command *kong.Context, std *stdio) error {
	return emitOf(command).send(ctx, std, c.content, argument{"ID", c.ID}, wire.ToClient(c.ID), nil)
}

// Run sends the event to all sessions of a user.
func (c *emitUser) Run(ctx context.Context, command *kong.Context, std *stdio) error {
	return emitOf(command).send(ctx, std, c.content, argument{"ID", c.ID}, wire.ToUser(c.ID), nil)
}

// Run sends the event to a room.
func (c *emitRoom) Run(ctx context.Context, command *kong.Context, std *stdio) error {
	return emitOf(command).send(ctx, std, c.content, argument{"NAME", c.Name}, wire.ToRoom(c.Name), c.Exclude)
}

// Run sends the event to all clients.
func (c *emitBroadcast) Run(ctx context.Context, command *kong.Context, std *stdio) error {
	return emitOf(command).send(ctx, std, c.content, argument{"EVENT", c.Event}, wire.ToEveryone(), c.Exclude)
}

// emitOf returns the command emit, with the flags that its subcommands share.
func emitOf(command *kong.Context) *emitCmd {
	return pointer(command.Selected().Parent).(*emitCmd)
}

// argument is an argument of the command line.
type argument struct{ name, value string }

func (a argument) check() error {
	if a.value == "" || !utf8.ValidString(a.value) {
		return usage("", "%s: expected non-empty text in UTF-8, but got %q", a.name, a.value)
	}
	return nil
}

// send checks everything before it connects and sends. target is the argument that
// selects the address.
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
	data, err := c.data(ctx, std, time.Duration(e.Timeout))
	if err != nil {
		return err
	}
	options := []wire.SendOption{wire.Except(exclude...)}
	if e.URL != "" {
		return e.sendToAPI(ctx, std, address, c.Event, data, options)
	}
	return e.sendToRedis(ctx, std, address, c.Event, data, options)
}

// sendToAPI sends through the HTTP API.
func (e *emitCmd) sendToAPI(ctx context.Context, std *stdio, address wire.Address, event string, data any, options []wire.SendOption) error {
	if e.Redis != "" || e.RedisFile != "" {
		return usage("set only one of them, and check IGNIS_REDIS, IGNIS_REDIS_FILE and IGNIS_URL", "--url and --redis or --redis-file are both set")
	}
	timeout := time.Duration(e.Timeout)
	p, err := e.publisher(std, timeout)
	if err != nil {
		return err
	}
	to, err := emitter.New(p, emitter.Config{MaxMessage: int(e.MaxMessage)})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	return apiError(to.Send(ctx, address, event, data, options...), timeout)
}

// sendToRedis sends through Redis.
func (e *emitCmd) sendToRedis(ctx context.Context, std *stdio, address wire.Address, event string, data any, options []wire.SendOption) error {
	if e.APIKeyFile != "" {
		return usage("set --url, or leave out --api-key-file", "--api-key-file: the key is for --url, which is not set")
	}
	timeout := time.Duration(e.Timeout)
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
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, fmt.Errorf("no answer from Redis within %v", timeout))
	defer cancel()
	return redisError(to.Send(ctx, address, event, data, options...))
}

// redisError adds the exit code and the hint to an error of package redisbus or emitter.
func redisError(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, redisbus.ErrConfig):
		return usage("check the URL in --redis, --redis-file or IGNIS_REDIS", "--redis: %w", err)
	case errors.Is(err, emitter.ErrMessage):
		return usage("", "%w", err)
	}
	return &exitError{exitFailed, err, "is Redis running, and are its address and password in --redis, --redis-file or IGNIS_REDIS correct?"}
}

// data returns the data of the event as a json.RawMessage, or nil if there is none.
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
	return usage(`in JSON, text needs double quotes, as in '"hello"' or '{"text":"hello"}'`,
		"%s: expected one JSON value: %w", name, err)
}
