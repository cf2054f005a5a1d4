// Package inbox runs one client's jobs in order, one at a time, without a goroutine
// while there are none. It does not know what a job is: the client, the inbox's
// [Owner], does.
//
// [Inbox.Push] never blocks. A goroutine does the jobs and ends when none waits, so
// whoever reads from the client reads on while a job takes its time. When too much
// waits, the owner is asked to stop reading, and to go on when half of that is done.
//
// [Inbox.Close] adds the last job. Jobs are passed [Inbox.Context], which ends at
// that moment, so that a job under way can stop.
//
// There is an inbox for every client, and nearly all are empty. So an empty inbox is
// small: its queue exists while there are jobs, and what a context needs while it is
// used. What the inboxes of one server share is their [Group].
package inbox
