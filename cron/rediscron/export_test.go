package rediscron

import (
	"context"

	"github.com/redis/rueidis"
)

// LeavePause is how often a client is left at most.
const LeavePause = leavePause

// AskWhileLeft asks over a client that is left between when it was chosen and when it is
// used, so many times.
func (s *Store) AskWhileLeft(ctx context.Context, times int) error {
	_, err := s.do(ctx, toRuns, func(ctx context.Context, client rueidis.Client) rueidis.RedisResult {
		if times--; times >= 0 {
			s.leave(ctx, client)
			s.leaving.Wait()
			s.left = s.left.Add(-leavePause)
		}
		return client.Do(ctx, client.B().Ping().Build())
	})
	return err
}
