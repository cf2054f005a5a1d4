package ignis

import (
	"context"
	"errors"
	"iter"
	"sync"
	"time"

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
	// first time, and then calls receive with the envelopes that arrive, this
	// instance's own among them, in order and one call at a time, until ctx ends
	// (then it returns nil) or the bus cannot start (then it returns why). What
	// has come together is best handed over in one call, which saves the server
	// much. The slices are receive's only during the call.
	Run(ctx context.Context, ready func(), receive func(envelopes ...[]byte)) error
}

// BusMonitor is what a [Bus] may offer beside, for health and metrics.
type BusMonitor interface {
	// Health returns nil while envelopes go out and come in, else why not.
	Health() error
	// Lost returns how many envelopes Publish took that could not be sent.
	Lost() uint64
}

// BusGaps is what a [Bus] may offer beside, for [Config.OnBusGap]. A server calls
// NextGap, again and again, while it runs the bus.
type BusGaps interface {
	// NextGap waits until envelopes of other instances and emitters may have been
	// missed and come in again. It returns from when until when that was, or ctx's
	// error.
	NextGap(ctx context.Context) (from, until time.Time, err error)
}

// BusGap is a time in which messages of other instances and emitters may not have
// reached the clients of this server. How many nobody knows: Redis forgets what it
// could not deliver.
type BusGap struct{ From, Until time.Time }

// soloBus is the bus of a server without one: there are no other instances.
type soloBus struct{}

func (soloBus) Publish(string, []byte) error { return nil }

func (soloBus) Run(ctx context.Context, ready func(), _ func(...[]byte)) error {
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
	ready, failed := make(chan struct{}), make(chan error, 1)
	var all sync.WaitGroup
	all.Go(func() {
		defer cancel()
		err := s.cfg.Bus.Run(ctx, sync.OnceFunc(func() { close(ready) }), s.receive)
		if ctx.Err() == nil {
			if err == nil {
				err = errors.New("it returned before it was told to")
			}
			failed <- err
		} else if err != nil {
			s.warn("bus ended with an error", "error", err)
		}
	})
	if b, ok := s.cfg.Bus.(BusGaps); ok {
		all.Go(func() { s.watchGaps(ctx, b) })
	}
	return runningBus{failed, func() { cancel(); all.Wait() }}, ready
}

// watchGaps counts and reports the gaps of the bus until ctx ends.
func (s *Server) watchGaps(ctx context.Context, b BusGaps) {
	for {
		from, until, err := b.NextGap(ctx)
		if err != nil {
			return
		}
		s.counts.busGaps.Add(1)
		hook(s, "BusGap", s.cfg.Hooks.BusGap, BusGap{from, until})
		s.counts.busGapTime.Add(int64(until.Sub(from)))
		s.warn("messages from other instances may have been missed", "from", from, "for", until.Sub(from))
		if s.cfg.OnBusGap == nil || !s.enter() {
			continue
		}
		returned := make(chan struct{})
		go func() {
			defer s.tasks.Done()
			defer close(returned)
			// Its error is a panic, which call has counted and logged.
			_ = s.call("OnBusGap", nil, func() error {
				s.cfg.OnBusGap(ctx, BusGap{from, until})
				return nil
			})
		}()
		select {
		case <-returned:
		case <-ctx.Done(): // Run has waited for it long enough
			return
		}
	}
}

// publish hands a letter to the bus, and counts and logs when it is refused.
func (s *Server) publish(l letter) error {
	if s.solo {
		return nil
	}
	e := wire.Envelope{
		ServerID: s.id, To: l.to, Event: l.message.Event, Data: l.message.Data, Exclude: l.exclude,
		From: l.message.From, Key: l.key,
	}
	size := 128 + len(e.Event) + len(e.To.Name) + len(e.Data) + 40*len(e.Exclude)
	text := wire.AppendEnvelope(make([]byte, 0, size), &e)
	bytes := len(text)
	err := s.cfg.Bus.Publish(e.To.Channel(), text)
	hook(s, "Published", s.cfg.Hooks.Published, PublishedInfo{e.To, bytes, err})
	if err != nil {
		s.counts.busRefused.Add(1)
		s.warn("bus refused an envelope", "error", err)
		return &BusError{err}
	}
	s.counts.busPublished.Add(1)
	return nil
}

// receive routes envelopes from the bus to the clients that are here, by type
// and target; the channel that one came on says nothing more.
func (s *Server) receive(envelopes ...[]byte) {
	s.counts.busReceived.Add(uint64(len(envelopes)))
	if f := s.cfg.Hooks.Received; f != nil {
		info := ReceivedInfo{Envelopes: len(envelopes)}
		for _, e := range envelopes {
			info.Bytes += len(e)
		}
		hook(s, "Received", f, info)
	}
	for r := range s.runs(envelopes) {
		n := s.deliver(r.to, r.exclude, r.messages...)
		hook(s, "Sent", s.cfg.Hooks.Sent, SentInfo{To: r.to, Messages: len(r.messages), Recipients: n, FromBus: true})
	}
}

// runs returns what is in envelopes as runs, in their order.
func (s *Server) runs(envelopes [][]byte) iter.Seq[run] {
	return func(yield func(run) bool) {
		var r run
		for _, envelope := range envelopes {
			e, ok := s.read(envelope)
			if !ok {
				continue
			}
			if !e.To.Excludes() {
				e.Exclude = nil
			}
			m := outgoing{wire.Message{Event: e.Event, Data: e.Data, From: e.From}, e.Key, s.slowPolicy(e.To)}
			if e.To.Type == wire.TypeRoom {
				m.Room = e.To.Name
			}
			if r.add(e.To, m, e.Exclude) {
				continue
			}
			if len(r.messages) > 0 && !yield(r) {
				return
			}
			// The slice is free again: deliver has encoded what was in it.
			r = run{e.To, e.Exclude, append(r.messages[:0], m), wire.MessageSize(m.Message)}
		}
		if len(r.messages) > 0 {
			yield(r)
		}
	}
}

// read returns what is in an envelope, unless nobody here may get it.
func (s *Server) read(envelope []byte) (e wire.Envelope, ok bool) {
	e, err := wire.DecodeEnvelope(envelope)
	if err != nil {
		s.counts.busMalformed.Add(1)
		s.warn("malformed envelope from the bus", "bytes", len(envelope), "error", err)
		return e, false
	}
	if e.ServerID == s.id {
		return e, false // delivered before it was published
	}
	switch e.To.Type {
	case wire.TypeBroadcast:
		return e, true
	case wire.TypeClient, wire.TypeUser, wire.TypeRoom:
		if e.To.Name == "" {
			s.counts.busMalformed.Add(1)
			s.warn("malformed envelope from the bus", "bytes", len(envelope), "error", errNoTarget)
		}
		return e, e.To.Name != ""
	}
	s.counts.busUnknown.Add(1)
	return e, false
}

var errNoTarget = errors.New("the target is not a string, or empty")

// maxRun is how many bytes of messages are delivered together: what fits into
// one write.
const maxRun = 64 << 10

// run is messages in a row that go to the same clients. Queued together they
// cost each client hardly more than one.
type run struct {
	to       Address
	exclude  []string
	messages []outgoing
	size     int
}

// add adds a message, if it goes where the others go.
func (r *run) add(to Address, m outgoing, exclude []string) bool {
	size := wire.MessageSize(m.Message)
	if len(r.messages) == 0 || to != r.to || len(exclude)+len(r.exclude) > 0 || r.size+size > maxRun {
		return false
	}
	r.messages = append(r.messages, m)
	r.size += size
	return true
}
