package redisbus

import (
	"context"
	_ "embed" // the script
	"errors"
	"fmt"
	"net"
	"strconv"

	"github.com/redis/rueidis"

	"github.com/ignis-go/ignis/internal/redisconn"
	"github.com/ignis-go/ignis/wire"
)

const (
	// sendBatch is the maximum number of commands in one call of the script.
	sendBatch = 256
	// readBatch is the number of stored commands that are read at a time. With commands of
	// maximum size, the reply fits into the smallest MaxIncoming that makes sense.
	readBatch = 256
)

//go:embed send.lua
var sendScript string

// store is where commands are stored and sent.
type store struct {
	cfg    *Config
	target *redisconn.Target
}

// checkCommands returns an error if a command is too large.
func checkCommands(commands []wire.EncodedCommand) error {
	for _, c := range commands {
		if len(c.Text) == 0 || len(c.Text) > wire.MaxCommand {
			return fmt.Errorf("redisbus: a command has %d bytes; want 1 to %d", len(c.Text), wire.MaxCommand)
		}
	}
	return nil
}

// send stores and sends commands over a link.
func (s store) send(ctx context.Context, l *link, commands []wire.EncodedCommand) error {
	for len(commands) > 0 {
		n := min(len(commands), sendBatch)
		args := []string{s.cfg.Prefix + wire.ChannelCommands, strconv.Itoa(s.cfg.MaxStoredCommands)}
		for _, c := range commands[:n] {
			until := "0"
			if !c.Until.IsZero() {
				until = strconv.FormatInt(max(c.Until.UnixMilli(), 1), 10)
			}
			args = append(args, until, string(c.Text))
		}
		err := s.onOwner(ctx, l, func(ctx context.Context, l *link) error {
			refused, err := l.client.Do(ctx, l.client.B().Eval().Script(sendScript).Numkeys(1).
				Key(s.cfg.Prefix+redisconn.CommandsKey).Arg(args...).Build()).AsInt64()
			if err == nil && refused > 0 {
				return fmt.Errorf("%w: %d commands were not stored", ErrTooManyCommands, refused)
			}
			return err
		})
		if err != nil {
			return err
		}
		commands = commands[n:]
	}
	return nil
}

// read returns the stored commands, those that are stored the longest first, and whether there
// are more than MaxStoredCommands or more than QueueBytes of them. Commands that are too large
// are left out and counted.
//
// The end of the set may change while it is read. Commands that end are removed from the end,
// which moves no others forward, and new ones also arrive over the subscription, so none is
// missed.
func (s store) read(ctx context.Context, l *link) (list [][]byte, large int, more bool, err error) {
	total := 0
	limit := s.cfg.MaxStoredCommands
	for from := 0; ; from += readBatch {
		n := min(readBatch, limit+1-from) // one more than the limit, to know whether there are more
		var texts []string
		err := s.onOwner(ctx, l, func(ctx context.Context, l *link) (err error) {
			texts, err = l.client.Do(ctx, l.client.B().Zrevrange().Key(s.cfg.Prefix+redisconn.CommandsKey).
				Start(int64(from)).Stop(int64(from+n-1)).Build()).AsStrSlice()
			return err
		})
		if err != nil {
			return nil, 0, false, err
		}
		for i, text := range texts[:min(len(texts), n)] {
			if from+i == limit {
				return list, large, true, nil
			}
			if len(text) > wire.MaxCommand {
				large++
				continue
			}
			if total += len(text); total > s.cfg.QueueBytes {
				return list, large, true, nil
			}
			list = append(list, []byte(text))
		}
		if len(texts) < n {
			return list, large, false, nil
		}
	}
}

// onOwner calls f with a link to the node that stores commands. In a Cluster this may be
// another node than l's while the bus is not connected to the node that it prefers.
func (s store) onOwner(ctx context.Context, l *link, f func(context.Context, *link) error) error {
	limited, cancel := context.WithTimeout(ctx, s.cfg.ProbeTimeout)
	defer cancel()
	err := late(ctx, l.conns.because(f(limited, l)), s.cfg.ProbeTimeout)
	reply, ok := rueidis.IsRedisErr(err)
	if !ok || s.target.Mode != redisconn.Cluster && s.target.Mode != redisconn.Detect {
		return err
	}
	addr, moved := reply.IsMoved()
	if !moved {
		return err
	}
	if host, port, e := net.SplitHostPort(addr); e == nil && host == "" {
		here, _, _ := net.SplitHostPort(l.addr)
		addr = net.JoinHostPort(here, port)
	}
	owner, e := dialLink(limited, s.cfg, s.target, addr, nil)
	if e != nil {
		return fmt.Errorf("%w: %w", err, at(addr, e))
	}
	defer owner.close()
	return late(ctx, owner.conns.because(f(limited, owner)), s.cfg.ProbeTimeout)
}

// denied reports whether the user may not store or read commands, or the commands of Redis
// that this needs do not exist.
func denied(err error) bool {
	reply, ok := rueidis.IsRedisErr(err)
	if !ok {
		return false
	}
	kind := redisconn.KindOf(reply.Error())
	return kind == redisconn.NoRights || kind == redisconn.NoCommand
}

// final reports whether an attempt to store or read commands would fail again.
func final(err error) bool {
	return errors.Is(err, ErrTooManyCommands) || isRefusal(judge(toStore, err))
}

// SendCommands sends commands to all instances, and stores those that have a time in Redis
// until then. It returns when Redis has confirmed them. It does not retry; after an error it is
// safe to call it again. The errors are those of [Bus.SendCommands], and ErrClosed.
func (p *Publisher) SendCommands(ctx context.Context, commands ...wire.EncodedCommand) error {
	if err := checkCommands(commands); err != nil {
		return err
	}
	l, err := p.current(ctx)
	if err != nil {
		return p.explain(ctx, err)
	}
	defer p.release(l)
	err = store{&p.cfg, &p.target}.send(ctx, l, commands)
	switch {
	case err == nil:
		return nil
	case final(err):
		return fmt.Errorf("redisbus: redis does not accept commands: %w", at(l.addr, err))
	case ctx.Err() == nil && l.ended():
		p.discard(l, err)
	}
	return p.explain(ctx, err)
}
