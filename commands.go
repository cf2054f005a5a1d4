package ignis

import (
	"context"
	"errors"
	"time"

	"github.com/ignis-go/ignis/wire"
)

// sendCommand passes a command to the other servers of the cluster.
func (s *Server) sendCommand(ctx context.Context, c ...wire.EncodedCommand) error {
	if s.solo {
		return nil
	}
	b, ok := s.cfg.Bus.(CommandBus)
	if !ok {
		return &BusError{ErrNoCommands}
	}
	if err := b.SendCommands(ctx, c...); err != nil {
		return &BusError{err}
	}
	return nil
}

// resendTimeout limits an attempt to send revocations that the bus has lost.
const resendTimeout = 30 * time.Second

// runCommands executes commands from the bus until ctx is done. It calls known when it has
// executed the stored commands for the first time.
func (s *Server) runCommands(ctx context.Context, b CommandBus, known func()) error {
	lost := make(chan []Revocation, 1)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		s.resend(ctx, lost)
	}()
	err := b.ReceiveCommands(ctx, func(commands ...[]byte) {
		list := s.execute(commands)
		known()
		stored, now := newRevocations(s.cfg.MaxRevocations), time.Now().UnixMilli()
		for _, r := range list {
			stored.add(r, now)
		}
		// The bus has lost revocations, or this server has made them while it was cut off.
		missing := s.revoked.missing(stored, now)
		select {
		case <-lost: // replace an older list
		default:
		}
		if len(missing) > 0 {
			lost <- missing
		}
	}, func(commands ...[]byte) { s.execute(commands) })
	close(lost)
	<-ended
	return err
}

// resend sends revocations that the bus does not have.
func (s *Server) resend(ctx context.Context, lost <-chan []Revocation) {
	for list := range lost {
		commands := make([]wire.EncodedCommand, len(list))
		for i, r := range list {
			commands[i] = r.Encode()
		}
		limited, cancel := context.WithTimeout(ctx, resendTimeout)
		err := s.sendCommand(limited, commands...)
		cancel()
		switch {
		case err == nil:
			s.info("revocations that the bus did not have were sent again", "revocations", len(list))
		case ctx.Err() == nil:
			s.warn("revocations could not be sent to other instances", "revocations", len(list), "error", err)
		}
	}
}

// execute executes commands, and returns the revocations among them.
func (s *Server) execute(commands [][]byte) (list []Revocation) {
	s.counts.commands.Add(uint64(len(commands)))
	for _, text := range commands {
		r, err := s.readCommand(text)
		switch {
		case errors.Is(err, errUnknownCommand), errors.Is(err, wire.ErrVersion):
			s.counts.unknownCommands.Add(1)
			s.cfg.Logger.Debug("command from the bus ignored", "bytes", len(text), "error", err)
		case err != nil:
			s.counts.badCommands.Add(1)
			s.warn("malformed command from the bus", "bytes", len(text), "error", err)
		default:
			list = append(list, r)
		}
	}
	if len(list) > 0 {
		s.applyRevocations(true, list...)
	}
	return list
}

var errUnknownCommand = errors.New("unknown command")

// readCommand decodes a command.
func (s *Server) readCommand(text []byte) (r Revocation, err error) {
	c, err := wire.DecodeCommand(text)
	if err != nil {
		return r, err
	}
	if c.Name != wire.CommandRevoke {
		return r, errUnknownCommand
	}
	return c.Revocation()
}
