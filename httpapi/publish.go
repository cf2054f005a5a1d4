package httpapi

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/wire"
)

var decoders = sync.Pool{New: func() any { return new(decoder) }}

// free keeps the memory of d for another request.
func (d *decoder) free() {
	if cap(d.posts) > 1024 {
		return
	}
	clear(d.posts)
	clear(d.data)
	*d = decoder{posts: d.posts[:0], sizes: d.sizes[:0], data: d.data[:0]}
	decoders.Put(d)
}

// publish serves the operation for one message.
func (c *call) publish() { c.publishAll(false) }

// publishBatch serves the operation for a batch.
func (c *call) publishBatch() { c.publishAll(true) }

func (c *call) publishAll(batch bool) {
	d := decoders.Get().(*decoder)
	defer d.free()
	d.key, d.limit = c.key, c.h.cfg.MaxBatch
	var p *problem
	if batch {
		p = d.batch(c.body)
	} else {
		p = d.single(c.body)
	}
	if p != nil {
		if p.Status == problemForbidden.status {
			c.h.counts.forbidden.Add(1)
		}
		c.refuse(p)
		return
	}
	c.key.bucket.charge(len(d.posts) - 1) // one was taken before
	c.did = true                          // if SendAll panics, a part may have been sent
	receipts, err := c.h.cfg.Server.SendAll(c.r.Context(), d.posts...)
	if receipts == nil {
		c.did = false
		c.refuse(c.notSent(err, d, batch))
		return
	}
	c.messages = len(d.posts)
	if err != nil {
		c.did = slices.ContainsFunc(receipts, func(r ignis.Receipt) bool { return r.Recipients > 0 || r.Err == nil })
		c.refuse(c.partlySent(err, receipts, d.sizes))
		return
	}
	c.answer(200, sent(receipts, d.sizes, batch))
}

// sent returns the answer for messages that were sent.
func sent(receipts []ignis.Receipt, sizes []int, batch bool) []byte {
	total := 0
	for _, r := range receipts {
		total += r.Recipients
	}
	answer := make([]byte, 0, 64+24*len(sizes))
	answer = append(answer, `{"localRecipients":`...)
	answer = strconv.AppendInt(answer, int64(total), 10)
	if !batch {
		return append(answer, '}')
	}
	answer = append(answer, `,"messages":[`...)
	for i, size := range sizes {
		if i > 0 {
			answer = append(answer, ',')
		}
		n := 0
		for _, r := range receipts[:size] {
			n += r.Recipients
		}
		receipts = receipts[size:]
		answer = append(answer, `{"localRecipients":`...)
		answer = strconv.AppendInt(answer, int64(n), 10)
		answer = append(answer, '}')
	}
	return append(answer, `]}`...)
}

// notSent returns the problem if nothing was sent.
func (c *call) notSent(err error, d *decoder, batch bool) *problem {
	invalid, ok := errors.AsType[*ignis.PostError](err)
	if !ok {
		return c.serverProblem(err)
	}
	where, index := "body", invalid.Index
	if batch {
		i := 0
		for ; index >= d.sizes[i]; i++ {
			index -= d.sizes[i]
		}
		where = fmt.Sprintf("body.messages[%d]", i)
	}
	if errors.Is(err, wire.ErrTooLarge) {
		return problemTooLarge.problem(invalid.Err.Error()).at(where)
	}
	return problemAt(where, "%v", invalid.Err)
}

// partlySent returns the problem if some messages were not passed to other instances.
func (c *call) partlySent(err error, receipts []ignis.Receipt, sizes []int) *problem {
	c.h.counts.busFailures.Add(1)
	c.h.limit.Log(slog.LevelWarn, "messages from the API were not passed to other instances", "request_id", c.id, "error", err)
	p := problemBus.problem("The messages were queued for the clients of this instance, but some or all were not handed to the bus for other instances.").after(time.Second)
	total, all := 0, receipts
	for _, size := range sizes {
		m := messageResult{HandedToBus: new(bool)}
		*m.HandedToBus = true
		for _, r := range all[:size] {
			m.LocalRecipients += r.Recipients
			*m.HandedToBus = *m.HandedToBus && r.Err == nil
		}
		all = all[size:]
		total += m.LocalRecipients
		p.Messages = append(p.Messages, m)
	}
	p.LocalRecipients = &total
	return p
}

// serverProblem returns the problem for an error of the server, after which nothing was done.
func (c *call) serverProblem(err error) *problem {
	switch {
	case errors.Is(err, ignis.ErrNotRunning):
		return problemNotRunning.problem("The server has not started yet, or is shutting down. Nothing was done.").after(time.Second)
	case c.r.Context().Err() != nil: // the client is gone, or the server shuts down
		return problemNotRunning.problem("The request was canceled. Nothing was done.")
	}
	c.h.limit.Log(slog.LevelError, "API request failed", "operation", c.op.id, "request_id", c.id, "error", err)
	return problemInternal.problem("The log of the server says more.")
}
