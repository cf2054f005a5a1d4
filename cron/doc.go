// Package cron runs functions on schedules, and computes when these are due. It is right
// about that in every time zone, over every change of the clocks, and for dates that come
// once in forty years.
//
//	job, err := cron.New(cron.Config{
//		Pattern: "0 9 * * mon-fri",
//		Zone:    "Europe/Paris",
//		Do:      func(ctx context.Context, r cron.Run) error { return sendDigest(ctx, r.Scheduled) },
//	})
//	err = job.Run(ctx) // until ctx ends
//
// [Parse] gives a [Schedule] alone, for those who only want to know when. A [Scheduler]
// runs many jobs, to which others can be added while it does.
//
// # Patterns
//
// A pattern has five or six fields, with blanks between:
//
//	[second] minute hour day-of-month month day-of-week
//
// Without the first, the second is 0. A field is a list, with commas, of
//
//	7          this one              *      all
//	1-5        these                 */5    every fifth, from the first
//	1-10/3     every third of these  7/5    every fifth, from 7
//
// Seconds and minutes go from 0 to 59, hours from 0 to 23, days from 1 to 31, months
// from 1 to 12 or jan to dec, days of the week from 0 to 7 or sun to sat, where 0 and
// 7 are both Sunday, as is the sun of fri-sun. When both day fields leave something out, a day that
// either of them allows is allowed. In place of fields there may be one of
//
//	@secondly @minutely @hourly @daily @weekly @weekdays @weekends @monthly
//	@yearly @midnight @annually @every 90s
//
// where @every counts from the Unix epoch, so that all who compute it agree. With
// the option [Extended] the day fields take more: L, the last day of the month, and
// L-3, three before it; 15W, the weekday nearest to the 15th, within its month, and
// LW, the last weekday; and as days of the week 5L, the last Friday of the month, and
// 5#2, the second.
//
// # Changes of the clocks
//
// A schedule whose hours are all of the day's follows time as it passes: in an hour
// that comes twice it is due in both, and for one that is skipped there is nothing
// to make up.
//
// Every other schedule is about the time that the clock on the wall shows. What falls
// into a stretch that is skipped is due once, at the first moment after it, however
// many times of the schedule are in it. What falls into a stretch that comes twice is
// due in the first. The date that counts is the one that the schedule names, also
// when it is skipped as a whole.
//
// # Jobs
//
// A job follows its schedule from the moment it is started until Run's context ends or it is
// stopped. No instant comes early, and none comes twice, also when the machine sleeps or its
// clock is set: the job looks at the clock at least every 30 seconds. (Only when a clock is
// set back by more than an hour, instants come again. When it is set back by less, those
// come again that were missed while it was ahead.) What happens when an instant
// comes while an earlier run goes on is the [Overlap] policy; what happens to instants that
// nobody could run in time is the [Misfire] policy. Of every instant that is not run
// there is a [Record] with the reason, in [Job.History], for Config.Recorded and in the log.
//
// A run gets a context. It ends when the run takes longer than Config.Timeout, when it is
// replaced, and some time after the job was told to end. An error, a panic and even
// runtime.Goexit in the function are the run's outcome, and the job goes on.
//
// # Many processes
//
// With a [Store], processes that have a job of the same name run each of its instants once
// among them, go by one clock, and know what was run while some of them were down. Package
// rediscron has one in Redis. What they do and when they compare: a job
// with another pattern or zone than before counts from now, and a process that runs is told in
// the log of one that has begun to do something else under the same name. Overlap is about one process even then: an instant that finds
// the job busy here may be run elsewhere.
package cron
