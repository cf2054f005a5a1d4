package ignis_test

import (
	"context"
	"errors"
	"sync"
)

// fakeBus records published envelopes and passes those in the channel in to its server.
type fakeBus struct {
	in       chan []byte
	starting chan error // the result of the start; nil means ready
	down     chan error // ends Run

	mu     sync.Mutex
	sent   []string // channel, blank, envelope
	refuse error
	lost   uint64
}

func newFakeBus() *fakeBus {
	b := &fakeBus{in: make(chan []byte), starting: make(chan error, 1), down: make(chan error)}
	b.starting <- nil
	return b
}

func (b *fakeBus) Publish(channel string, envelope []byte) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.refuse != nil {
		return b.refuse
	}
	b.sent = append(b.sent, channel+" "+string(envelope))
	return nil
}

func (b *fakeBus) Run(ctx context.Context, ready func(), receive func(...[]byte)) error {
	select {
	case <-ctx.Done():
		return nil
	case err := <-b.starting:
		if err != nil {
			return err
		}
	}
	ready()
	ready() // a reconnecting bus may call ready again
	for {
		select {
		case envelope := <-b.in:
			receive(envelope)
			clear(envelope) // valid only during the call
		case err := <-b.down:
			return err
		case <-ctx.Done():
			return errors.New("stopped")
		}
	}
}

// take returns what was published since the last take.
func (b *fakeBus) take() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	sent := b.sent
	b.sent = nil
	return sent
}

func (b *fakeBus) fail(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.refuse = err
}

func (b *fakeBus) Health() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.refuse
}

func (b *fakeBus) Lost() uint64 { return b.lost }
