package ignis

import (
	"context"
	"errors"
	"iter"
	"sync"
	"time"

	"github.com/ignis-go/ignis/wire"
)

// Bus carries envelopes between the instances of a cluster. Package redisbus implements
// it over Redis. Package bustest tests other implementations.
type Bus interface {
	// Publish queues one envelope and returns without waiting for the network. It
	// preserves the order of calls per channel. The bus may keep the slice, so the caller
	// must not modify it. An error means that the envelope will not be sent.
	Publish(channel string, envelope []byte) error
	// Run subscribes, calls ready once when all subscriptions are active for the first
	// time, and then calls receive with the envelopes that arrive, including those of
	// this instance, in order and from one goroutine at a time. It returns nil when ctx is
	// done, or an error if the bus cannot start. For efficiency, Run should pass all
	// envelopes that have arrived to a single call. The slices are valid only during the
	// call.
	Run(ctx context.Context, ready func(), receive func(envelopes ...[]byte)) error
}

// BusMonitor is an optional interface of a [Bus], for health checks and metrics.
type BusMonitor interface {
	// Health returns nil if envelopes are being sent and received, or the reason why they
	// are not.
	Health() error
	// Lost returns the number of envelopes that Publish accepted but that could not be
	// sent.
	Lost() uint64
}

// BusGapReporter is an optional interface of a [Bus], for [Config].OnBusGap. A server
// calls NextGap in a loop while it runs the bus.
type BusGapReporter interface {
	// NextGap waits for the end of a period in which envelopes from other instances and
	// emitters may have been missed, and returns the period. If ctx is done first,
	// NextGap returns ctx's error.
	NextGap(ctx context.Context) (from, until time.Time, err error)
}

// CommandBus is an optional interface of a [Bus] that carries commands between the servers of
// a cluster, and stores some of them. [Server.Revoke] requires it in a cluster. A server calls
// ReceiveCommands while it runs the bus, and is not ready before stored has been called.
type CommandBus interface {
	// SendCommands sends commands to all instances, including this one, and returns when
	// the bus has accepted them. It stores those that have a time, until then. If the bus
	// already stores a command with the same text, it need not send the command again.
	// SendCommands tries until ctx is done. An error means that some of the commands may
	// not have been accepted. It is safe to send them again.
	SendCommands(ctx context.Context, commands ...wire.EncodedCommand) error
	// ReceiveCommands calls stored once with all stored commands, and then sent with the
	// commands that arrive, including those of this instance. Whenever commands may have
	// been missed, it calls stored with all stored commands again. It passes the commands
	// of one sender in order, from one goroutine at a time. A command may be passed more
	// than once, and a stored command for a while after its time. The slices are valid only
	// during the call. It returns nil when ctx is done, or an error if the stored commands
	// could not be read at the start.
	ReceiveCommands(ctx context.Context, stored, sent func(commands ...[]byte)) error
}

// BusGap is a period in which messages from other instances and emitters may not have
// reached the clients of this server. Their number is unknown, because Redis does not
// record what it could not deliver.
type BusGap struct{ From, Until time.Time }

// soloBus is the bus of a server without other instances.
type soloBus struct{}

func (soloBus) Publish(string, []byte) error { return nil }

func (soloBus) Run(ctx context.Context, ready func(), _ func(...[]byte)) error {
	ready()
	<-ctx.Done()
	return nil
}

// runningBus is a bus whose Run has been called.
type runningBus struct {
	failed <-chan error // the reason if Run returned before stop was called
	stop   func()       // ends Run and waits for it
}

// startBus runs the bus. It closes subscribed when the bus is ready and the server knows what
// has been revoked.
func (s *Server) startBus(ctx context.Context) (b runningBus, subscribed <-chan struct{}) {
	ctx, cancel := context.WithCancel(ctx)
	ready, known, up := make(chan struct{}), make(chan struct{}), make(chan struct{})
	failed := make(chan error, 2)
	var all sync.WaitGroup
	if b, ok := s.cfg.Bus.(CommandBus); ok {
		all.Go(func() {
			defer cancel()
			if err := s.runCommands(ctx, b, sync.OnceFunc(func() { close(known) })); ctx.Err() == nil {
				if err == nil {
					err = errors.New("CommandBus.ReceiveCommands returned before its context ended")
				}
				failed <- err
			}
		})
	} else {
		close(known)
	}
	all.Go(func() {
		for _, c := range []chan struct{}{ready, known} {
			select {
			case <-c:
			case <-ctx.Done():
				return
			}
		}
		close(up)
	})
	all.Go(func() {
		defer cancel()
		err := s.cfg.Bus.Run(ctx, sync.OnceFunc(func() { close(ready) }), s.receive)
		if ctx.Err() == nil {
			if err == nil {
				err = errors.New("Bus.Run returned before its context ended")
			}
			failed <- err
		} else if err != nil {
			s.warn("bus stopped with an error", "error", err)
		}
	})
	if b, ok := s.cfg.Bus.(BusGapReporter); ok {
		all.Go(func() { s.watchGaps(ctx, b) })
	}
	return runningBus{failed, func() { cancel(); all.Wait() }}, up
}

