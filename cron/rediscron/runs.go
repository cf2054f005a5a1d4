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

// Run describes a granted run of any process.
type Run struct {
	Scheduled time.Time
	Fence     uint64
	Node      string    // node of the process that runs it
	Granted   time.Time // by Redis' clock
	// Outcome and Duration are zero until the end of the run is reported. The run may
	// be in progress, its process may have died, or Redis may have been unavailable,
	// or have accepted no writes, when it ended.
	Outcome  cron.Outcome
	Duration time.Duration
}

// Runs returns the last runs of a job, newest instant first: at most n, and at most
// the 1000 that are remembered. The times are local.
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

// parseRun parses what claim.lua and finish.lua have written: instant, number, token,
// node, time of the grant, and then outcome and duration.
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
