package emitter

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"

	"github.com/ignis-go/ignis/wire"
)

// CommandPublisher is an optional interface of a [Publisher], for [Emitter.Revoke],
// [Emitter.DisconnectAll], [Emitter.JoinAll] and [Emitter.LeaveAll]. The Publisher of package
// redisbus implements it.
type CommandPublisher interface {
	// SendCommands sends commands to all servers, stores those that have a time until then,
	// and returns when the bus has accepted them. After an error, it is safe to send them
	// again.
	SendCommands(ctx context.Context, commands ...wire.EncodedCommand) error
}

// command sends a command.
func (e *Emitter) command(ctx context.Context, c wire.EncodedCommand) error {
	p, ok := e.publisher.(CommandPublisher)
	if !ok {
		return errors.New("emitter: the Publisher carries no commands: it does not implement CommandPublisher")
	}
	if err := p.SendCommands(ctx, c); err != nil {
		return fmt.Errorf("emitter: command not confirmed: %w", err)
	}
	return nil
}

// DisconnectAll closes the clients that to addresses, on all servers, with a close code and
// a reason of at most 123 bytes. The code must be 1000, 1008 or between 4000 and 4999. A
// client that is closed with [wire.CloseDisconnected] does not reconnect automatically.
//
// A server that is cut off from the bus misses the command, and a client may connect again;
// [Emitter.Revoke] prevents both. If DisconnectAll returns an error, some or all servers may
// have executed the command, and it is safe to call DisconnectAll again. An invalid command
// is an error that wraps [ErrMessage].
func (e *Emitter) DisconnectAll(ctx context.Context, to wire.Address, code uint16, reason string) error {
	d := wire.Disconnection{To: to, Code: code, Reason: reason}
	if err := d.Check(); err != nil {
		return fmt.Errorf("%w: %w", ErrMessage, err)
	}
	return e.command(ctx, d.Encode(rand.Text(), ""))
}

// JoinAll adds the authenticated clients that to addresses to rooms, on all servers. It does
// not ask the application whether they may join. Clients that connect later are not added.
// For errors see [Emitter.DisconnectAll].
func (e *Emitter) JoinAll(ctx context.Context, to wire.Address, rooms ...string) error {
	return e.changeRooms(ctx, wire.RoomChange{To: to, Rooms: rooms})
}

// LeaveAll removes the authenticated clients that to addresses from rooms, on all servers.
// For errors see [Emitter.DisconnectAll].
func (e *Emitter) LeaveAll(ctx context.Context, to wire.Address, rooms ...string) error {
	return e.changeRooms(ctx, wire.RoomChange{To: to, Rooms: rooms, Leave: true})
}

func (e *Emitter) changeRooms(ctx context.Context, r wire.RoomChange) error {
	if err := r.Check(); err != nil {
		return fmt.Errorf("%w: %w", ErrMessage, err)
	}
	return e.command(ctx, r.Encode(rand.Text(), ""))
}
