package ignis

import (
	"context"

	"github.com/ignis-go/ignis/internal/inbox"
	"github.com/ignis-go/ignis/wire"
)

// The server stops reading from a client when this many messages, or bytes, wait for the
// client's callbacks.
const (
	maxJobs     = 64
	maxJobBytes = 256 << 10
)

// job is a message to handle in turn with the client's other callbacks. The last job is
// the disconnect.
type job struct {
	do      step
	message wire.Message
	end     *Disconnect // set only in the last job
}

// step handles a message from c. It returns the answer, which is sent if the client
// expects one. The step has counted and logged the error.
type step func(c *session, ctx context.Context, m wire.Message) (reply any, err error)

// Size returns the number of bytes that count toward maxJobBytes.
func (j job) Size() int {
	return len(j.message.Event) + len(j.message.Data) + len(j.message.ID) + len(j.message.Room)
}

// The following methods implement [inbox.Owner].

// InboxGroup returns the group that the inboxes of all clients of the server share.
func (c *session) InboxGroup() *inbox.Group { return &c.server.inboxes }

// Do runs a job.
func (c *session) Do(ctx context.Context, j job) {
	if j.end != nil {
		c.ended(*j.end)
		return
	}
	if c.revoked.Load() {
		c.server.counts.unhandled.Add(1)
		return
	}
	c.do(ctx, j.do, j.message)
}

// Pause stops reading from a client whose callbacks are behind.
func (c *session) Pause() { c.conn.Pause() }

// Resume starts reading again. It resets the silence, so that the pause does not count.
func (c *session) Resume() {
	c.lastActivity.Store(c.server.uptime())
	c.conn.Resume()
}

// Dropped counts the messages of a client that disconnected while it was behind.
func (c *session) Dropped(jobs int) { c.server.counts.unhandled.Add(uint64(jobs)) }

func (c *session) String() string { return "client " + c.member.ID }
