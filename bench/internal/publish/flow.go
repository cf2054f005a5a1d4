package publish

import (
	"errors"
	"sync"
)

// errLate ends a run in which messages did not arrive. They are counted as lost.
var errLate = errors.New("messages did not arrive")

// flow tracks which messages were published and received. Messages are identified by their
// sender and a number. The numbers of a sender are consecutive.
type flow struct {
	window int

	mu      sync.Mutex
	changed sync.Cond // inFlight has fallen, or stopped is set
	streams []stream  // by sender
	flying  int       // messages that were published but not received yet
	stopped error     // why no more messages are expected

	reordered, repeated int64 // since begin
}

// stream contains the messages of a sender.
type stream struct {
	sent    uint32              // number of the next message to send
	next    uint32              // number of the next message to receive
	missing map[uint32]struct{} // numbers below next that were not received
}

func newFlow(senders, window int) *flow {
	f := &flow{window: window, streams: make([]stream, senders)}
	f.changed.L = &f.mu
	return f
}

// begin starts a run. It stops waiting for messages that an earlier run has lost.
func (f *flow) begin() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.flying, f.reordered, f.repeated = 0, 0, 0
	for i, s := range f.streams {
		f.streams[i] = stream{sent: s.sent, next: s.sent}
	}
	if errors.Is(f.stopped, errLate) {
		f.stopped = nil
	}
}

// reserve waits until n more messages may be in flight. It returns the number of the first
// one.
func (f *flow) reserve(sender, n int) (uint32, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for f.stopped == nil && f.flying > 0 && f.flying+n > f.window {
		f.changed.Wait()
	}
	if f.stopped != nil {
		return 0, f.stopped
	}
	first := f.streams[sender].sent
	f.streams[sender].sent += uint32(n)
	f.flying += n
	return first, nil
}

// received counts a message. f.mu must be held.
func (f *flow) received(sender int, number uint32) {
	if sender >= len(f.streams) || number >= f.streams[sender].sent {
		f.repeated++ // it was never sent
		return
	}
	s := &f.streams[sender]
	switch _, late := s.missing[number]; {
	case number >= s.next:
		for ; s.next < number; s.next++ { // they may arrive later
			if s.missing == nil {
				s.missing = make(map[uint32]struct{})
			}
			s.missing[s.next] = struct{}{}
		}
		s.next++
	case late:
		delete(s.missing, number)
		f.reordered++
	default:
		f.repeated++
		return
	}
	f.flying--
	// Waking the senders for each message would cost more than the message itself.
	if f.flying == 0 || f.flying == f.window/2 {
		f.changed.Broadcast()
	}
}

// stop ends the waiting for messages. Only the first call has an effect.
func (f *flow) stop(why error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.stopped == nil {
		f.stopped = why
		f.changed.Broadcast()
	}
}

// finish waits until all messages were received, and sets the counters of s.
func (f *flow) finish(s *Sample) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	for f.flying > 0 && f.stopped == nil {
		f.changed.Wait()
	}
	s.Lost, s.Reordered, s.Repeated = int64(f.flying), f.reordered, f.repeated
	if errors.Is(f.stopped, errLate) {
		return nil
	}
	return f.stopped
}
