package httpapi_test

import (
	"bytes"
	"context"
	"errors"
	"sync"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/wire"
)

// panicking is a bus that panics when an envelope contains a text.
type panicking struct {
	ignis.Bus
	text string
}

func (b *panicking) Publish(channel string, envelope []byte) error {
	if bytes.Contains(envelope, []byte(b.text)) {
		panic("no luck")
	}
	return b.Bus.Publish(channel, envelope)
}

// refusing is a bus that refuses envelopes that contain a text, and commands if it is set. It
// carries commands.
type refusing struct {
	ignis.Bus
	mu   sync.Mutex
	text string
}

func (b *refusing) refuse(text string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.text = text
}

func (b *refusing) refused(text []byte) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.text != "" && bytes.Contains(text, []byte(b.text)) {
		return errors.New("no luck")
	}
	return nil
}

func (b *refusing) Publish(channel string, envelope []byte) error {
	if err := b.refused(envelope); err != nil {
		return err
	}
	return b.Bus.Publish(channel, envelope)
}

func (b *refusing) SendCommands(ctx context.Context, commands ...wire.EncodedCommand) error {
	for _, c := range commands {
		if err := b.refused(c.Text); err != nil {
			return err
		}
	}
	return b.Bus.(ignis.CommandBus).SendCommands(ctx, commands...)
}

func (b *refusing) ReceiveCommands(ctx context.Context, stored, sent func(...[]byte)) error {
	return b.Bus.(ignis.CommandBus).ReceiveCommands(ctx, stored, sent)
}

// simple is a bus that carries no commands.
type simple struct{ ignis.Bus }