// watchGaps counts and reports the gaps of the bus until ctx is done.
func (s *Server) watchGaps(ctx context.Context, b BusGapReporter) {
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
			// The only possible error is a panic, which timed has counted and logged.
			_ = s.timed(CallbackOnBusGap, nil, func() error {
				s.cfg.OnBusGap(ctx, BusGap{from, until})
				return nil
			})
		}()
		select {
		case <-returned:
		case <-ctx.Done(): // Server.Run no longer waits for the callback
			return
		}
	}
}

// publish passes a letter to the bus. It counts and logs a failure.
func (s *Server) publish(l letter) error {
	if s.solo {
		return nil
	}
	e := wire.Envelope{
		ServerID: s.id, To: l.to, Event: l.message.Event, Data: l.message.Data, Exclude: l.exclude,
		From: l.message.From, Key: l.key, Traceparent: l.traceparent,
	}
	size := 128 + len(e.Event) + len(e.To.Name) + len(e.Data) + 40*len(e.Exclude)
	if e.Traceparent != "" {
		size += wire.TraceparentSize + len(`,"traceparent":""`)
	}
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

// receive delivers envelopes from the bus to the clients of this instance. The type and
// target of an envelope identify the clients, so the channel is not needed.
func (s *Server) receive(envelopes ...[]byte) {
	s.counts.busReceived.Add(uint64(len(envelopes)))
	if f := s.cfg.Hooks.Received; f != nil {
		info := ReceivedInfo{Envelopes: len(envelopes)}
		for _, e := range envelopes {
			info.Bytes += len(e)
		}
		hook(s, "Received", f, info)
	}
	in := receptions.Get().(*reception)
	defer receptions.Put(in)
	for r := range s.runs(envelopes, in) {
		n := 0
		if len(r.traced) > 0 {
			n = s.deliverTraced(r)
		} else {
			n = s.deliver(r.to, r.exclude, r.messages...)
		}
		hook(s, "Sent", s.cfg.Hooks.Sent, SentInfo{To: r.to, Messages: len(r.messages), Recipients: n, FromBus: true})
	}
}

// reception is the memory that receive needs.
type reception struct {
	decoder  wire.EnvelopeDecoder
	messages []outgoing // empty; only its memory is used
}

var receptions = sync.Pool{New: func() any { return new(reception) }}

// runs returns the messages in envelopes, in order and grouped into runs.
func (s *Server) runs(envelopes [][]byte, in *reception) iter.Seq[run] {
	return func(yield func(run) bool) {
		r := run{messages: in.messages}
		defer func() { in.messages = r.messages[:0] }()
		for _, envelope := range envelopes {
			e, ok := s.read(envelope, &in.decoder)
			if !ok {
				continue
			}
			if !e.To.Excludes() {
				e.Exclude = nil
			}
			m := outgoing{wire.Message{Event: e.Event, Data: e.Data, From: e.From}, scope(e.To, e.Event, e.Key), s.slowPolicy(e.To)}
			if e.To.Type == wire.TypeRoom {
				m.Room = e.To.Name
			}
			if !r.add(e.To, m, e.Exclude) {
				if len(r.messages) > 0 && !yield(r) {
					return
				}
				// deliver has encoded the messages, so the slice can be reused.
				clear(r.messages)
				r = run{to: e.To, exclude: e.Exclude, messages: append(r.messages[:0], m), size: wire.MessageSize(m.Message)}
			}
			if e.Traceparent != "" && s.cfg.Tracer != nil {
				r.traced = append(r.traced, tracedMessage{e.Traceparent, e.Event})
			}
		}
		if len(r.messages) > 0 {
			yield(r)
			clear(r.messages)
		}
	}
}

// read decodes an envelope. It reports false if no client of this instance should receive
// it.
func (s *Server) read(envelope []byte, d *wire.EnvelopeDecoder) (e wire.Envelope, ok bool) {
	e, err := d.Decode(envelope)
	if err != nil {
		s.counts.busMalformed.Add(1)
		s.warn("malformed envelope from the bus", "bytes", len(envelope), "error", err)
		return e, false
	}
	if e.ServerID == s.id {
		return e, false // Send delivered it before publishing it
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

var errNoTarget = errors.New("the target is missing, empty or not a string")

// maxRun is the maximum size of the messages in a run, in bytes. It is what fits into one
// write.
const maxRun = 64 << 10

// run is a sequence of messages for the same clients. Queued together, they cost hardly
// more per client than a single one.
type run struct {
	to       Address
	exclude  []string
	messages []outgoing
	size     int
	traced   []tracedMessage // those of messages that are part of a trace
}

// add adds a message if it has the same recipients, and reports whether it did.
func (r *run) add(to Address, m outgoing, exclude []string) bool {
	size := wire.MessageSize(m.Message)
	if len(r.messages) == 0 || to != r.to || len(exclude)+len(r.exclude) > 0 || r.size+size > maxRun {
		return false
	}
	r.messages = append(r.messages, m)
	r.size += size
	return true
}
