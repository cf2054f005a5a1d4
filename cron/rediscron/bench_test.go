package rediscron_test

import (
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ignis-go/ignis/cron"
	"github.com/ignis-go/ignis/cron/rediscron"
	"github.com/ignis-go/ignis/internal/redistest"
)

// BenchmarkClaim makes claims from 32 goroutines, each for its own job, as a process
// with many jobs does every second.
func BenchmarkClaim(b *testing.B) {
	r := redistest.Start(b)
	s := open(b, rediscron.Config{URL: r.URL()})
	var jobs [32]string
	for i := range jobs {
		jobs[i] = "job-" + strconv.Itoa(i)
		if _, err := s.Last(b.Context(), cron.Query{Job: jobs[i]}); err != nil {
			b.Fatal(err)
		}
		// Pretend that the store has known the job for a long time.
		r.Do("hset", "ignis:cron:{"+jobs[i]+"}:state", "floor", "1")
	}
	began := time.Now().Truncate(time.Second).Add(-365 * 24 * time.Hour)
	var next atomic.Int64
	b.SetParallelism(len(jobs) / 2)
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		job := jobs[int(next.Add(1))%len(jobs)]
		for at := began; pb.Next(); at = at.Add(time.Second) {
			if _, err := s.Claim(b.Context(), cron.Claim{Job: job, Scheduled: at, Token: "a"}); err != nil {
				b.Error(err)
				return
			}
		}
	})
}
