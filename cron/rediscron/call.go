package rediscron

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redis/rueidis"
)

const (
	// maxRedirects limits how often one call follows a Cluster's MOVED and ASK,
	// because nodes that disagree may redirect to each other.
	maxRedirects = 5
	// leavePause is the minimum time that a client is used before it is replaced,
	// because many jobs may get the same reply.
	leavePause = 500 * time.Millisecond
)

// Close closes the connection. Calls in progress may fail, and later ones return
// ErrClosed. Close may be called more than once and always returns nil.
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

// do makes a call, limited by Timeout, and returns Redis' answer. An error reply is
// an error.
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
			continue // another call has replaced this client
		}
		verdict, err := judge(c, client.Mode(), err)
		if verdict == elsewhere {
			s.leave(ctx, client)
		}
		return result, err
	}
}

// connected returns the client, and connects if there is none. While another call
// connects, it waits until ctx is done.
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

// leave makes the next call reconnect, unless a client was replaced just now. Calls
// that wait for an answer from this client get it, if it arrives within a second.
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
