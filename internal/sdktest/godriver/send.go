package main

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/ignis-go/ignis/client"
	"github.com/ignis-go/ignis/wire"
)

// send sends a request, and returns when the client has written it or refused to, so that
// the order of the commands is that of the messages.
func (d *driver) send(c command) {
	timeout := d.timeout
	if c.Timeout > 0 {
		timeout = millis(c.Timeout)
	}
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	d.mu.Lock()
	conn := d.conn
	d.cancels[c.Ref] = cancel
	d.mu.Unlock()
	m := wire.Message{Event: c.Event, Room: c.Room, Data: c.Data}
	d.inOrder(func() {
		defer cancel()
		if conn == nil {
			d.result(c.Ref, nil, client.ErrClosed)
			return
		}
		var reply wire.Message
		var err error
		if c.Volatile || conn.Connected().Protocol < 2 {
			err = conn.SendMessage(ctx, m)
		} else {
			reply, err = conn.RequestMessage(ctx, m)
		}
		d.result(c.Ref, reply.Data, err)
	})
}

// inOrder calls f in a new goroutine and returns when the client has written something or
// f has returned.
func (d *driver) inOrder(f func()) {
	select {
	case <-d.written: // by an earlier call, or a heartbeat
	default:
	}
	returned := make(chan struct{})
	d.wg.Go(func() {
		defer close(returned)
		f()
	})
	select {
	case <-d.written:
	case <-returned:
	}
}

func (d *driver) result(ref string, data json.RawMessage, err error) {
	report := map[string]any{"result": ref}
	switch {
	case err != nil:
		report["error"], report["text"] = reason(err), text(err)
	case data != nil:
		report["data"] = data
	}
	d.print(report)
}

// room joins or leaves a room.
func (d *driver) room(c command) {
	d.mu.Lock()
	conn := d.conn
	if c.Do == "room" {
		d.rooms[c.Ref] = c.Room
	}
	room := d.rooms[c.Ref]
	d.mu.Unlock()
	if conn == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), d.timeout)
	d.inOrder(func() {
		defer cancel()
		if c.Do == "leave" {
			_ = conn.Leave(ctx, room)
			return
		}
		report := map[string]any{"joined": c.Ref}
		if _, err := conn.Join(ctx, room); err != nil {
			report["error"], report["text"] = reason(err), text(err)
		}
		d.print(report)
	})
}

// text returns what the server said when it refused a request or a room.
func text(err error) string {
	if refused, ok := errors.AsType[*client.JoinError](err); ok {
		return refused.Refused[0].Message
	}
	if answer, ok := errors.AsType[*client.Error](err); ok {
		return answer.Message
	}
	return ""
}

// reason returns the code of an error.
func reason(err error) string {
	var (
		answer  *client.Error
		refused *client.JoinError
		closed  *client.CloseError
	)
	switch {
	case errors.As(err, &closed) && closed.Code == wire.CloseAuthFailed:
		return "rejected"
	case errors.As(err, &closed) && closed.Code == wire.CloseEncryptionRequired:
		return "encryption_required"
	case errors.As(err, &closed), errors.Is(err, client.ErrLost):
		return "lost"
	case errors.As(err, &answer):
		return string(answer.Code)
	case errors.As(err, &refused):
		return string(refused.Refused[0].Code)
	}
	for _, known := range []struct {
		err  error
		code string
	}{
		{wire.ErrTooLarge, "too_large"},
		{context.DeadlineExceeded, "timeout"},
		{context.Canceled, "aborted"},
		{client.ErrClosed, "closed"},
		{client.ErrNotEncrypted, "encryption_required"},
		{client.ErrProtocol, "protocol"},
	} {
		if errors.Is(err, known.err) {
			return known.code
		}
	}
	return "unreachable"
}
