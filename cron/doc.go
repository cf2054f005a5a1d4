// Package cron runs functions on schedules and computes when schedules are due. It handles
// all time zones, daylight saving time and dates that occur only once in forty years.
//
//	job, err := cron.New(cron.Config{
//		Pattern: "0 9 * * mon-fri",
//		Zone:    "Europe/Paris",
//		Do:      func(ctx context.Context, r cron.Run) error { return sendDigest(ctx, r.Scheduled) },
//	})
//	err = job.Run(ctx) // until ctx ends
//
// To compute instants without running anything, use [Parse], which returns a [Schedule]. To
// run many jobs, and to add and remove them at run time, use a [Scheduler].
//
// # Patterns
//
// A pattern consists of five or six fields separated by blanks:
//
//	[second] minute hour day-of-month month day-of-week
//
// If the second is omitted, it is 0. A field is a comma-separated list of
//
//	7          this value          *      all values
//	1-5        a range             */5    every fifth value, from the first
//	1-10/3     every third of it   7/5    every fifth value, from 7
//
// Seconds and minutes range from 0 to 59, hours from 0 to 23, days of the month from 1 to 31,
// months from 1 to 12 or jan to dec, and days of the week from 0 to 7 or sun to sat. Both 0
// and 7 are Sunday, and so is the sun in fri-sun. If both day fields are restricted, a day
// matches if either field matches. Instead of fields, a pattern may be one of
//
//	@secondly @minutely @hourly @daily @weekly @weekdays @weekends @monthly
//	@yearly @midnight @annually @every 90s
//
// where @every counts from the Unix epoch, so that all processes agree on it. With the
// [Extended] option the day fields also accept the following. For the day of the month, L is
// the last day of the month, L-3 is three days before it, 15W is the weekday nearest to the
// 15th within the month, and LW is the last weekday of the month. For the day of the week,
// 5L is the last Friday of the month and 5#2 is the second Friday.
//
// # Daylight saving time
//
// A schedule that allows every hour of the day follows elapsed time: it is due in both copies
// of a repeated hour, and not at the times of a skipped one.
//
// Every other schedule follows the wall clock. The times that fall into a skipped stretch are
// due once, at the first instant after it, however many of them there are. The times that fall
// into a repeated stretch are due in its first copy. A skipped time counts on the date that
// the schedule names, even if that whole date is skipped.
//
// # Jobs
//
// A job follows its schedule from the moment it is started until it is stopped or Run's
// context ends. It never runs an instant early, and never runs one twice, even if the machine
// sleeps or its clock is set, because it checks the clock at least every 30 seconds. There is
// one exception: if the clock is set back by more than an hour, the instants since then are run
// again. After a smaller step back, only instants that were missed while the clock was ahead
// are run.
//
// The [Overlap] policy selects what happens when an instant is due while an earlier run is
// still in progress. The [Misfire] policy selects what happens to instants that no process
// could run in time. Every instant that is not run has a [Record] with the [Reason], which is
// returned by [Job.History], passed to Config.OnRecord and logged.
//
// The context of a run is canceled when the run exceeds Config.Timeout, when another run
// replaces it, and some time after the job was told to stop. If the function returns an error,
// panics or calls runtime.Goexit, that becomes the outcome of the run and the job carries on.
//
// # Multiple processes
//
// Processes that share a [Store] run each instant of a job once among them, use the store's
// clock, and know what was run while some of them were down. Jobs are matched by name. Package
// rediscron provides a Store in Redis.
//
// If a job starts with a different pattern or zone than before, it does not catch up on
// instants from before the change. If another process starts to run something else under the same
// name, the processes that are already running log a warning. Overlap policies apply to a
// single process: an instant that finds the job busy here may still be run elsewhere.
package cron
