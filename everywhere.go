package ignis

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"github.com/ignis-go/ignis/internal/loglimit"
	"github.com/ignis-go/ignis/internal/printable"
	"github.com/ignis-go/ignis/wire"
)

// DisconnectAll closes the clients that to addresses, on every server of the cluster, with
// a close code and a reason like [Server.Disconnect]. If to is a client, the client need not
// be authenticated.
//
// DisconnectAll first closes the clients of this server and counts them. Then it passes the
// command to the bus and waits until the bus has accepted it or ctx is done. If that fails,
// the error wraps a [*BusError], and clients of other servers may not be closed. Calling
// DisconnectAll again is then safe.
//
// A server that is cut off from the bus misses the command, and a client may connect again.
// [Server.Revoke] prevents both.
func (s *Server) DisconnectAll(ctx context.Context, to Address, code uint16, reason string) (clients int, err error) {
	if to, err = s.target(to); err != nil {
		return 0, err
	}
	d := wire.Disconnection{To: to, Code: code, Reason: reason}
	if err := d.Check(); err != nil {
		return 0, fmt.Errorf("ignis: %w", err)
	}
	clients = s.disconnectAll(d, false)
	return clients, s.sendCommand(ctx, d.Encode(uuid.NewString(), s.id))
}

// JoinAll adds the authenticated clients that to addresses to rooms, on every server of the
// cluster. It neither calls ValidateRooms nor applies MaxRooms, and clients that are already
// in a room stay in it. Clients that connect later are not added.
//
// JoinAll first changes the rooms of the clients of this server and returns their number.
// Then it passes the command to the bus, as [Server.DisconnectAll] does, with the same
// errors. A server that is cut off from the bus misses the command.
func (s *Server) JoinAll(ctx context.Context, to Address, rooms ...string) (clients int, err error) {
	return s.changeRoomsEverywhere(ctx, wire.RoomChange{To: to, Rooms: rooms})
}

// LeaveAll removes the authenticated clients that to addresses from rooms, on every server
// of the cluster. Clients that are not in a room are ignored. The result and the errors are
// those of [Server.JoinAll].
func (s *Server) LeaveAll(ctx context.Context, to Address, rooms ...string) (clients int, err error) {
	return s.changeRoomsEverywhere(ctx, wire.RoomChange{To: to, Rooms: rooms, Leave: true})
}

func (s *Server) changeRoomsEverywhere(ctx context.Context, r wire.RoomChange) (clients int, err error) {
	if r.To, err = s.target(r.To); err != nil {
		return 0, err
	}
	if err := r.Check(); err != nil {
		return 0, fmt.Errorf("ignis: %w", err)
	}
	clients = s.changeRooms(r, false)
	return clients, s.sendCommand(ctx, r.Encode(uuid.NewString(), s.id))
}

// target returns the resolved address of a command, or an error if it is invalid or the
// server is not running.
func (s *Server) target(to Address) (Address, error) {
	if err := s.running(); err != nil {
		return to, err
	}
	to, err := s.resolve(to)
	if err != nil {
		return to, fmt.Errorf("ignis: %w", err)
	}
	return to, nil
}

// disconnectAll closes the clients of this server that d addresses, and returns their number.
func (s *Server) disconnectAll(d wire.Disconnection, fromBus bool) int {
	var list []*session
	if d.To.Type == wire.TypeClient {
		if m, ok := s.reg.Get(d.To.Name); ok {
			list = append(list, m.Value)
		}
	} else {
		list = s.appendRecipients(nil, d.To)
	}
	for _, c := range list {
		c.conn.Close(d.Code, d.Reason)
	}
	s.logCommand("clients disconnected", d.To, len(list), fromBus, "code", d.Code)
	return len(list)
}

// changeRooms changes the rooms of the clients of this server that r addresses, and returns
// the number of clients.
func (s *Server) changeRooms(r wire.RoomChange, fromBus bool) int {
	list := s.appendRecipients(nil, r.To)
	message := "clients added to rooms"
	if r.Leave {
		message = "clients removed from rooms"
	}
	for _, c := range list {
		if r.Leave {
			c.leaveRooms(r.Rooms)
		} else {
			c.enterRooms(r.Rooms)
		}
	}
	s.logCommand(message, r.To, len(list), fromBus, "rooms", len(r.Rooms))
	return len(list)
}

// logCommand logs a command that was executed. Most commands from other servers address no
// client of this one, so these are logged only at the level debug.
func (s *Server) logCommand(message string, to Address, clients int, fromBus bool, args ...any) {
	args = append([]any{"to", printable.Text(to.String(), loglimit.MaxText), "clients", clients, "from_bus", fromBus}, args...)
	if clients == 0 && fromBus {
		s.cfg.Logger.Debug(message, args...)
		return
	}
	s.info(message, args...)
}
