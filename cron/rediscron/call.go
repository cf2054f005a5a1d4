package rediscron

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redis/rueidis"
)

const (
	// maxRedirects bounds how often one call follows a Cluster's MOVED and ASK: nodes that
	// disagree may name each other.
	maxRedirects = 5
	// leavePause is how long a client is used at least before it is left: many jobs may
	// meet the same reply.
	leavePause = 500 * time.Millisecond
)

// Close releases the connection. Calls in progress may fail, later ones return ErrClosed.
// It may be called more than once and always returns nil.
func (s *Store) Close() error {
	s.turn <- struct{}{}
	defer func() { <-s.turn }()
	s.closed = true
	if s.client != nil {
		s.client.Close()
		s.client = nil
	}
	s.replicas.close()
	s.leaving.Wait()
	return nil
}

// do makes a call, within the Timeout, and returns what Redis has answered. An error reply
// is an error.
func (s *Store) do(
	ctx context.Context, c command, call func(context.Context, rueidis.Client) rueidis.RedisResult,
) (result rueidis.RedisResult, err error) {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.Timeout)
	defer cancel()
	for again := false; ; again = true {
		client, err := s.connected(ctx)
		if err != nil {
			return result, err
		}
		result = call(ctx, client)
		if err = result.Error(); err == nil {
			s.replicas.look(client)
			return result, nil
		}
		if errors.Is(err, rueidis.ErrClosing) && !again {
			continue // another call has left this client, and this one took no part in the fault
		}
		verdict, err := judge(c, client.Mode(), err)
		if verdict == elsewhere {
			s.leave(ctx, client)
		}
		return result, err
	}
}

// connected returns the client, and connects if there is none. While somebody else
// connects it waits for that, at most until ctx ends.
func (s *Store) connected(ctx context.Context) (rueidis.Client, error) {
	select {
	case s.turn <- struct{}{}:
		defer func() { <-s.turn }()
	case <-ctx.Done():
		return nil, fmt.Errorf("rediscron: %w", context.Cause(ctx))
	}
	if s.closed {
		return nil, fmt.Errorf("rediscron: %w", ErrClosed)
	}
	if s.client == nil {
		client, err := rueidis.NewClient(s.option)
		if err != nil {
			if client != nil {
				client.Close()
			}
			_, err = judge(toConnect, rueidis.ClientModeCluster, err)
			return nil, err
		}
		s.client = client
	}
	return s.client, nil
}

// leave makes the next call connect anew, unless that was done just now. Calls that wait
// for an answer from this client get it, if it comes within a second.
func (s *Store) leave(ctx context.Context, client rueidis.Client) {
	select {
	case s.turn <- struct{}{}:
		defer func() { <-s.turn }()
	case <-ctx.Done():
		return
	}
	if s.client != client || time.Since(s.left) < leavePause {
		return
	}
	s.client, s.left = nil, time.Now()
	s.leaving.Go(client.Close)
}
