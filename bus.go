package ignis

import (
	"context"
	"errors"
	"sync"

	"github.com/ignis-go/ignis/wire"
)

// Bus carries envelopes between the instances of a cluster. Package redisbus
// has the one over Redis; package bustest has a suite that any other must pass.
type Bus interface {
	// Publish hands one envelope to the bus and returns without waiting for the
	// network. It keeps the order of calls per channel. The bus may keep the
	// slice, and the caller does not change it afterwards. An error means that
	// the envelope will not be sent.
	Publish(channel string, envelope []byte) error
	// Run subscribes, calls ready once when everything is subscribed for the
	// first time, and then calls receive with each envelope that arrives, this
	// instance's own among them, one at a time and in order, until ctx ends
	// (then it returns nil) or the bus cannot start (then it returns why). The
	// slice is receive's only during the call.
	Run(ctx context.Context, ready func(), receive func(envelope []byte)) error
}

// BusMonitor is what a [Bus] may offer beside, for health and metrics.
type BusMonitor interface {
	// Health returns nil while envelopes go out and come in, else why not.
	Health() error
	// Lost returns how many envelopes Publish took that could not be sent.
	Lost() uint64
}

// soloBus is the bus of a server without one: there are no other instances.
type soloBus struct{}

func (soloBus) Publish(string, []byte) error { return nil }

func (soloBus) Run(ctx context.Context, ready func(), _ func([]byte)) error {
	ready()
	<-ctx.Done()
	return nil
}

// runningBus is a bus whose Run has been called.
type runningBus struct {
	failed <-chan error // why Run returned by itself
	stop   func()       // ends Run and waits for it
}

// startBus runs the bus; subscribed is closed when envelopes come in.
func (s *Server) startBus(ctx context.Context) (b runningBus, subscribed <-chan struct{}) {
	ctx, cancel := context.WithCancel(ctx)
	ready, failed, done := make(chan struct{}), make(chan error, 1), make(chan struct{})
	go func() {
		defer close(done)
		err := s.cfg.Bus.Run(ctx, sync.OnceFunc(func() { close(ready) }), s.receive)
		if ctx.Err() == nil {
			if err == nil {
				err = errors.New("it returned before it was told to")
			}
			failed <- err
		} else if err != nil {
			s.cfg.Logger.Warn("bus ended with an error", "error", err)
		}
	}()
	return runningBus{failed, func() { cancel(); <-done }}, ready
}

// publish hands an envelope to the bus, and counts and logs when it is refused.
func (s *Server) publish(e *wire.Envelope) error {
	if s.solo {
		return nil
	}
	size := 128 + len(e.Event) + len(e.Target) + len(e.Data) + 40*len(e.Exclude)
	err := s.cfg.Bus.Publish(e.Channel(), wire.AppendEnvelope(make([]byte, 0, size), e))
	if err != nil {
		s.counts.busRefused.Add(1)
		s.warn("bus refused an envelope", "error", err)
		return &BusError{err}
	}
	s.counts.busPublished.Add(1)
	return nil
}

// receive routes an envelope from the bus to the clients that are here, by its
// type and target; the channel it came on says nothing more.
func (s *Server) receive(envelope []byte) {
	s.counts.busReceived.Add(1)
	e, err := wire.DecodeEnvelope(envelope)
	if err != nil {
		s.counts.busMalformed.Add(1)
		s.warn("malformed envelope from the bus", "bytes", len(envelope), "error", err)
		return
	}
	if e.ServerID == s.id {
		return // delivered before it was published
	}
	to := Destination{kind: e.Type, target: e.Target}
	switch e.Type {
	case wire.TypeClient, wire.TypeUser, wire.TypeRoom, wire.TypeBroadcast:
	default:
		s.counts.busUnknown.Add(1)
		return
	}
	s.deliver(to, frame(e.Event, e.Data), to.exclude(e.Exclude))
}
