package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"strconv"
	"sync"
	"time"

	"github.com/redis/rueidis"
)

const (
	stream = "notify:jobs"
	group  = "workers"
)

// Job is a report that a user has asked for.
type Job struct {
	ID     string `json:"id"`
	User   string `json:"user"`
	Report string `json:"report"`
}

// Queue is a queue of jobs in a Redis stream. A job stays in the stream until a worker has
// finished it. If its worker fails, crashes or loses Redis, another attempt begins after Retry. A
// worker may therefore run a job again that it, or another one, has almost finished.
type Queue struct {
	Redis    rueidis.Client
	Retry    time.Duration // until the next attempt
	Attempts int           // after which a job has failed for good
}

// Add adds a job.
func (q *Queue) Add(ctx context.Context, j Job) error {
	text, err := json.Marshal(j)
	if err != nil {
		return err
	}
	return q.Redis.Do(ctx, q.Redis.B().Xadd().Key(stream).Id("*").FieldValue().FieldValue("job", string(text)).Build()).Error()
}

// Work runs jobs, one at a time, until ctx is done. The name distinguishes the workers. Work calls
// run with the number of the attempt, and gaveUp after the last one.
func (q *Queue) Work(ctx context.Context, name string, run func(ctx context.Context, j Job, attempt int) error, gaveUp func(ctx context.Context, j Job)) error {
	err := q.Redis.Do(ctx, q.Redis.B().XgroupCreate().Key(stream).Group(group).Id("0").Mkstream().Build()).Error()
	if re, ok := rueidis.IsRedisErr(err); err != nil && (!ok || !re.IsBusyGroup()) { // another worker may have created it
		return err
	}
	for ctx.Err() == nil {
		entry, err := q.next(ctx, name)
		if err != nil {
			if ctx.Err() == nil {
				log.Printf("no job from Redis: %v", err)
				pause(ctx, time.Second)
			}
			continue
		}
		if entry == nil {
			continue
		}
		if err := q.run(ctx, name, *entry, run, gaveUp); err != nil && ctx.Err() == nil {
			log.Printf("job %s: %v", entry.ID, err)
		}
	}
	return nil
}

// next returns a job whose worker has failed, or else a new one, or nil if there is none within a
// second.
func (q *Queue) next(ctx context.Context, name string) (*rueidis.XRangeEntry, error) {
	claim := q.Redis.B().Xautoclaim().Key(stream).Group(group).Consumer(name).
		MinIdleTime(strconv.FormatInt(q.Retry.Milliseconds(), 10)).Start("0").Count(1).Build()
	answer, err := q.Redis.Do(ctx, claim).ToArray()
	if err != nil {
		return nil, err
	}
	if len(answer) < 2 {
		return nil, errors.New("the answer to XAUTOCLAIM is too short")
	}
	if failed, err := answer[1].AsXRange(); err != nil || len(failed) > 0 {
		return first(failed), err
	}
	read := q.Redis.B().Xreadgroup().Group(group, name).Count(1).Block(1000).Streams().Key(stream).Id(">").Build()
	streams, err := q.Redis.Do(ctx, read).AsXRead()
	if rueidis.IsRedisNil(err) {
		return nil, nil
	}
	return first(streams[stream]), err
}

func first(entries []rueidis.XRangeEntry) *rueidis.XRangeEntry {
	if len(entries) == 0 {
		return nil
	}
	return &entries[0]
}

// run runs a job, and removes it if it is done or has failed for good.
func (q *Queue) run(ctx context.Context, name string, entry rueidis.XRangeEntry, run func(ctx context.Context, j Job, attempt int) error, gaveUp func(ctx context.Context, j Job)) error {
	var j Job
	if err := json.Unmarshal([]byte(entry.FieldValues["job"]), &j); err != nil {
		return errors.Join(fmt.Errorf("removed, because it is not a job: %w", err), q.remove(ctx, entry.ID))
	}
	attempt, err := q.attempt(ctx, entry.ID)
	if err != nil {
		return err
	}
	if attempt <= q.Attempts {
		working, done := context.WithCancel(ctx)
		var holding sync.WaitGroup
		holding.Go(func() { q.hold(working, name, entry.ID) })
		err = run(working, j, attempt)
		done()
		holding.Wait()
		if ctx.Err() != nil || err != nil && attempt < q.Attempts {
			return err // it stays in the stream
		}
	}
	if err != nil || attempt > q.Attempts { // the second if its last worker has crashed
		gaveUp(ctx, j)
	}
	return errors.Join(err, q.remove(ctx, entry.ID))
}

// attempt returns how often a job has been given to a worker.
func (q *Queue) attempt(ctx context.Context, id string) (int, error) {
	list, err := q.Redis.Do(ctx, q.Redis.B().Xpending().Key(stream).Group(group).Start(id).End(id).Count(1).Build()).ToArray()
	if err != nil || len(list) == 0 {
		return 1, err
	}
	entry, err := list[0].ToArray() // ID, consumer, idle time, number of deliveries
	if err != nil || len(entry) < 4 {
		return 1, err
	}
	n, err := entry[3].AsInt64()
	return int(n), err
}

// hold says again and again that a job is being worked on, so that no other worker takes it.
func (q *Queue) hold(ctx context.Context, name, id string) {
	for pause(ctx, q.Retry/4) {
		_ = q.Redis.Do(ctx, q.Redis.B().Xclaim().Key(stream).Group(group).Consumer(name).MinIdleTime("0").Id(id).Justid().Build()).Error()
	}
}

func (q *Queue) remove(ctx context.Context, id string) error {
	for _, r := range q.Redis.DoMulti(ctx,
		q.Redis.B().Xack().Key(stream).Group(group).Id(id).Build(),
		q.Redis.B().Xdel().Key(stream).Id(id).Build()) {
		if err := r.Error(); err != nil {
			return err
		}
	}
	return nil
}

// pause waits, and reports whether ctx is not done.
func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
	return ctx.Err() == nil
}
