package rediscron

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/rueidis"

	"github.com/ignis-go/ignis/cron"
)

// Run is what is known of a run that was granted, by whatever process.
type Run struct {
	Scheduled time.Time
	Fence     uint64
	Node      string    // that of its process
	Granted   time.Time // by Redis' clock
	// Outcome and Duration are zero as long as nobody has said that it ended. It goes
	// on, or its process died, or Redis was away when it ended, or took no writes.
	Outcome  cron.Outcome
	Duration time.Duration
}

// Runs returns the last runs of a job, the newest instant first: at most n, and not more
// than are remembered, which are 1000. The times are local.
func (s *Store) Runs(ctx context.Context, job string, n int) ([]Run, error) {
	if n < 1 {
		return nil, nil
	}
	result, err := s.do(ctx, toRuns, func(ctx context.Context, client rueidis.Client) rueidis.RedisResult {
		return client.Do(ctx, client.B().Zrevrange().Key(s.claims(job)).Start(0).Stop(int64(n-1)).Build())
	})
	if err != nil {
		return nil, err
	}
	list, err := result.AsStrSlice()
	if err != nil {
		return nil, fmt.Errorf("rediscron: %w", err)
	}
	runs := make([]Run, len(list))
	for i, text := range list {
		if runs[i], err = parseRun(text); err != nil {
			return nil, fmt.Errorf("rediscron: a claim of job %s: %w", job, err)
		}
	}
	return runs, nil
}

// parseRun reads what claim.lua and finish.lua have written:
// instant, number, token, node, time of the grant, and then outcome and duration.
func parseRun(text string) (r Run, err error) {
	field := strings.Fields(text)
	if len(field) != 5 && len(field) != 7 {
		return r, errors.New("malformed")
	}
	var n [7]int64
	for i, f := range field {
		if i == 2 || i == 3 {
			continue
		}
		if n[i], err = strconv.ParseInt(f, 10, 64); err != nil {
			return r, errors.New("malformed")
		}
	}
	return Run{
		Scheduled: time.Unix(n[0], 0), Fence: uint64(n[1]), Node: field[3], Granted: time.UnixMicro(n[4]),
		Outcome: cron.Outcome(n[5]), Duration: time.Duration(n[6]) * time.Microsecond,
	}, nil
}
