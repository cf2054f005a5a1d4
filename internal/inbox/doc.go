// Package inbox runs the jobs of one client in order, one at a time. There is no goroutine
// while there are no jobs. The client, which is the [Owner] of the inbox, defines what a job
// is.
//
// [Inbox.Push] never blocks. A goroutine runs the jobs and ends when none is waiting, so the
// goroutine that reads from the client continues while a job runs. If too many jobs are
// waiting, the inbox tells the owner to stop reading, and to resume once at most half as
// many are waiting.
//
// [Inbox.Close] adds the last job. It also ends [Inbox.Context], which is passed to jobs,
// so that a running job can stop.
//
// Every client has an inbox, and nearly all are empty, so an empty inbox is small. Its queue
// exists only while there are jobs, and the state of its context only once the context is
// used. The inboxes of one server share a [Group].
package inbox
