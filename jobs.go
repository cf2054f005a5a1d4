package ignis

import (
	"context"

	"github.com/ignis-go/ignis/internal/inbox"
	"github.com/ignis-go/ignis/wire"
)

// How much may wait for a client's callbacks before its connection is no longer
// read from.
const (
	maxJobs     = 64
	maxJobBytes = 256 << 10
)

// job is what to do about a message, in turn with the client's callbacks; or about
// its end, which is the last.
type job struct {
	do      step
	message wire.Message
	end     *Disconnect // only for the last
}

// step handles a message from c. What it returns is the answer, if the client wants one;
// the error has been counted and logged.
type step func(c *session, ctx context.Context, m wire.Message) (reply any, err error)

// Size returns what the job counts of maxJobBytes.
func (j job) Size() int {
	return len(j.message.Event) + len(j.message.Data) + len(j.message.ID) + len(j.message.Room)
}

// The following make client an [inbox.Owner].

// InboxGroup returns what the inboxes of the server's clients share.
func (c *session) InboxGroup() *inbox.Group { return &c.server.inboxes }

// Do does a job.
func (c *session) Do(ctx context.Context, j job) {
	if j.end != nil {
		c.ended(*j.end)
		return
	}
	c.do(ctx, j.do, j.message)
}

// Pause stops reading from a client whose callbacks are behind.
func (c *session) Pause() { c.conn.Pause() }

// Resume reads on. The sweeps must not hold the time against the client in which
// nobody listened.
func (c *session) Resume() {
	c.lastActivity.Store(c.server.uptime())
	c.conn.Resume()
}

// Dropped counts what a client that was behind when it went had sent.
func (c *session) Dropped(jobs int) { c.server.counts.unhandled.Add(uint64(jobs)) }

func (c *session) String() string { return "client " + c.member.ID }
