package ignis

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"

	"github.com/ignis-go/ignis/wire"
)

// Post is a message with its address, for [Server.SendAll]. Its fields are the parameters and
// options of [Server.Send].
type Post struct {
	To      Address
	Event   string
	Data    any
	Exclude []string    // see Except
	Key     string      // see Key
	From    wire.Sender // see From; zero: the message is not relayed
}

// Receipt is the result of sending a [Post].
type Receipt struct {
	// Recipients is the number of clients of this server for which the message was queued.
	Recipients int
	// Err is a [*BusError] if the message was not passed to the bus, and nil if it was.
	Err error
}

// PostError is the error for a [Post] that is invalid.
type PostError struct {
	Index int // of the post
	Err   error
}

func (e *PostError) Error() string { return fmt.Sprintf("ignis: send: message %d: %v", e.Index, e.Err) }

// Unwrap returns the reason why the post is invalid.
func (e *PostError) Unwrap() error { return e.Err }

// SendAll sends messages in order, as [Server.Send] does. Consecutive messages to the same
// address are queued for each client together, which takes less time than sending them one
// by one.
//
// All messages are checked first. If one of them is invalid, nothing is sent and the error is
// a [*PostError]. Otherwise SendAll returns a receipt for each message, and an error that
// wraps a [*BusError] if some of them were not passed to the bus. Other errors are
// [ErrNotRunning] and ctx's error if ctx is already done; nothing is sent then.
func (s *Server) SendAll(ctx context.Context, posts ...Post) ([]Receipt, error) {
	if err := s.running(); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	m := mailings.Get().(*mailing)
	defer m.done()
	for i, p := range posts {
		l, err := s.unstamped(p.To, p.Event, p.Data, SendOption{Exclude: p.Exclude, Key: p.Key, From: p.From})
		if err != nil {
			return nil, &PostError{i, err}
		}
		m.stamp(&l)
		m.letters = append(m.letters, l)
	}
	receipts := make([]Receipt, len(posts))
	if s.cfg.Tracer != nil && len(posts) > 0 {
		return receipts, s.mailTraced(ctx, m, receipts)
	}
	return receipts, s.mail(m, receipts)
}

// mail sends the letters of m, and sets their receipts.
func (s *Server) mail(m *mailing, receipts []Receipt) (failed error) {
	for done := 0; done < len(m.letters); {
		n := s.postRun(m, m.letters[done:], receipts[done:])
		for i := done; i < done+n; i++ {
			if err := s.publish(m.letters[i]); err != nil {
				receipts[i].Err, failed = err, err
			}
		}
		done += n
	}
	return failed
}

// mailing is the memory that SendAll needs.
type mailing struct {
	letters []letter
	run     []outgoing

	// The message that was stamped last.
	from          wire.Sender
	data, stamped json.RawMessage
}

// stamp adds the sender to the data of a letter. Consecutive letters with the same sender and
// the same data share the result: a large message to many targets is in memory only once.
func (m *mailing) stamp(l *letter) {
	from, data := l.message.From, l.message.Data
	if from == (wire.Sender{}) || len(data) == 0 {
		return
	}
	if from != m.from || len(data) != len(m.data) || &data[0] != &m.data[0] {
		m.from, m.data, m.stamped = from, data, from.Stamp(data)
	}
	l.message.Data = m.stamped
}

var mailings = sync.Pool{New: func() any { return new(mailing) }}

// done returns m to the pool, without references to messages.
func (m *mailing) done() {
	clear(m.letters)
	clear(m.run[:cap(m.run)])
	m.from, m.data, m.stamped = wire.Sender{}, nil, nil
	if len(m.letters) <= maxMailing {
		m.letters, m.run = m.letters[:0], m.run[:0]
		mailings.Put(m)
	}
}

// maxMailing is the number of letters for which memory is kept.
const maxMailing = 1024

// postRun delivers the first of the letters to the clients of this instance, together with
// those that follow and have the same recipients. It sets their receipts and returns their
// number.
func (s *Server) postRun(m *mailing, letters []letter, receipts []Receipt) int {
	if len(letters) == 1 || letters[1].to != letters[0].to { // only one message
		receipts[0].Recipients = s.post(letters[0])
		return 1
	}
	r := run{messages: m.run[:0]}
	for _, l := range letters {
		o := s.outgoing(l)
		if len(r.messages) == 0 {
			r = run{to: l.to, exclude: l.exclude, messages: append(r.messages, o), size: wire.MessageSize(o.Message)}
		} else if !r.add(l.to, o, l.exclude) {
			break
		}
	}
	n := s.deliver(r.to, r.exclude, r.messages...)
	hook(s, "Sent", s.cfg.Hooks.Sent, SentInfo{To: r.to, Messages: len(r.messages), Recipients: n})
	for i := range r.messages {
		receipts[i].Recipients = n
	}
	m.run = r.messages
	return len(r.messages)
}
